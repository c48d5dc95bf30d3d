/*
 * reader_fixture.h: the reader in a process of its own, with the test as its
 * master.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_READER_FIXTURE_H
#define SLUICE_TESTS_READER_FIXTURE_H

#include <sys/socket.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/roles.h"
#include "fixture.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

#define READER_GENERATION 7

static inline pid_t
reader_start(int *ret_channel)
{
	int pair[2];
	pid_t pid;

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (pair[0] != CHILD_CHANNEL_FD)
			close(pair[0]);
		if (pair[1] == CHILD_CHANNEL_FD)
			fcntl(pair[1], F_SETFD, 0);
		else
			dup2(pair[1], CHILD_CHANNEL_FD);
		_exit(reader_main());
	}
	close(pair[1]);
	*ret_channel = pair[0];
	return pid;
}

static inline void
reader_hello(int channel, const char *config, bool check_only)
{
	struct msg msg = {
		.type = MSG_HELLO,
		.generation = READER_GENERATION,
		.fd = -1,
		.hello.uid = (uint32_t)-1,
		.hello.gid = (uint32_t)-1,
		.hello.master_pid = (uint32_t)getpid(),
		.hello.check_only = check_only,
		.hello.config = config,
	};

	ck_assert_int_eq(packet_send(channel, &msg), 0);
}

/* Start a reader and take each message of its answer.  Returns its status. */
static inline int
reader_run(const char *config, bool check_only,
    void (*take)(const struct msg *))
{
	struct packet room;
	struct error err;
	struct msg msg;
	int channel, status;
	pid_t pid = reader_start(&channel);

	reader_hello(channel, config, check_only);
	while (packet_recv(channel, &room, &msg, &err) == 1)
		take(&msg);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(channel);
	return status;
}

#endif
