/* check_sockets.c: how listening sockets are opened, inherited and closed. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "sockets_fixture.h"

static bool
listens(const struct sock *sock)
{
	int value = 0;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(sock_fd(sock), SOL_SOCKET, SO_ACCEPTCONN,
			     &value, &length),
	    0);
	return value != 0;
}

static int
option(int fd, int level, int name)
{
	int value = -1;
	socklen_t length = sizeof(value);

	ck_assert_int_eq(getsockopt(fd, level, name, &value, &length), 0);
	return value;
}

static unsigned int
port_of(const struct sock *sock)
{
	struct sockaddr_in6 in6; /* the port is at the same place for IPv4 */
	socklen_t length = sizeof(in6);

	ck_assert_int_eq(
	    getsockname(sock_fd(sock), (struct sockaddr *)&in6, &length), 0);
	return ntohs(in6.sin6_port);
}

static int
connect_port(unsigned int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0)
		return fd;
	close(fd);
	return -1;
}

START_TEST(an_open_socket_is_found_again)
{
	struct sock *first, *second;
	char spec[64];
	unsigned int port;

	make();
	first = must_open("127.0.0.1:0", &web, 0);
	port = port_of(first);
	ck_assert_ptr_eq(must_open("127.0.0.1:0", &web, 0), first);
	/*
	 * A socket for port 0 is found again only by its listener; one for a number
	 * is found by every listener.
	 */
	second = must_open("127.0.0.1:0", &other, 0);
	ck_assert_ptr_ne(first, second);
	ck_assert_uint_ne(sock_id(first), sock_id(second));
	sock_unref(first);
	ck_assert_int_ge(fcntl(sock_fd(first), F_GETFD), 0);
	sock_unref(first);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", port);
	first = must_open(spec, &web, 0);
	ck_assert_ptr_eq(must_open(spec, &other, 0), first);
	sock_unref(first);
	sock_unref(first);
	sock_unref(second);
	ck_assert_int_eq(connect_port(port), -1);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_port_that_was_chosen_for_one_listener_is_not_shared_with_another)
{
	static const char *const any[] = { "127.0.0.1:0", "[::1]:0", "*:0" };
	struct sock *chosen, *same;
	char spec[64];

	make();
	for (size_t i = 0; i < 3; i++) {
		chosen = open_for(any[i], &web, 0);
		if (chosen == NULL)
			continue; /* IPv6 is off */
		snprintf(spec, sizeof(spec), "%.*s%u", (int)strlen(any[i]) - 1,
		    any[i], port_of(chosen));
		ck_assert_ptr_null(open_for(spec, &other, 0));
		ck_assert_ptr_nonnull(strstr(err.text, "listener \"web\""));
		/* The listener itself may ask for it. */
		same = must_open(spec, &web, 0);
		sock_unref(same);
		sock_unref(chosen);
		/* Then it is free for everybody. */
		sock_unref(must_open(spec, &other, 0));
	}
	sockets_free(sockets);
}
END_TEST

START_TEST(each_worker_has_a_socket_and_only_the_first_listens_at_once)
{
	struct sock *sock[3];
	char text[ADDRESS_TEXT_MAX];

	make();
	for (unsigned int i = 0; i < 3; i++) {
		sock[i] = must_open("*:0", &web, i);
		ck_assert_uint_eq(port_of(sock[i]), port_of(sock[0]));
		ck_assert(listens(sock[i]) == (i == 0));
	}
	for (unsigned int i = 1; i < 3; i++) {
		ck_assert_int_eq(sock_listen(sock[i], &web, &err), 0);
		ck_assert(listens(sock[i]));
	}
	ck_assert_int_eq(strncmp(sock_text(sock[0], text), "*:", 2), 0);
	for (unsigned int i = 0; i < 3; i++)
		sock_unref(sock[i]);
	sockets_free(sockets);
}
END_TEST

/*
 * Bind to a free port below those that the kernel chooses itself.  It stays
 * free after we close it, whatever else runs on this machine.
 */
static void
bind_quiet_port(int fd, struct sockaddr_in *ret)
{
	*ret = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	for (int i = 0; i < 1000; i++) {
		ret->sin_port = htons(10000 + (getpid() * 7 + i) % 20000);
		if (bind(fd, (struct sockaddr *)ret, sizeof(*ret)) == 0)
			return;
		ck_assert_int_eq(errno, EADDRINUSE);
	}
	ck_abort_msg("no free port");
}

START_TEST(a_port_of_another_process_is_refused_even_if_shared)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in in;
	char spec[64];

	make();
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	bind_quiet_port(fd, &in);
	ck_assert_int_eq(listen(fd, 1), 0);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", ntohs(in.sin_port));
	ck_assert_ptr_null(open_for(spec, &web, 0));
	ck_assert_ptr_nonnull(strstr(err.text, spec));
	ck_assert_ptr_nonnull(
	    strstr(err.text, "in use; stop the other program"));
	ck_assert_ptr_null(open_for("192.0.2.55:8080", &web, 0));
	ck_assert_ptr_nonnull(
	    strstr(err.text, "; this machine does not have the address"));
	ck_assert_ptr_null(open_for("unix:/nonexistent/x/y", &web, 0));
	ck_assert_ptr_nonnull(strstr(err.text, "; make the directory"));
	snprintf(spec, sizeof(spec), "*:%u", ntohs(in.sin_port));
	ck_assert_ptr_null(open_for(spec, &web, 0));
	close(fd);
	sock_unref(must_open(spec, &web, 0));
	sockets_free(sockets);
}
END_TEST

static void
nothing_else(void)
{
}

START_TEST(of_daemons_that_start_at_once_one_gets_a_port)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in in;
	char spec[64];

	make();
	bind_quiet_port(fd, &in);
	close(fd);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", ntohs(in.sin_port));
	for (int i = 0; i < START_ROUNDS; i++)
		ck_assert_uint_eq(start_all(spec, nothing_else), 1);
	sockets_free(sockets);
}
END_TEST

START_TEST(one_port_on_two_addresses_of_ours_is_fine)
{
	struct sock *wide, *narrow;
	char spec[64];
	int fd;

	make();
	wide = must_open("*:0", &web, 0);
	snprintf(spec, sizeof(spec), "127.0.0.1:%u", port_of(wide));
	narrow = must_open(spec, &web, 0);
	ck_assert(listens(narrow));
	fd = connect_port(port_of(wide));
	ck_assert_int_ge(fd, 0);
	close(fd);
	sock_unref(wide);
	sock_unref(narrow);
	sockets_free(sockets);
}
END_TEST

START_TEST(star_is_both_families_and_an_ipv6_address_is_one)
{
	struct sock *star, *six;

	make();
	star = must_open("*:0", &web, 0);
	if (option(sock_fd(star), SOL_SOCKET, SO_DOMAIN) == AF_INET6)
		ck_assert_int_eq(
		    option(sock_fd(star), IPPROTO_IPV6, IPV6_V6ONLY), 0);
	sock_unref(star);
	six = open_for("[::1]:0", &web, 0);
	if (six != NULL)
		ck_assert_int_eq(
		    option(sock_fd(six), IPPROTO_IPV6, IPV6_V6ONLY), 1);
	sock_unref(six);
	sockets_free(sockets);
}
END_TEST

/* From here on socket(2) fails for this process as without IPv6. */
static bool
forbid_ipv6(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 &&
	    socket(AF_INET6, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT;
}

START_TEST(star_is_ipv4_where_ipv6_is_off)
{
	struct sock *first, *second;
	char text[ADDRESS_TEXT_MAX];

	make();
	if (!forbid_ipv6()) {
		sockets_free(sockets);
		return; /* seccomp is not available, for example under valgrind */
	}
	first = must_open("*:0", &web, 0);
	second = must_open("*:0", &web, 1);
	ck_assert_int_eq(strncmp(sock_text(first, text), "0.0.0.0:", 8), 0);
	ck_assert_uint_eq(port_of(first), port_of(second));
	sock_unref(first);
	sock_unref(second);
	ck_assert_ptr_null(open_for("[::1]:0", &web, 0));
	sockets_free(sockets);
}
END_TEST

START_TEST(accepted_sockets_inherit_the_options_of_the_listener)
{
	struct listener_settings changed = web;
	struct sock *sock;
	int client, fd;

	make();
	sock = must_open("127.0.0.1:0", &web, 0);
	client = connect_port(port_of(sock));
	fd = accept(sock_fd(sock), NULL, NULL);
	ck_assert_int_ne(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_ne(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	close(fd);
	close(client);
	changed.nodelay = changed.keepalive.on = false;
	changed.keepalive.ms = 0;
	sock_apply(sock, &changed);
	client = connect_port(port_of(sock));
	fd = accept(sock_fd(sock), NULL, NULL);
	ck_assert_int_eq(option(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	ck_assert_int_eq(option(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_ne(option(fd, IPPROTO_TCP, TCP_KEEPIDLE), 60);
	close(fd);
	close(client);
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_socket_that_is_deaf_is_made_anew)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_fprog program = { 1, code };
	struct sock *sock, *fresh;
	int on = 1, client;

	make();
	sock = must_open("127.0.0.1:0", &web, 0);
	shutdown(sock_fd(sock), SHUT_RDWR);
	ck_assert_int_eq(sock_restore(sock, "web"), 0);
	client = connect_port(port_of(sock));
	ck_assert_int_ne(client, -1);
	close(client);
	if (setsockopt(sock_fd(sock), SOL_SOCKET, SO_ATTACH_FILTER, &program,
		sizeof(program)) == 0) {
		setsockopt(sock_fd(sock), SOL_SOCKET, SO_LOCK_FILTER, &on,
		    sizeof(on));
		ck_assert_int_eq(sock_restore(sock, "web"), -1);
		ck_assert(sock_is_deaf(sock));
		fresh = sockets_replace(sockets, sock, &web, &err);
		ck_assert_ptr_nonnull(fresh);
		ck_assert_uint_eq(port_of(fresh), port_of(sock));
		sock_unref(sock);
		sock = fresh;
		client = connect_port(port_of(sock));
		ck_assert_int_ne(client, -1);
		close(client);
	}
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

/*
 * Behave as if started by systemd: 3 and 4 are sockets, 5 is a file, and 6 was
 * not passed to us.
 */
static int
run_inherited(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct inherited inherited;
	struct address where;
	struct sock *first, *second;
	char pid[32];
	int fd;

	for (int i = 0; i < 2; i++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		if (bind(fd, (struct sockaddr *)&in, sizeof(in)) == -1 ||
		    listen(fd, 1) == -1 || dup2(fd, 3 + i) == -1)
			return 1;
	}
	fd = open("/dev/null", O_RDONLY);
	if (dup2(fd, 5) == -1 || dup2(fd, 6) == -1)
		return 2;
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "3", 1);
	setenv("LISTEN_FDNAMES", "web:web:file", 1);
	if (inherited_take(&inherited) == -1 || inherited.count != 3 ||
	    getenv("LISTEN_FDS") != NULL || fcntl(6, F_GETFD) != -1 ||
	    fcntl(3, F_GETFD) != FD_CLOEXEC)
		return 3;
	sockets = sockets_new(&inherited);
	if (address_resolve("systemd:web", &where, 1, &err) != 1 ||
	    sockets_count(sockets, &where) != 2)
		return 4;
	first = sockets_open(sockets, &web, &where, SOCK_SHARED, 0, &err);
	second = sockets_open(sockets, &web, &where, SOCK_SHARED, 1, &err);
	if (first == NULL || second == NULL || sock_fd(first) != 3 ||
	    sock_fd(second) != 4)
		return 5;
	/* An inherited socket stays open while unused: it cannot be opened again. */
	sock_unref(first);
	sock_unref(second);
	if (fcntl(3, F_GETFD) == -1)
		return 6;
	address_resolve("systemd:file", &where, 1, &err);
	if (sockets_open(sockets, &web, &where, SOCK_SHARED, 0, &err) != NULL)
		return 7;
	address_resolve("systemd:none", &where, 1, &err);
	if (sockets_open(sockets, &web, &where, SOCK_SHARED, 0, &err) != NULL ||
	    strstr(err.text, "\"none\"") == NULL)
		return 8;
	sockets_free(sockets);
	inherited_done(&inherited);
	/* LISTEN_PID names another process. */
	setenv("LISTEN_PID", "1", 1);
	setenv("LISTEN_FDS", "3", 1);
	if (inherited_take(&inherited) == -1 || inherited.count != 0)
		return 9;
	return 0;
}

START_TEST(sockets_from_systemd_are_known_by_name_and_kept)
{
	pid_t pid = fork();
	int status;

	/*
	 * In a process of its own, because it closes descriptors that libcheck
	 * needs.
	 */
	if (pid == 0) {
		log_init("test");
		_exit(run_inherited());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_open_socket_is_found_again,
		a_port_that_was_chosen_for_one_listener_is_not_shared_with_another,
		each_worker_has_a_socket_and_only_the_first_listens_at_once,
		a_port_of_another_process_is_refused_even_if_shared,
		of_daemons_that_start_at_once_one_gets_a_port,
		one_port_on_two_addresses_of_ours_is_fine,
		star_is_both_families_and_an_ipv6_address_is_one,
		star_is_ipv4_where_ipv6_is_off,
		accepted_sockets_inherit_the_options_of_the_listener,
		a_socket_that_is_deaf_is_made_anew,
		sockets_from_systemd_are_known_by_name_and_kept,
		NULL,
	};

	return fixture_run("sockets", tests);
}
