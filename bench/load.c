/*
 * load.c: a load generator for echo servers: one thread, epoll, TCP or unix
 * sockets.  Every byte that comes back is compared with the byte sent.
 *
 * echo	     keep `depth` messages in flight on each connection; each message
 *	     that has come back whole is timed and replaced by the next
 * broadcast the same with messages that one connection sends and that the
 *	     server passes on to all others
 * idle	     open the connections, report it, and hold them until there is input
 *	     or end of file on standard input
 * accept    connect, echo one byte, close; as often as possible
 * handshake connect, TLS handshake, close; as often as possible.  With -R all
 *	     resume the session of a first connection
 *
 * With -T the connections of the modes echo, broadcast and idle speak TLS.
 *
 * The result is one line of name=value pairs on standard output.  With -p it
 * reports when all are connected, and waits for a line of input before it
 * begins.  After the result it then prints the messages of each connection, and
 * waits for input again.
 */

#include <sys/epoll.h>

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load.h"

struct options opt = { .mode = "echo",
	.connections = 50,
	.depth = 1,
	.size = 64,
	.seconds = 3,
	.warm_up = 0.5 };
struct sockaddr_storage server;
socklen_t server_len;
int epfd;
unsigned char pattern[PATTERN_PERIOD + RUN_MAX];

static _Noreturn void
usage(void)
{
	fprintf(stderr,
	    "usage: load [-pRT] [-m echo|broadcast|idle|accept|handshake]\n"
	    "            [-c connections] [-s bytes] [-d depth]\n"
	    "            [-t seconds | -n messages] [-w warm-up seconds]\n"
	    "            [-l microseconds]\n"
	    "            host:port | unix:/path\n");
	exit(2);
}

static void
parse(int argc, char **argv)
{
	int ch;

	while ((ch = getopt(argc, argv, "c:d:l:m:n:pRs:Tt:w:")) != -1) {
		switch (ch) {
		case 'c':
			opt.connections = (unsigned int)atoi(optarg);
			break;
		case 'd':
			opt.depth = (unsigned int)atoi(optarg);
			break;
		case 'l':
			opt.slow_ns = strtoull(optarg, NULL, 10) * 1000;
			break;
		case 'm':
			opt.mode = optarg;
			break;
		case 'n':
			opt.messages = strtoull(optarg, NULL, 10);
			opt.warm_up = 0;
			break;
		case 'p':
			opt.paused = true;
			break;
		case 'R':
			opt.resume = true;
			break;
		case 's':
			opt.size = strtoull(optarg, NULL, 10);
			break;
		case 'T':
			opt.tls = true;
			break;
		case 't':
			opt.seconds = atof(optarg);
			break;
		case 'w':
			opt.warm_up = atof(optarg);
			break;
		default:
			usage();
		}
	}
	if (optind != argc - 1 || opt.connections == 0 || opt.depth == 0)
		usage();
}

static void
make_pattern(void)
{
	uint32_t random = 1;
	size_t i;

	for (i = 0; i < PATTERN_PERIOD; i++) {
		random = random * 1664525 + 1013904223;
		pattern[i] = (unsigned char)(random >> 24);
	}
	for (; i < sizeof(pattern); i++)
		pattern[i] = pattern[i - PATTERN_PERIOD];
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
		bool sized; /* a size of 0 is an error */
	} modes[] = {
		{ "echo", run_echo, true },
		{ "broadcast", run_broadcast, true },
		{ "idle", run_idle, false },
		{ "accept", run_accept, false },
		{ "handshake", run_handshake, false },
	};

	parse(argc, argv);
	server_set(argv[optind]);
	if ((epfd = epoll_create1(EPOLL_CLOEXEC)) == -1)
		err(1, "epoll_create1");
	make_pattern();
	tls_begin();
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (strcmp(opt.mode, modes[i].name) == 0 &&
		    (opt.size > 0 || !modes[i].sized)) {
			modes[i].run();
			return 0;
		}
	}
	usage();
}
