/*
 * hello.c: finds the name that a TLS client asks for, in its first message.  The
 * message may come byte by byte and in many records.  Strict: whatever a TLS
 * client may not send is refused, so that nothing else is passed on by a guess.
 */

#include <ctype.h>
#include <string.h>

#include "proxy.h"

#define HELLO_MAX 16384		/* of the message; browsers send up to 2 KiB */
#define RAW_MAX (2 * HELLO_MAX) /* with the heads of its records */
#define RECORD_HEAD 5
#define RECORD_MAX 16384
#define MESSAGE_HEAD 4 /* its type, and three bytes of length */
#define RECORD_HANDSHAKE 22
#define CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0

/* What is left to be read; `bad` if more was wanted than there is. */
struct reader {
	const unsigned char *at;
	size_t left;
	bool bad;
};

static size_t
number(struct reader *r, unsigned int bytes)
{
	size_t value = 0;

	if (r->left < bytes) {
		r->bad = true;
		r->left = 0;
		return 0;
	}
	for (; bytes > 0; bytes--, r->left--)
		value = value << 8 | *r->at++;
	return value;
}

static struct reader
part(struct reader *r, size_t len)
{
	struct reader sub = { r->at, len, false };

	if (r->left < len) {
		r->bad = true;
		r->left = 0;
		return (struct reader){ .bad = true };
	}
	r->at += len;
	r->left -= len;
	return sub;
}

/* What has its length before it, in so many bytes. */
static struct reader
block(struct reader *r, unsigned int bytes)
{
	return part(r, number(r, bytes));
}

/* A letter, digit, '-' or '_', or a dot between two of these. */
static bool
belongs(const struct reader *name, size_t at)
{
	unsigned char c = name->at[at];

	if (c == '.')
		return at > 0 && at + 1 < name->left && name->at[at - 1] != '.';
	return isalnum(c) || c == '-' || c == '_';
}

/* In lower case and without a dot at the end.  NULL, or what is wrong. */
static const char *
take_name(struct reader name, char ret[HELLO_NAME_BYTES])
{
	if (name.left > 0 && name.at[name.left - 1] == '.')
		name.left--;
	if (name.left == 0 || name.left >= HELLO_NAME_BYTES)
		return "the name that it asks for is empty or too long";
	for (size_t i = 0; i < name.left; i++) {
		if (!belongs(&name, i))
			return "the name that it asks for is none of a host";
		ret[i] = (char)tolower(name.at[i]);
	}
	ret[name.left] = '\0';
	return NULL;
}

/* The extension: a list, which has to be of one name. */
static const char *
take_server_name(struct reader extension, char ret[HELLO_NAME_BYTES])
{
	struct reader list = block(&extension, 2), name;
	size_t type = number(&list, 1);

	name = block(&list, 2);
	if (extension.bad || extension.left > 0 || list.bad || list.left > 0 ||
	    name.bad || type != NAME_TYPE_HOST)
		return "its server_name is malformed";
	return take_name(name, ret);
}

static const char *
take_extensions(struct reader all, char ret[HELLO_NAME_BYTES])
{
	const char *wrong = NULL;
	bool seen = false;

	while (all.left > 0 && wrong == NULL) {
		size_t type = number(&all, 2);
		struct reader extension = block(&all, 2);

		if (all.bad)
			return "its extensions are malformed";
		if (type != EXTENSION_SERVER_NAME)
			continue;
		if (seen)
			return "it has two server_name extensions";
		seen = true;
		wrong = take_server_name(extension, ret);
	}
	return wrong;
}

/* The message without its head. */
static const char *
take_hello(struct reader r, char ret[HELLO_NAME_BYTES])
{
	struct reader session, ciphers, compressions, extensions;

	part(&r, 2 + 32); /* version and random */
	session = block(&r, 1);
	ciphers = block(&r, 2);
	compressions = block(&r, 1);
	if (r.bad || session.left > 32 || ciphers.left == 0 ||
	    ciphers.left % 2 != 0 || compressions.left == 0)
		return "its ClientHello is malformed";
	if (r.left == 0)
		return NULL; /* no extensions */
	extensions = block(&r, 2);
	if (r.bad || r.left > 0)
		return "its ClientHello is malformed";
	return take_extensions(extensions, ret);
}

/*
 * Is what we have of the message the beginning of one?  `coming` more bytes belong
 * to the last record.
 */
static const char *
check_message(const unsigned char *message, size_t have, size_t coming,
    size_t *ret_len)
{
	struct reader head = { message, have, false };

	if (have > 0 && message[0] != CLIENT_HELLO)
		return "its first message is no ClientHello";
	if (have < MESSAGE_HEAD)
		return NULL;
	number(&head, 1);
	*ret_len = MESSAGE_HEAD + number(&head, 3);
	if (*ret_len > HELLO_MAX)
		return "its ClientHello is larger than 16 KiB";
	if (have + coming > *ret_len)
		return "something follows its ClientHello in one record";
	return NULL;
}

/* The head of a record, as far as it is there. */
static const char *
check_head(const unsigned char *head, size_t have, size_t *ret_len)
{
	if (head[0] != RECORD_HANDSHAKE || (have > 1 && head[1] != 3))
		return "it does not begin with TLS";
	if (have < RECORD_HEAD)
		return NULL;
	*ret_len = (size_t)head[3] << 8 | head[4];
	if (*ret_len == 0 || *ret_len > RECORD_MAX)
		return "a record has a length that TLS does not allow";
	return NULL;
}

/*
 * Put the message together from its records.  Returns its length, 0 if it is not
 * complete, or -1.
 */
static ssize_t
gather(const unsigned char *buf, size_t len, unsigned char message[HELLO_MAX],
    const char **ret_wrong)
{
	size_t at = 0, have = 0, whole = SIZE_MAX, record, here;

	while (at < len && have < whole) {
		*ret_wrong = check_head(buf + at, len - at, &record);
		if (*ret_wrong != NULL)
			return -1;
		if (len - at < RECORD_HEAD)
			return 0;
		at += RECORD_HEAD;
		here = len - at < record ? len - at : record;
		if (here > HELLO_MAX - have) {
			*ret_wrong = "its ClientHello is larger than 16 KiB";
			return -1;
		}
		memcpy(message + have, buf + at, here);
		have += here;
		at += here;
		*ret_wrong =
		    check_message(message, have, record - here, &whole);
		if (*ret_wrong == NULL && at > RAW_MAX)
			*ret_wrong = "its ClientHello is in too many records";
		if (*ret_wrong != NULL)
			return -1;
	}
	return have == whole ? (ssize_t)have : 0;
}

enum hello_result
hello_read(const void *buf, size_t len, char ret_name[HELLO_NAME_BYTES],
    const char **ret_wrong)
{
	static unsigned char message[HELLO_MAX];
	ssize_t n = gather(buf, len, message, ret_wrong);
	struct reader body = { message + MESSAGE_HEAD, 0, false };

	if (n == 0)
		return HELLO_MORE;
	if (n == -1)
		return HELLO_BAD;
	ret_name[0] = '\0';
	body.left = (size_t)n - MESSAGE_HEAD;
	*ret_wrong = take_hello(body, ret_name);
	return *ret_wrong != NULL ? HELLO_BAD : HELLO_DONE;
}
