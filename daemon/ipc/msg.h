/*
 * msg.h: what the master and its children say to each other.  The master, and
 * the reader to it, over a SOCK_SEQPACKET pair: one message a packet, at most
 * one descriptor with it.  Children that run plugin code answer by answers.h.
 */

#ifndef SLUICE_MSG_H
#define SLUICE_MSG_H

#include <stddef.h>
#include <stdint.h>

struct error;

#define CHILD_CHANNEL_FD 3 /* the child's end, in every child */
/* Answers.h, in a child that runs plugin code. */
#define CHILD_MEMORY_FD 4
#define CHILD_BELL_FD 5 /* the same */
#define MSG_PAYLOAD_MAX 8192

enum msg_type {
	MSG_NONE = 0,
	/*
	 * master to any child; payload: struct hello; fd: head of the shared
	 * memory (workers only).  The first message.
	 */
	MSG_HELLO,
	/*
	 * master to probe and worker: what generation `generation` is made of
	 */
	MSG_BUNDLE, /* fd: bundle */
	MSG_IMAGE,  /* fd: sealed image; arg[0]: index in the bundle */
	/* Fd: sealed secret; arg[0]: index in the bundle; to workers only. */
	MSG_SECRET,
	/*
	 * Fd: socket, bound now, listening by COMMIT; arg[0]: listener, arg[1]:
	 * address index, arg[2]: socket id, arg[3]: listener slot.
	 */
	MSG_SOCKET,
	MSG_PREPARE, /* all of it was sent: load, build, start */
	MSG_COMMIT,
	MSG_ABORT,
	/* master to worker */
	MSG_STOP, /* arg[0]: 0 drain, then leave; 1 leave now */
	/*
	 * both ways; payload: listener name NUL; arg[0]: close its connections
	 * too; to the master also: name NUL of the plugin that asks
	 */
	MSG_STOP_LISTENER,
	/* child to master */
	/*
	 * Arg[0]: enum log_level; arg[1]: line; payload: file NUL text NUL
	 * (file may be empty).
	 */
	MSG_PROBLEM,
	/*
	 * Probe: arg[0]: image, arg[1]: flags, arg[2]: state_version; payload:
	 * name NUL version NUL.
	 */
	MSG_FACTS,
	MSG_PREPARED,
	MSG_REFUSED, /* the MSG_PROBLEMs before it say why */
	MSG_COMMITTED,
	MSG_RELOAD, /* a plugin asks for a reload */
	/*
	 * probe: what it is going to do now, in case it is its last; arg[0]:
	 * enum progress, arg[1]: image or listener
	 */
	MSG_PROGRESS,
	/*
	 * master to worker; fd: a row of the shared memory; arg[0]: of which
	 * worker, arg[1]: serial.  Its own comes right behind MSG_HELLO.
	 */
	MSG_ROW,
	/* Reader: it looks at this; payload: pattern for glob(3) NUL. */
	MSG_SOURCE,
	/*
	 * Worker: one more MSG_ABORT or MSG_STOP_LISTENER was obeyed, its
	 * sockets are closed.
	 */
	MSG_DONE,
	MSG_TYPES
};

enum progress {
	PROGRESS_BEGIN, /* nothing yet */
	PROGRESS_LOAD,	/* an image */
	PROGRESS_CHECK, /* the options of a listener, by its plugin */
};

/* The table of names, for logs. */
const char *msg_name(uint32_t type);

/* In front of every payload. */
struct msg_head {
	uint32_t type;
	uint32_t generation;
	uint32_t arg[4];
	uint32_t length; /* of the payload */
};

struct msg {
	uint32_t type;
	uint32_t generation;
	uint32_t arg[4];
	uint32_t length; /* of payload */
	char payload[MSG_PAYLOAD_MAX];
	int fd; /* received: owned by the receiver; -1: none */
};

/*
 * Send one message; payload may be NULL; fd -1: none, else borrowed.  A child
 * gets its end blocking, so a simple child may just send and receive; on a
 * non-blocking one -1 with EAGAIN means: try again when writable.  Returns 0,
 * or -1 with errno (ETOOMANYREFS: too many descriptors are under way).
 */
int msg_send(int channel, uint32_t type, uint32_t generation,
    const uint32_t arg[4], const void *payload, size_t length, int fd);

/*
 * Receive one message.  Returns 1; 0 at end of file; -1 with errno: EAGAIN, or
 * EBADMSG for a packet that is not one of ours (already dropped, with its
 * descriptors).  A descriptor for which this process has no room left is
 * missing: ret->fd is -1, which a receiver must be ready for in any case.
 */
int msg_recv(int channel, struct msg *ret);

/* The head of such a message; arg may be NULL.  0, or -1 with EMSGSIZE. */
int msg_write_head(struct msg_head *head, uint32_t type, uint32_t generation,
    const uint32_t arg[4], size_t length);

/*
 * A head as it came from outside.  0, or -1 with EBADMSG: no message is like
 * that.  ret->fd is -1 then.
 */
int msg_read_head(const struct msg_head *head, struct msg *ret);

/*
 * The payload of a MSG_PROBLEM, cut to fit; file may be NULL.  Returns its
 * length.
 */
size_t msg_problem(char payload[MSG_PAYLOAD_MAX], const char *file,
    const char *text);

/*
 * Payload string number `index` (strings are NUL-terminated one after another),
 * or "" when there is none.
 */
const char *msg_string(const struct msg *msg, unsigned int index);

/* The payload of MSG_HELLO. */
struct hello {
	uint32_t worker;   /* index, from 0; workers only */
	uint32_t workers;  /* how many */
	uint32_t uid, gid; /* become this; (uint32_t)-1: stay */
	uint32_t master_pid;
	uint32_t check_only; /* reader: this is -t, leave no trace */
	/* Reader: bytes of the config's path that follow. */
	uint32_t config_length;
};

#endif
