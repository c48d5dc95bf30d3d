/*
 * fake_resolver.h: a resolver of the test, which answers what the test says, and
 * a resolv.conf that names it.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_FAKE_RESOLVER_H
#define SLUICE_TESTS_FAKE_RESOLVER_H

#include <arpa/inet.h>
#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "worker/resolver.h"

static char conf_path[64];
static unsigned int asked;   /* questions, of both types */
static char asked_name[256]; /* in the last one, as in the packet */

static int
bind_loopback(int type, const char *host, uint16_t port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, host, &addr.sin_addr);
	ck_assert_int_eq(bind(fd, (void *)&addr, sizeof(addr)), 0);
	return fd;
}

static uint16_t
port_of(int fd)
{
	struct sockaddr_in addr;
	socklen_t len = sizeof(addr);

	ck_assert_int_eq(getsockname(fd, (void *)&addr, &len), 0);
	return ntohs(addr.sin_port);
}

/* Write another resolv.conf, which names this resolver. */
static void
write_conf(int resolver)
{
	char new[80];
	FILE *file;

	snprintf(new, sizeof(new), "%s.new", conf_path);
	file = fopen(new, "w");
	ck_assert_ptr_nonnull(file);
	fprintf(file, "nameserver 127.0.0.1\nsearch test\n");
	resolver_port = port_of(resolver);
	fclose(file);
	ck_assert_int_eq(rename(new, conf_path), 0);
}

/* Returns its socket. */
static int
begin_resolver(void)
{
	int resolver = bind_loopback(SOCK_DGRAM, "127.0.0.1", 0);

	snprintf(conf_path, sizeof(conf_path), "/tmp/sluice-names-%d",
	    getpid());
	resolver_conf = conf_path;
	write_conf(resolver);
	return resolver;
}

static void
end_resolver(int resolver)
{
	close(resolver);
	unlink(conf_path);
}

/* How it answers. */
static struct {
	uint32_t ttl_s;
	uint32_t soa_s; /* of a name without an address; 0: does not say */
	int rcode;	/* 2: SERVFAIL; of a name that exists */
} reply = { 60, 60, 0 };

static const char *const none[] = { NULL };
static const char *const loopback[] = { "127.0.0.1", NULL };
static const char *const loopback6[] = { "::1", NULL };
/* Instead of a list: no answer, but see answer_late(). */
static const char *const silent[] = { NULL };

struct question {
	unsigned char packet[1024];
	struct sockaddr_in from;
	int family;
	size_t len;
};

static struct question late;

/* One resource record of an answer.  Returns its end. */
static unsigned char *
put_record(unsigned char *p, int family, const char *address)
{
	unsigned char head[12] = { 0xc0, 12, 0, family == AF_INET ? 1 : 28, 0,
		1, 0, 0, 0, reply.ttl_s, 0, family == AF_INET ? 4 : 16 };

	memcpy(p, head, sizeof(head));
	inet_pton(family, address, p + sizeof(head));
	return p + sizeof(head) + head[11];
}

/* The zone's record in an answer without an address. */
static unsigned char *
put_soa(unsigned char *p)
{
	const unsigned char soa[] = { 0, 0, 6, 0, 1, 0, 1, 0, 0, 0, 22, 0, 0, 0,
		0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
		reply.soa_s };

	memcpy(p, soa, sizeof(soa));
	return p + sizeof(soa);
}

static void
send_answer(int resolver, struct question *question, const char *const *list,
    bool exists)
{
	unsigned char *packet = question->packet, *p = packet + question->len;
	int count = 0;

	for (; list[count] != NULL; count++)
		p = put_record(p, question->family, list[count]);
	packet[2] = 0x81;
	packet[3] = 0x80 | (exists ? reply.rcode : 3);
	memset(packet + 4, 0, 8);
	packet[5] = 1;
	packet[7] = count;
	packet[9] = count == 0 && reply.soa_s > 0;
	if (packet[9] == 1)
		p = put_soa(p);
	sendto(resolver, packet, p - packet, 0, (void *)&question->from,
	    sizeof(question->from));
}

/*
 * Answer a question if there is one.  Each list ends with NULL; if both are
 * empty there is no such name.
 */
static void
answer(int resolver, const char *const *v4, const char *const *v6)
{
	struct question question;
	socklen_t len = sizeof(question.from);
	ssize_t n = recvfrom(resolver, question.packet, 512, 0,
	    (void *)&question.from, &len);
	const char *const *list;
	unsigned char *end;

	if (n < 12)
		return;
	asked++;
	snprintf(asked_name, sizeof(asked_name), "%.255s",
	    question.packet + 12);
	for (end = question.packet + 12; *end != 0;)
		end += *end + 1;
	question.family = end[2] == 28 ? AF_INET6 : AF_INET;
	/* After the root, the type and the class. */
	question.len = end + 5 - question.packet;
	list = question.family == AF_INET6 ? v6 : v4;
	if (list == silent)
		late = question;
	else
		send_answer(resolver, &question, list,
		    v4[0] != NULL || v6[0] != NULL || reply.rcode != 0);
}

/* Answer the last question to which it was silent. */
static inline void
answer_late(int resolver, const char *const *list)
{
	send_answer(resolver, &late, list, true);
}

#endif
