/*
 * check_sockets_unix.c: listening sockets with a path: opened, taken over, and
 * removed when they are ours.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "sockets_fixture.h"

static const char *
unix_spec(const char *name)
{
	static char spec[128];

	snprintf(spec, sizeof(spec), "unix:%s", fixture_path(name));
	return spec;
}

static int
connect_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(un.sun_path, path);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	close(fd);
	return -1;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	return st.st_mode & 07777;
}

START_TEST(a_unix_path_has_its_mode_and_goes_with_the_socket)
{
	struct listener_settings changed = web;
	const char *path = fixture_path("sock");
	struct sock *sock;

	make();
	umask(022);
	changed.unix_rights.mode = 0666;
	sock = must_open(unix_spec("sock"), &changed, SOCK_SHARED);
	ck_assert_uint_eq(mode_of(path), 0666);
	ck_assert_uint_eq(umask(022), 022);
	changed.unix_rights.mode = 0600;
	sock_apply(sock, &changed);
	ck_assert_uint_eq(mode_of(path), 0600);
	sock_unref(sock);
	ck_assert_int_eq(access(path, F_OK), -1);
	sock = must_open(unix_spec("sock"), &web, SOCK_SHARED);
	ck_assert_uint_eq(mode_of(path), 0755);
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_unix_path_gets_its_owner_or_is_not_made)
{
	struct listener_settings changed = web;
	const char *path = fixture_path("sock");
	struct sock *sock;
	struct stat st;

	make();
	changed.unix_rights.owner.uid = 12345;
	changed.unix_rights.owner.gid = 54321;
	sock = open_for(unix_spec("sock"), &changed, SOCK_SHARED);
	if (geteuid() == 0) {
		ck_assert_ptr_nonnull(sock);
		ck_assert_int_eq(lstat(path, &st), 0);
		ck_assert_uint_eq(st.st_uid, 12345);
		ck_assert_uint_eq(st.st_gid, 54321);
	} else {
		ck_assert_ptr_null(sock);
		ck_assert_int_eq(access(path, F_OK), -1);
	}
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

/* An operator's chmod of a socket that has no mode is left alone. */
START_TEST(what_is_taken_out_becomes_what_bind_gave)
{
	struct listener_settings changed = web;
	const char *path = fixture_path("sock");
	struct sock *sock;
	struct stat st;

	make();
	umask(027);
	changed.unix_rights.mode = 0666;
	if (geteuid() == 0) {
		changed.unix_rights.owner.uid = 12345;
		changed.unix_rights.owner.gid = 54321;
	}
	sock = must_open(unix_spec("sock"), &changed, SOCK_SHARED);
	sock_apply(sock, &web);
	ck_assert_uint_eq(mode_of(path), 0750);
	ck_assert_int_eq(lstat(path, &st), 0);
	ck_assert_uint_eq(st.st_uid, geteuid());
	ck_assert_uint_eq(st.st_gid, getegid());
	ck_assert_int_eq(chmod(path, 0777), 0);
	sock_apply(sock, &web);
	ck_assert_uint_eq(mode_of(path), 0777);
	/* Also what came with a later reload. */
	sock_apply(sock, &changed);
	ck_assert_uint_eq(mode_of(path), 0666);
	sock_apply(sock, &web);
	ck_assert_uint_eq(mode_of(path), 0750);
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_stale_socket_is_taken_over_and_a_live_one_is_not)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = fixture_path("sock");
	int owner = socket(AF_UNIX, SOCK_STREAM, 0), fd;
	struct sock *sock;

	make();
	strcpy(un.sun_path, path);
	ck_assert_int_eq(bind(owner, (struct sockaddr *)&un, sizeof(un)), 0);
	ck_assert_int_eq(listen(owner, 1), 0);
	ck_assert_ptr_null(open_for(unix_spec("sock"), &web, SOCK_SHARED));
	ck_assert_ptr_nonnull(strstr(err.text, "listens there"));
	/* A full queue makes no difference. */
	for (fd = 0; fd < 8; fd++)
		connect_unix(path);
	ck_assert_ptr_null(open_for(unix_spec("sock"), &web, SOCK_SHARED));
	close(owner);
	ck_assert_int_eq(access(path, F_OK), 0);
	sock = must_open(unix_spec("sock"), &web, SOCK_SHARED);
	fd = connect_unix(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

/* Clients find the one that got it. */
static void
reach(void)
{
	int fd = connect_unix(fixture_path("sock"));

	ck_assert_int_ne(fd, -1);
	close(fd);
}

START_TEST(of_daemons_that_start_at_once_one_gets_a_stale_path)
{
	make();
	for (int i = 0; i < START_ROUNDS; i++) {
		ck_assert_uint_eq(start_all(unix_spec("sock"), reach), 1);
		ck_assert_int_eq(access(fixture_path("sock"), F_OK), 0);
	}
	sockets_free(sockets);
}
END_TEST

/* Neither the right to read the directory, nor that nobody has locked it. */
START_TEST(a_path_can_be_taken_without_the_lock)
{
	const char *path = fixture_path("dir");
	char spec[128];
	struct sock *sock;
	int fd;

	make();
	ck_assert_int_eq(mkdir(path, 0300), 0);
	snprintf(spec, sizeof(spec), "unix:%s/sock", path);
	sock = must_open(spec, &web, SOCK_SHARED);
	sock_unref(sock);
	ck_assert_int_eq(chmod(path, 0700), 0);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	sock = must_open(spec, &web, SOCK_SHARED);
	sock_unref(sock);
	close(fd);
	ck_assert_int_eq(rmdir(path), 0);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_file_that_is_not_a_socket_is_left_alone)
{
	const char *path;

	make();
	path = fixture_text("sock", "precious");
	ck_assert_ptr_null(open_for(unix_spec("sock"), &web, SOCK_SHARED));
	ck_assert_ptr_nonnull(strstr(err.text, "not a socket"));
	ck_assert_int_eq(access(path, F_OK), 0);
	/* The same goes for a symbolic link that leads nowhere. */
	ck_assert_int_eq(symlink("gone", fixture_path("link")), 0);
	ck_assert_ptr_null(open_for(unix_spec("link"), &web, SOCK_SHARED));
	ck_assert_ptr_null(
	    open_for(unix_spec("no/such/directory"), &web, SOCK_SHARED));
	sockets_free(sockets);
}
END_TEST

START_TEST(a_path_that_is_no_longer_ours_is_not_removed)
{
	const char *path = fixture_path("sock");
	struct sock *sock;
	struct sockets *theirs;
	struct sock *replaced;

	make();
	sock = must_open(unix_spec("sock"), &web, SOCK_SHARED);
	ck_assert_int_eq(unlink(path), 0);
	theirs = sockets;
	sockets = sockets_new(&nothing);
	replaced = must_open(unix_spec("sock"), &other, SOCK_SHARED);
	sock_unref(sock);
	sockets_free(theirs);
	ck_assert_int_eq(access(path, F_OK), 0);
	ck_assert_int_ge(connect_unix(path), 0);
	sock_unref(replaced);
	ck_assert_int_eq(access(path, F_OK), -1);
	sockets_free(sockets);
}
END_TEST

START_TEST(a_path_that_was_removed_is_made_anew)
{
	const char *path = fixture_path("sock");
	struct sock *sock, *again;

	make();
	sock = must_open(unix_spec("sock"), &web, SOCK_SHARED);
	ck_assert_int_eq(unlink(path), 0);
	again = must_open(unix_spec("sock"), &web, SOCK_SHARED);
	ck_assert_ptr_ne(sock, again);
	sock_unref(sock);
	ck_assert_int_ge(connect_unix(path), 0);
	ck_assert_ptr_eq(must_open(unix_spec("sock"), &web, SOCK_SHARED),
	    again);
	sock_unref(again);
	sock_unref(again);
	sockets_free(sockets);
}
END_TEST

START_TEST(an_abstract_name_that_is_taken_is_refused)
{
	struct sockets *first;
	struct sock *sock;
	char spec[64], text[ADDRESS_TEXT_MAX];

	make();
	snprintf(spec, sizeof(spec), "unix:@sluice-check-%d", (int)getpid());
	sock = must_open(spec, &web, SOCK_SHARED);
	ck_assert_str_eq(sock_text(sock, text), spec);
	first = sockets;
	sockets = sockets_new(&nothing);
	ck_assert_ptr_null(open_for(spec, &web, SOCK_SHARED));
	sockets_free(sockets);
	sockets = first;
	sock_unref(sock);
	sockets_free(sockets);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_unix_path_has_its_mode_and_goes_with_the_socket,
		a_unix_path_gets_its_owner_or_is_not_made,
		what_is_taken_out_becomes_what_bind_gave,
		a_stale_socket_is_taken_over_and_a_live_one_is_not,
		of_daemons_that_start_at_once_one_gets_a_stale_path,
		a_path_can_be_taken_without_the_lock,
		a_file_that_is_not_a_socket_is_left_alone,
		a_path_that_is_no_longer_ours_is_not_removed,
		a_path_that_was_removed_is_made_anew,
		an_abstract_name_that_is_taken_is_refused,
		NULL,
	};

	return fixture_run("sockets_unix", tests);
}
