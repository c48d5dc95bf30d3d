/*
 * clients.h: who is connected.  There is room for a few, each has a little time,
 * and when there is no room the oldest one of whoever has the most makes it.  So
 * a client that is quick is served, however many others are slow.
 */

#ifndef SLUICE_STATUS_CLIENTS_H
#define SLUICE_STATUS_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct body;
struct event;
struct event_base;
struct MHD_Connection;
struct page;

#define CLIENTS_MAX 100
#define CLIENT_MS 10000 /* from its connect to the end of its answer */

enum client_state {
	CLIENT_ASKS,	 /* libmicrohttpd reads its request */
	CLIENT_WAITS,	 /* for news of the master */
	CLIENT_ANSWERED, /* libmicrohttpd writes the answer */
	CLIENT_ENDS, /* libmicrohttpd has closed it; what it still sends is read */
};

struct client {
	TAILQ_ENTRY(client) link;
	/*
	 * A duplicate of libmicrohttpd's descriptor: so we can end a connection
	 * that takes too long, and read what a client sends behind its request,
	 * since it would lose the answer if we closed before.
	 */
	int fd;
	enum client_state state;
	unsigned char address[16]; /* all zero: a unix socket */
	uint64_t due_ms;
	size_t dropped;
	bool cut;			   /* it does not linger */
	struct event *readable;		   /* in CLIENT_ENDS */
	struct MHD_Connection *connection; /* NULL in CLIENT_ENDS */
	/* http.c: what it asked for, and the answer. */
	const struct page *page;
	struct body *body;
};

struct clients_ops {
	/*
	 * Serve it, and call client_closed() when that is over.  Takes fd over,
	 * also when it returns false: it was not possible.
	 */
	bool (*on_client)(struct client *client, int fd,
	    const struct sockaddr *from, socklen_t length);
	/* Connections were shut down: look at them. */
	void (*on_shut)(void);
	/* After clients_leave(): the last client is gone. */
	void (*on_left)(void);
};

/* One for the process.  0, or -1 with errno. */
int clients_init(struct event_base *base, const struct clients_ops *ops);
void clients_done(void);

/* Accept from this listening socket, which is taken over.  0 or -1. */
int clients_listen(int fd);

/* Accept no more; whoever is connected is served. */
void clients_leave(void);

/* Call it for each in that state. */
void clients_each(enum client_state state, void (*call)(struct client *client));

/* Its connection is no more; the client is freed now or later. */
void client_closed(struct client *client);

/* End the connection now. */
void client_cut(struct client *client);

#endif
