/*
 * check_bundle.c: settings pass through a memfd unchanged.  A damaged bundle is
 * refused, or is still whole settings.
 */

#include "fixture.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/network.h"
#include "config/settings.h"
#include "reader/conf.h"
#include "reader/problems.h"

static struct listener_settings *
tls_listener(const struct settings *settings)
{
	uint32_t i = 0;

	while (!settings->listeners[i].tls.on)
		ck_assert_uint_lt(++i, settings->listener_count);
	return &settings->listeners[i];
}

/* Settings in which every kind of member is used. */
static struct settings *
sample(void)
{
	struct problems problems = { 0 };
	struct image_settings *image;
	struct image_need *need;
	struct settings *settings;
	struct tls_settings *tls;

	mkdir(fixture_path("conf.d"), 0755);
	fixture_text("conf.d/b.conf",
	    "listeners = ( { name = \"b\"; "
	    "plugin = \"./b.so\"; listen = [ \"*:2\", \"unix:/tmp/x\","
	    "\"unix:@x\", \"systemd:x\", \"[::1]:0\" ]; mode = \"0600\";"
	    "owner = \"root\"; keepalive = 45; on_reload = \"drain\"; } );");
	settings = conf_read(
	    fixture_text("sluice.conf",
		"workers = 2; include = \"conf.d/*.conf\"; user = \"root\";\n"
		"log : { level = \"warn\"; access = false; };\n"
		"listeners = ( { name = \"a\"; plugin = \"a\";\n"
		"  listen = \"127.0.0.1:1\"; limits : { connections = 9; };\n"
		"  proxy_protocol : { from = [ \"10.0.0.0/8\", \"::1\",\n"
		"    \"unix\" ]; timeout = 9; };\n"
		"  options : { s = \"x\"; i = -5; f = 0.5; b = true;\n"
		"    l = [ \"x\", \"\", \"z\" ]; e = ( ); };\n"
		"  tls : { cert = \"c\"; key = [ \"k\", \"l\" ]; alpn = \"h2\";\n"
		"    sni = ( { names = \"x\"; cert = \"d\"; key = \"e\";\n"
		"      verify = \"none\"; } ); }; } );\n"
		"connectors = ( { name = \"c\"; plugin = \"a\";\n"
		"  connect = \"[::1]:7\"; per_worker = true;\n"
		"  retry : { first = 2; jitter = 0.25; }; } );\n"),
	    &problems);
	ck_assert_uint_eq(problems.errors, 0);
	problems_done(&problems);
	ck_assert_ptr_nonnull(settings);
	image = settings_add_image(settings);
	image->path = strdup("/a.so");
	memset(image->hash, 0xab, sizeof(image->hash));
	image->size = 1234;
	image = settings_add_image(settings);
	image->path = strdup("/libb.so.1");
	image->library = true;
	image = settings_add_image(settings);
	image->path = strdup("/b.so");
	need = image_add_need(image);
	need->name = strdup("libc.so.6");
	need->image = NO_IMAGE;
	need = image_add_need(image);
	need->name = strdup("libb.so.1");
	need->image = 1;
	settings->listeners[1].image = 2;
	tls = &tls_listener(settings)->tls;
	for (uint64_t i = 0; i < 2; i++)
		*settings_add_secret(settings) = (struct secret_settings){
			.path = strdup("c"),
			.stamp = { i, 7 },
		};
	tls->identity.secret = 0;
	tls->identity.not_after = 2000000000;
	tls->sni[0].identity.secret = 1;
	return settings;
}

static char *
contents(int fd, size_t *ret_len)
{
	struct stat st;
	char *data;

	ck_assert_int_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size);
	ck_assert_ptr_nonnull(data);
	ck_assert_int_eq(memfd_read(fd, data, (size_t)st.st_size, 0), 0);
	*ret_len = (size_t)st.st_size;
	return data;
}

/* Read the bytes as a bundle. */
static struct settings *
read_bytes(const char *data, size_t len, struct error *err)
{
	struct settings *settings;
	int fd = memfd_new("test", false);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(memfd_append(fd, data, len), 0);
	ck_assert_int_eq(memfd_seal(fd), 0);
	settings = bundle_read(fd, err);
	close(fd);
	return settings;
}

static void
same_origin(const struct origin *a, const struct origin *b)
{
	ck_assert_uint_eq(a->line, b->line);
	ck_assert_pstr_eq(a->file, b->file);
}

/* Of two groups without pointers, but for that to their lines. */
static void
same_values(const void *a, const void *b, size_t size)
{
	const size_t behind = sizeof(struct key_lines);

	ck_assert_mem_eq((const char *)a + behind, (const char *)b + behind,
	    size - behind);
}

static void
same_lines(const struct key *keys, const void *a, const void *b)
{
	for (const struct key *key = keys; key->name != NULL; key++) {
		ck_assert_uint_eq(key_line(keys, key, a),
		    key_line(keys, key, b));
		if (key->type == KEY_GROUP)
			same_lines(key->keys, key_field(key, a),
			    key_field(key, b));
		if (key->type == KEY_GROUPS)
			for (uint32_t i = 0; i < *key_count(key, a); i++)
				same_lines(key->keys, keys_at(key, a, i),
				    keys_at(key, b, i));
	}
}

static void
same_networks(const struct network_set *a, const struct network_set *b)
{
	ck_assert_uint_eq(a->count, b->count);
	if (a->count > 0)
		ck_assert_mem_eq(a->list, b->list,
		    a->count * sizeof(struct network));
}

static void
same_listener(const struct listener_settings *a,
    const struct listener_settings *b)
{
	ck_assert_str_eq(a->name, b->name);
	ck_assert_str_eq(a->plugin, b->plugin);
	ck_assert_uint_eq(a->image, b->image);
	ck_assert_int_eq(a->backlog, b->backlog);
	ck_assert_int_eq(a->nodelay, b->nodelay);
	ck_assert_int_eq(a->keepalive.on, b->keepalive.on);
	ck_assert_uint_eq(a->keepalive.ms, b->keepalive.ms);
	ck_assert_int_eq(a->on_reload, b->on_reload);
	ck_assert_pstr_eq(a->mode, b->mode);
	ck_assert_pstr_eq(a->owner, b->owner);
	ck_assert_uint_eq(a->unix_rights.mode, b->unix_rights.mode);
	ck_assert_uint_eq(a->unix_rights.owner.uid, b->unix_rights.owner.uid);
	ck_assert_uint_eq(a->unix_rights.owner.gid, b->unix_rights.owner.gid);
	same_values(&a->timeouts, &b->timeouts, sizeof(a->timeouts));
	ck_assert_int_eq(a->proxy.on, b->proxy.on);
	ck_assert_uint_eq(a->proxy.timeout_ms, b->proxy.timeout_ms);
	same_networks(&a->proxy.networks, &b->proxy.networks);
	same_networks(&a->guard.allowed, &b->guard.allowed);
	same_networks(&a->guard.denied, &b->guard.denied);
	same_values(&a->limits, &b->limits, sizeof(a->limits));
	ck_assert_pstr_eq(a->connector.connect, b->connector.connect);
	ck_assert_int_eq(a->connector.per_worker, b->connector.per_worker);
	same_values(&a->connector.retry, &b->connector.retry,
	    sizeof(a->connector.retry));
	same_origin(&a->connector.connect_origin, &b->connector.connect_origin);
	same_origin(&a->origin, &b->origin);
	same_origin(&a->plugin_origin, &b->plugin_origin);
	ck_assert_uint_eq(a->address_count, b->address_count);
	for (uint32_t i = 0; i < a->address_count; i++) {
		ck_assert(address_equal(&a->addresses[i].address,
		    &b->addresses[i].address));
		same_origin(&a->addresses[i].origin, &b->addresses[i].origin);
	}
	ck_assert_uint_eq(a->option_count, b->option_count);
	for (uint32_t i = 0; i < a->option_count; i++) {
		ck_assert_str_eq(a->options[i].path, b->options[i].path);
		ck_assert_int_eq(a->options[i].type, b->options[i].type);
		ck_assert_int_eq(a->options[i].integer, b->options[i].integer);
		ck_assert(a->options[i].real == b->options[i].real);
		ck_assert_uint_eq(a->options[i].count, b->options[i].count);
		for (uint32_t j = 0; j < a->options[i].count; j++)
			ck_assert_str_eq(a->options[i].strings[j],
			    b->options[i].strings[j]);
		same_origin(&a->options[i].origin, &b->options[i].origin);
	}
}

static void
same_needs(const struct image_settings *a, const struct image_settings *b)
{
	ck_assert_uint_eq(a->need_count, b->need_count);
	for (uint32_t i = 0; i < a->need_count; i++) {
		ck_assert_str_eq(a->needs[i].name, b->needs[i].name);
		ck_assert_uint_eq(a->needs[i].image, b->needs[i].image);
	}
}

START_TEST(settings_come_back_as_they_were)
{
	struct settings *a = sample(), *b;
	struct error err = { "" };
	int fd = bundle_write(a, &err);

	ck_assert_msg(fd != -1, "%s", err.text);
	b = bundle_read(fd, &err);
	ck_assert_msg(b != NULL, "%s", err.text);
	close(fd);
	same_lines(settings_keys, a, b);
	ck_assert_uint_eq(
	    key_line(settings_keys, key_find(settings_keys, "log"), b), 2);
	ck_assert_uint_eq(
	    key_line(settings_keys, key_find(settings_keys, "probation"), b),
	    0);
	ck_assert_uint_eq(key_line(connector_keys,
			      key_find(connector_keys, "retry"), b->connectors),
	    14);
	ck_assert_int_eq(a->workers, b->workers);
	ck_assert_pstr_eq(a->user, b->user);
	ck_assert_pstr_eq(a->group, b->group);
	ck_assert_int_eq(a->workers_of_cpus, b->workers_of_cpus);
	ck_assert_int_eq(a->drop, b->drop);
	ck_assert_uint_eq(a->uid, b->uid);
	ck_assert_uint_eq(a->gid, b->gid);
	ck_assert_uint_eq(a->control_bits, b->control_bits);
	ck_assert_uint_eq(a->control_gid, b->control_gid);
	ck_assert_pstr_eq(a->plugin_dir, b->plugin_dir);
	ck_assert_pstr_eq(a->plugin_copies, b->plugin_copies);
	ck_assert_int_eq(a->log.level, b->log.level);
	ck_assert_int_eq(a->log.format, b->log.format);
	ck_assert_int_eq(a->log.access, b->log.access);
	ck_assert_uint_eq(a->drain_timeout_ms, b->drain_timeout_ms);
	same_origin(&a->workers_origin, &b->workers_origin);
	same_origin(&a->group_origin, &b->group_origin);
	ck_assert_uint_eq(a->file_count, b->file_count);
	for (uint32_t i = 0; i < a->file_count; i++)
		ck_assert_str_eq(a->files[i], b->files[i]);
	ck_assert_uint_eq(a->image_count, b->image_count);
	for (uint32_t i = 0; i < a->image_count; i++) {
		ck_assert_str_eq(a->images[i].path, b->images[i].path);
		ck_assert_mem_eq(a->images[i].hash, b->images[i].hash,
		    IMAGE_HASH_SIZE);
		ck_assert_uint_eq(a->images[i].size, b->images[i].size);
		ck_assert_int_eq(a->images[i].library, b->images[i].library);
		same_needs(&a->images[i], &b->images[i]);
	}
	ck_assert_uint_eq(a->listener_count, b->listener_count);
	ck_assert_uint_eq(a->connector_count, b->connector_count);
	for (uint32_t i = 0; i < settings_endpoints(a); i++)
		same_listener(settings_endpoint(a, i), settings_endpoint(b, i));
	settings_free(a);
	settings_free(b);
}
END_TEST

static struct settings *
packed(const struct settings *settings)
{
	struct error err = { "" };
	int fd = bundle_write(settings, &err);
	struct settings *read;

	ck_assert_msg(fd != -1, "%s", err.text);
	read = bundle_read(fd, &err);
	close(fd);
	return read;
}

START_TEST(tls_comes_back_with_its_secrets)
{
	struct settings *settings = sample(), *read = packed(settings);
	const struct tls_settings *tls;

	ck_assert_ptr_nonnull(read);
	ck_assert_uint_eq(read->secret_count, 2);
	ck_assert_uint_eq(read->secrets[1].stamp[0], 1);
	tls = &tls_listener(read)->tls;
	ck_assert_str_eq(tls->identity.cert[0].text, "c");
	ck_assert_str_eq(tls->identity.key[1].text, "l");
	ck_assert_uint_eq(tls->identity.key_count, 2);
	ck_assert_uint_eq(tls->identity.secret, 0);
	ck_assert_int_eq(tls->identity.not_after, 2000000000);
	ck_assert_uint_eq(tls->identity.origin.line,
	    tls_listener(settings)->tls.identity.origin.line);
	ck_assert_str_eq(tls->alpn[0].text, "h2");
	ck_assert_uint_eq(tls->sni_count, 1);
	ck_assert_str_eq(tls->sni[0].names[0].text, "x");
	ck_assert_uint_eq(tls->sni[0].identity.secret, 1);
	ck_assert_int_eq(tls->sni[0].identity.not_after, -1);
	ck_assert_int_eq(tls->sni[0].identity.verify, TLS_VERIFY_NONE);
	settings_free(read);
	settings_free(settings);
}
END_TEST

START_TEST(tls_without_a_secret_is_refused)
{
	struct settings *settings = sample();
	struct tls_settings *tls = &tls_listener(settings)->tls;

	tls->identity.secret = NO_SECRET;
	ck_assert_ptr_null(packed(settings));
	tls->identity.secret = 2;
	ck_assert_ptr_null(packed(settings));
	tls->identity.secret = 1;
	tls->sni[0].identity.secret = NO_SECRET;
	ck_assert_ptr_null(packed(settings));
	tls->sni[0].identity.secret = 1;
	tls->sni[0].identity.verify = TLS_VERIFY_INHERIT;
	ck_assert_ptr_null(packed(settings));
	/* None is needed where there is no TLS. */
	tls->on = false;
	settings_free(packed(settings));
	settings_free(settings);
}
END_TEST

START_TEST(a_connector_without_a_target_is_refused)
{
	struct settings *settings = sample(), *read;
	char *connect = settings->connectors[0].connector.connect;

	strcpy(connect, "nowhere");
	read = packed(settings);
	ck_assert_ptr_null(read);
	strcpy(connect, "a:1");
	read = packed(settings);
	ck_assert_ptr_nonnull(read);
	settings_free(read);
	settings->connectors[0].connector.retry.first_ms = 600000;
	read = packed(settings);
	ck_assert_ptr_null(read);
	settings_free(settings);
}
END_TEST

START_TEST(a_bundle_cannot_be_changed)
{
	struct settings *settings = sample();
	struct error err;
	int fd = bundle_write(settings, &err);

	ck_assert_int_ge(fd, 0);
	ck_assert(memfd_is_sealed(fd));
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	settings_free(settings);
}
END_TEST

START_TEST(a_memfd_that_is_not_sealed_is_refused)
{
	struct settings *settings = sample();
	struct error err;
	size_t len;
	char *data;
	int fd = bundle_write(settings, &err), open_fd;

	data = contents(fd, &len);
	open_fd = memfd_new("test", false);
	ck_assert_int_eq(memfd_append(open_fd, data, len), 0);
	ck_assert_ptr_null(bundle_read(open_fd, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "sealed"));
	close(open_fd);
	open_fd = open(fixture_file("bundle", data, len), O_RDONLY);
	ck_assert_ptr_null(bundle_read(open_fd, &err));
	close(open_fd);
	ck_assert_ptr_null(bundle_read(-1, &err));
	ck_assert_ptr_null(read_bytes("", 0, &err));
	close(fd);
	free(data);
	settings_free(settings);
}
END_TEST

static void
refused(struct settings *settings)
{
	struct error err = { "" };
	int fd = bundle_write(settings, &err);

	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_null(bundle_read(fd, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "damaged"));
	close(fd);
	settings_free(settings);
}

START_TEST(what_an_image_needs_is_a_library_before_it)
{
	struct settings *settings = sample();

	settings->images[2].needs[1].image = 0; /* a plugin */
	refused(settings);
	settings = sample();
	settings->images[2].library = true; /* serves a listener */
	refused(settings);
	settings = sample();
	settings->images[2].needs[1].image = 2; /* itself */
	refused(settings);
	settings = sample();
	settings->images[2].needs[1].image = 3; /* is not there */
	refused(settings);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct settings *settings = sample(), *got;
	struct error err;
	size_t len;
	char *data;
	int fd = bundle_write(settings, &err);

	data = contents(fd, &len);
	for (size_t i = 0; i < len; i++) {
		got = read_bytes(data, i, &err);
		ck_assert_msg(got == NULL, "%zu of %zu", i, len);
	}
	/* One byte too many is refused as well. */
	data = realloc(data, len + 1);
	data[len] = 0;
	ck_assert_ptr_null(read_bytes(data, len + 1, &err));
	close(fd);
	free(data);
	settings_free(settings);
}
END_TEST

/*
 * Settings that were accepted are whole: strings are there, and numbers and
 * indices are in range.
 */
static void
walk(const struct settings *settings)
{
	const struct listener_settings *l;
	char text[ADDRESS_TEXT_MAX];
	uint32_t k;

	ck_assert_int_ge(settings->workers, 1);
	ck_assert_int_le(settings->workers, 256);
	ck_assert_ptr_nonnull(settings->plugin_dir);
	for (uint32_t i = 0; i < settings->image_count; i++)
		for (uint32_t j = 0; j < settings->images[i].need_count; j++) {
			k = settings->images[i].needs[j].image;
			ck_assert_ptr_nonnull(
			    settings->images[i].needs[j].name);
			ck_assert(k == NO_IMAGE ||
			    (k < i && settings->images[k].library));
		}
	for (uint32_t i = 0; i < settings->listener_count; i++) {
		l = &settings->listeners[i];
		ck_assert_ptr_nonnull(l->name);
		ck_assert_uint_lt(l->image, settings->image_count);
		ck_assert_ptr_nonnull(settings->images[l->image].path);
		ck_assert(!settings->images[l->image].library);
		ck_assert_uint_ge(l->limits.read_buffer, 512);
		for (uint32_t j = 0; j < l->address_count; j++)
			address_text(&l->addresses[j].address, text);
		for (uint32_t j = 0; j < l->option_count; j++) {
			ck_assert_uint_ge(strlen(l->options[j].path), 0);
			for (k = 0; k < l->options[j].count; k++)
				ck_assert_uint_ge(
				    strlen(l->options[j].strings[k]), 0);
		}
	}
	ck_assert(settings->listener_count == 0 ||
	    listener_same_service(settings, settings->listeners, settings,
		settings->listeners));
}

START_TEST(flipped_bytes_do_no_harm)
{
	struct settings *settings = sample(), *got;
	struct error err;
	size_t len, at;
	char *data, *bad;
	int fd = bundle_write(settings, &err), i, flips;

	data = contents(fd, &len);
	bad = malloc(len);
	srandom(1);
	for (i = 0; i < 20000; i++) {
		memcpy(bad, data, len);
		for (flips = 1 + (int)(random() % 3); flips > 0; flips--) {
			at = (size_t)random() % len;
			bad[at] = (char)(random() % 2
				? random()
				: bad[at] ^ (1 << random() % 8));
		}
		got = read_bytes(bad, len, &err);
		if (got != NULL)
			walk(got);
		settings_free(got);
	}
	close(fd);
	free(bad);
	free(data);
	settings_free(settings);
}
END_TEST

/* Every four bytes in turn, aligned or not, are the largest 32-bit number. */
START_TEST(huge_counts_allocate_nothing)
{
	struct settings *settings = sample(), *got;
	struct error err;
	size_t len;
	char *data, saved[4];
	int fd = bundle_write(settings, &err);

	data = contents(fd, &len);
	for (size_t at = 0; at + 4 <= len; at++) {
		memcpy(saved, data + at, 4);
		memcpy(data + at, "\xfe\xff\xff\xff", 4);
		got = read_bytes(data, len, &err);
		if (got != NULL)
			walk(got);
		settings_free(got);
		memcpy(data + at, saved, 4);
	}
	close(fd);
	free(data);
	settings_free(settings);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		settings_come_back_as_they_were,
		tls_comes_back_with_its_secrets,
		tls_without_a_secret_is_refused,
		a_connector_without_a_target_is_refused,
		a_bundle_cannot_be_changed,
		a_memfd_that_is_not_sealed_is_refused,
		what_an_image_needs_is_a_library_before_it,
		every_truncation_is_refused,
		flipped_bytes_do_no_harm,
		huge_counts_allocate_nothing,
		NULL,
	};

	return fixture_run("bundle", tests);
}
