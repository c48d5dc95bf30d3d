// bun.js: what floor.c does, for Bun:
// `bun bun.js [echo|broadcast|handshake] [certificate key]`.
// With a certificate it speaks TLS.  handshake: end each connection after it.

const broadcast = process.argv[2] === "broadcast";
const handshakes = process.argv[2] === "handshake";
const all = [];

// Send, behind what the kernel has not yet taken.
function send(socket, data) {
	if (socket.data.rest !== null) {
		socket.data.rest = Buffer.concat([socket.data.rest, data]);
		return;
	}
	const n = Math.max(socket.write(data), 0);
	if (n < data.length)
		socket.data.rest = Buffer.from(data.subarray(n)); // a copy
}

const server = Bun.listen({
	hostname: "127.0.0.1",
	port: 0,
	tls: process.argv[4] === undefined ? undefined : {
		cert: Bun.file(process.argv[3]),
		key: Bun.file(process.argv[4]),
	},
	socket: {
		handshake(socket) {
			if (handshakes)
				socket.end();
		},
		open(socket) {
			socket.data = { rest: null, place: all.length };
			socket.setNoDelay(true);
			all.push(socket);
		},
		data(socket, data) {
			if (!broadcast) {
				send(socket, data);
				return;
			}
			for (const other of all)
				if (other !== socket)
					send(other, data);
		},
		drain(socket) {
			const rest = socket.data.rest;
			if (rest === null)
				return;
			socket.data.rest = null;
			send(socket, rest);
		},
		close(socket) {
			const last = all.pop();

			if (last !== socket) {
				last.data.place = socket.data.place;
				all[last.data.place] = last;
			}
		},
		error() {},
	},
});
console.log(`listening on 127.0.0.1:${server.port}`);
