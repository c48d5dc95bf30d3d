/*
 * msg.h: the messages between the master and its children, and what each
 * carries.  Only msg.c knows how they look in bytes, and it makes all checks of
 * bytes from outside.  packet.h takes messages over a socket, answers.h through
 * shared memory.
 */

#ifndef SLUICE_MSG_H
#define SLUICE_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define CHILD_CHANNEL_FD 3 /* the child's end, in every child */
#define CHILD_PRINTED_FD 6 /* with --printed: for what plugins print */
/* Of answers.h, in a child that runs plugin code. */
#define CHILD_MEMORY_FD 4
#define CHILD_BELL_FD 5 /* the same */

enum msg_type {
	MSG_NONE = 0,
	/*
	 * master to any child; fd: head of the shared memory (workers only).
	 * It is the first message; that of another version of sluiced is
	 * refused.
	 */
	MSG_HELLO,
	/*
	 * master to probe and worker: what generation `generation` is made of
	 */
	MSG_BUNDLE, /* fd: bundle */
	MSG_IMAGE,  /* fd: sealed image */
	MSG_SECRET, /* fd: sealed secret; to workers only */
	MSG_SOCKET, /* fd: socket, bound now, listening by COMMIT */
	/* This worker serves it without a socket: a connector, or
	   a listener that is drained. */
	MSG_ENDPOINT,
	MSG_PREPARE, /* all of it was sent: load, build, start */
	MSG_COMMIT,
	MSG_ABORT,
	/* master to worker */
	MSG_STOP,
	MSG_STOP_LISTENER, /* both ways */
	/* child to master */
	MSG_PROBLEM,
	MSG_FACTS, /* probe */
	MSG_PREPARED,
	MSG_REFUSED, /* the MSG_PROBLEMs before it say why */
	MSG_COMMITTED,
	MSG_RELOAD, /* a plugin asks for a reload */
	MSG_SLOW,   /* worker: a callback was slow, as its log says */
	/*
	 * Probe: what it does next, so that the master can name it if the probe
	 * dies.
	 */
	MSG_PROGRESS,
	/*
	 * master to worker; fd: a row of the shared memory.  The worker's own
	 * row comes right after MSG_HELLO.
	 */
	MSG_ROW,
	MSG_SOURCE, /* reader: a file or a pattern that it looks at */
	/*
	 * Worker: one more MSG_ABORT or MSG_STOP_LISTENER was carried out: its
	 * sockets are closed.
	 */
	MSG_DONE,
	/*
	 * master to describe: the libraries, then the plugin; fd: its sealed
	 * image, or none for a library of the system
	 */
	MSG_FILE,
	MSG_TICKETS,	/* master to worker; fd: sealed: see ticket_keys.h */
	MSG_NO_TICKETS, /* worker: it could not take them */
	MSG_LOG_FORMAT, /* reader: before the first problem of a file it read */
	MSG_LIST,	/* master to worker; fd: see conn_sheet.h */
	MSG_LISTED,	/* worker: that one is filled in */
	MSG_OUTPUT,	/* master to worker; fd: see enum output */
	MSG_LOG_LEVEL,	/* master to worker: until the next COMMIT */
	/*
	 * master to status; fd: where it asks, as on the control socket, but as
	 * often as it likes
	 */
	MSG_ASK,
	MSG_PAGE, /* master to status; fd: a listening socket */
	MSG_TYPES
};

enum progress {
	PROGRESS_BEGIN, /* nothing yet */
	PROGRESS_LOAD,	/* an image */
	PROGRESS_CHECK, /* the options of a listener, by its plugin */
};

/* What of a worker is to be written there. */
enum output {
	OUTPUT_STDERR,	/* what its plugins print to standard error */
	OUTPUT_PRINTED, /* the same, and to standard output */
	OUTPUT_LINES,	/* its log; fd: an open file of its own */
};

struct hello {
	uint32_t worker;   /* its number, from 0; workers only */
	uint32_t place;	   /* of its row in the shared memory */
	uint32_t workers;  /* how many; workers only: how many places */
	uint32_t uid, gid; /* become this; (uint32_t)-1: stay */
	uint32_t master_pid;
	bool check_only;    /* reader: this is -t, leave no trace */
	bool json;	    /* describe: not as text */
	const char *config; /* reader: its path */
};

/* One message.  Texts are borrowed, from the packet when it was decoded. */
struct msg {
	enum msg_type type;
	uint32_t generation;
	/*
	 * To be sent: borrowed, or -1; ignored for types that take none.
	 * Received: owned by the receiver; -1: none, or it was lost for lack of
	 * room in this process, which a receiver must be ready for.
	 */
	int fd;
	union {
		struct hello hello;
		struct {
			uint32_t index; /* in the bundle */
		} image, secret;
		struct {
			uint32_t listener; /* index in the bundle */
			uint32_t address;  /* index */
			uint32_t id;
			uint32_t slot; /* of the listener */
		} socket;
		struct {
			uint32_t index; /* as settings_endpoint() */
			uint32_t slot;
		} endpoint;
		struct {
			bool now; /* do not drain first */
			/* Drain for upgrade_drain, not for drain_timeout. */
			bool upgrade;
		} stop;
		struct {
			bool close_active;  /* its connections, too */
			const char *name;   /* of the listener */
			const char *plugin; /* that asks; to the master only */
		} stop_listener;
		struct {
			uint32_t level; /* enum log_level */
			uint32_t line;
			const char *file; /* "": none */
			const char *text;
		} problem;
		struct {
			uint32_t callback; /* enum callback */
			uint32_t ms;
			const char *listener, *plugin; /* their names */
			const char *text;
		} slow;
		struct {
			uint32_t image; /* index in the bundle */
			uint32_t flags, state_version;
			const char *name, *version;
		} facts;
		struct {
			uint32_t step;	/* enum progress */
			uint32_t index; /* of the image or the listener */
		} progress;
		struct {
			uint32_t worker, serial;
		} row;
		struct {
			const char *pattern; /* for glob(3) */
		} source;
		struct {
			uint32_t format; /* enum log_format */
			uint32_t level;	 /* enum log_level */
		} log;
		struct {
			uint32_t what; /* enum output */
		} output;
		struct {
			uint32_t serial;
		} list, listed;
		struct {
			bool is_library;
			const char *name; /* a library's */
			const char *path;
		} file;
	};
};

/* The longest texts, without their NUL; longer ones are not sent. */
#define MSG_PATH_MAX 4095
#define MSG_PLUGIN_MAX 1023 /* a plugin's name */
/* These are cut instead. */
#define MSG_PROBLEM_MAX 4000
#define MSG_FACT_MAX 255
#define MSG_PAYLOAD_MAX 8192 /* bytes; more than any message takes */

/* In front of every payload. */
struct msg_head {
	uint32_t type;
	uint32_t generation;
	uint32_t length; /* of the payload */
};

/* A message in bytes. */
struct packet {
	struct msg_head head;
	char payload[MSG_PAYLOAD_MAX];
};

/* The table of names, for logs. */
const char *msg_name(uint32_t type);

/* Does a descriptor go along with messages of this type? */
bool msg_takes_fd(uint32_t type);

/*
 * A message to bytes.  0, or -1 with errno: EMSGSIZE for a text that is too
 * long, EBADF when it lacks its descriptor.
 */
int msg_encode(const struct msg *msg, struct packet *ret);
/* How many bytes an encoded message has. */
size_t msg_size(const struct packet *packet);

/* Check a head that came from outside.  0, or -1 with err. */
int msg_check_head(const struct msg_head *head, struct error *err);

#define MSG_FD_LOST (-2) /* there was one, but no room for it */

/*
 * Bytes from outside to a message: a packet with as much payload as its head
 * says.  fd: what came along, -1: nothing, or MSG_FD_LOST.  0, or -1 with err,
 * which says what is wrong with it; fd is still the caller's then.
 */
int msg_decode(const struct packet *packet, int fd, struct msg *ret,
    struct error *err);

#endif
