/*
 * load.h: the parts that all modes of the load generator share: options, one
 * measured stretch, sockets.
 */

#ifndef SLUICE_BENCH_LOAD_H
#define SLUICE_BENCH_LOAD_H

#include <sys/socket.h>
#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EVENTS_MAX 512	     /* per epoll_wait: more than ever come at once */
#define PATTERN_PERIOD 65521 /* bytes; a prime, so no message size divides it */
#define RUN_MAX (256 * 1024) /* bytes handed to one send or recv */
#define PACE_EVERY 500	     /* connections; far below any listen backlog */
#define ANSWER_TIMEOUT_S 10  /* an echo that takes longer is lost */

struct options {
	const char *mode;
	unsigned int connections;
	unsigned int depth;
	size_t size;
	double seconds, warm_up;
	uint64_t messages; /* instead of seconds, when not 0 */
	uint64_t slow_ns;  /* print every message slower than this */
	bool tls, resume;
	bool paused; /* wait_for_input() before and after what is measured */
};

struct client {
	int fd;
	uint32_t events; /* that epoll waits for */
	uint64_t place;	 /* of the connection's first byte in the pattern */
	uint64_t due;	 /* bytes asked to be sent; sent <= due */
	uint64_t sent;
	uint64_t received;
	uint64_t *begun;    /* ring of `depth`: when each message was sent */
	struct ssl_st *ssl; /* NULL: plain text, or not begun */
};

extern struct options opt;
extern struct sockaddr_storage server;
extern socklen_t server_len;
extern int epfd;
extern unsigned char pattern[PATTERN_PERIOD + RUN_MAX];

/* The modes. */
void run_accept(void);
void run_broadcast(void);
void run_echo(void);
void run_handshake(void);
void run_idle(void);

/* One measured stretch; load_result.c. */
uint64_t now_ns(void);
/* Begin with a warm-up, which does not count, unless `messages` is set. */
void stretch_begin(uint64_t now);
/* A message that was sent at `begun` has come back. */
void stretch_add(uint64_t now, uint64_t begun);
/* To be called in each pass.  Returns true, once it has printed the result. */
bool stretch_over(uint64_t now);

/*
 * One short connection after the other in each client; load_accept.c.  step()
 * is called for input, and for output until it says otherwise.
 */
typedef void client_step(struct client *cl, uint32_t events);
void run_short(client_step *step);
/* Close a connection, count it, and begin the next. */
void short_end(struct client *cl);

/* TLS; load_tls.c. */
void tls_begin(void);
/* Handshake on a blocking socket, which does not block afterwards. */
void tls_connect(struct client *cl);
/* As send() and recv() on a socket that does not block. */
ssize_t tls_send(struct client *cl, const void *buf, size_t len);
ssize_t tls_recv(struct client *cl, void *buf, size_t len);

/* Sockets; load_socket.c. */
/* "HOST:PORT", "[HOST]:PORT" or "unix:/path". */
void server_set(const char *text);
int open_socket(int flags);
void watch(int op, int fd, uint32_t events, void *ptr);
/*
 * Open all connections.  Every talk_every'th connection and the last one echo a
 * byte, so that the server has accepted all of them.  0: none does.
 */
struct client *connect_all(unsigned int talk_every);
/* Send what is due; wait for EPOLLOUT when the kernel takes no more. */
void client_flush(struct client *cl);
/*
 * Receive, and compare with the pattern, of which `sent` bytes have been sent.
 * Returns bytes.
 */
size_t client_receive(struct client *cl, uint64_t sent);
/* Report that all are connected, and wait for standard input. */
void wait_for_input(void);
/* With -p: print the messages of each connection, and wait for input. */
void clients_end(const struct client *clients);

#endif
