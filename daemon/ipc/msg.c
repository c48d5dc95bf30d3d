/*
 * msg.c: messages to bytes and back.  A row says what a message carries, in the
 * order of the bytes.  Only this file knows that order, so this file checks the
 * bytes that come from outside.
 */

#include "ipc/msg.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/pack.h"
#include "config/settings.h"

enum kind {
	KIND_END,
	KIND_NUMBER,  /* any */
	KIND_CHOICE,  /* a number between min and max */
	KIND_FLAG,    /* a bool */
	KIND_TEXT,    /* min to max bytes */
	KIND_CUT,     /* the same, cut at max to be sent */
	KIND_VERSION, /* of sluiced; no member */
};

struct field {
	enum kind kind;
	const char *name;
	size_t offset; /* of the member in struct msg */
	uint32_t min, max;
};

#define FIELDS_MAX 10 /* of one message, with the end */

#define MEMBER(kind, group, member, min, max)                               \
	{                                                                   \
		kind, #member, offsetof(struct msg, group.member), min, max \
	}
#define NUMBER(group, member) MEMBER(KIND_NUMBER, group, member, 0, 0)
#define CHOICE(group, member, min, max) \
	MEMBER(KIND_CHOICE, group, member, min, max)
#define FLAG(group, member) MEMBER(KIND_FLAG, group, member, 0, 1)
#define TEXT(group, member, min, max) MEMBER(KIND_TEXT, group, member, min, max)
#define CUT(group, member, max) MEMBER(KIND_CUT, group, member, 0, max)
#define OF_VERSION                               \
	{                                        \
		KIND_VERSION, "version", 0, 0, 0 \
	}

enum takes_fd { FD_NEVER, FD_ALWAYS, FD_MAYBE };

static const struct row {
	const char *name;
	enum takes_fd fd;
	struct field fields[FIELDS_MAX];
} rows[MSG_TYPES] = {
	[MSG_HELLO] = { .name = "hello",
	    .fd = FD_MAYBE,
	    .fields = { OF_VERSION, NUMBER(hello, worker), NUMBER(hello, place),
		NUMBER(hello, workers), NUMBER(hello, uid), NUMBER(hello, gid),
		NUMBER(hello, master_pid), FLAG(hello, check_only),
		FLAG(hello, json), TEXT(hello, config, 0, MSG_PATH_MAX) } },
	[MSG_BUNDLE] = { .name = "bundle", .fd = FD_ALWAYS },
	[MSG_IMAGE] = { .name = "image",
	    .fd = FD_ALWAYS,
	    .fields = { NUMBER(image, index) } },
	[MSG_SECRET] = { .name = "secret",
	    .fd = FD_ALWAYS,
	    .fields = { NUMBER(secret, index) } },
	[MSG_SOCKET] = { .name = "socket",
	    .fd = FD_ALWAYS,
	    .fields = { NUMBER(socket, listener), NUMBER(socket, address),
		NUMBER(socket, id), NUMBER(socket, slot) } },
	[MSG_ENDPOINT] = { .name = "endpoint",
	    .fields = { NUMBER(endpoint, index), NUMBER(endpoint, slot) } },
	[MSG_PREPARE] = { .name = "prepare" },
	[MSG_COMMIT] = { .name = "commit" },
	[MSG_ABORT] = { .name = "abort" },
	[MSG_STOP] = { .name = "stop",
	    .fields = { FLAG(stop, now), FLAG(stop, upgrade) } },
	[MSG_STOP_LISTENER] = { .name = "stop-listener",
	    .fields = { FLAG(stop_listener, close_active),
		TEXT(stop_listener, name, 1, LISTENER_NAME_MAX),
		TEXT(stop_listener, plugin, 0, MSG_PLUGIN_MAX) } },
	[MSG_PROBLEM] = { .name = "problem",
	    .fields = { CHOICE(problem, level, LOG_LEVEL_ERROR,
			    LOG_LEVEL_DEBUG),
		NUMBER(problem, line), CUT(problem, file, MSG_PROBLEM_MAX),
		CUT(problem, text, MSG_PROBLEM_MAX) } },
	[MSG_FACTS] = { .name = "facts",
	    .fields = { NUMBER(facts, image), NUMBER(facts, flags),
		NUMBER(facts, state_version), CUT(facts, name, MSG_FACT_MAX),
		CUT(facts, version, MSG_FACT_MAX) } },
	[MSG_PREPARED] = { .name = "prepared" },
	[MSG_REFUSED] = { .name = "refused" },
	[MSG_COMMITTED] = { .name = "committed" },
	[MSG_RELOAD] = { .name = "reload" },
	[MSG_SLOW] = { .name = "slow",
	    .fields = { NUMBER(slow, callback), NUMBER(slow, ms),
		CUT(slow, listener, MSG_FACT_MAX),
		CUT(slow, plugin, MSG_FACT_MAX),
		CUT(slow, text, MSG_PROBLEM_MAX) } },
	[MSG_PROGRESS] = { .name = "progress",
	    .fields = { CHOICE(progress, step, PROGRESS_LOAD, PROGRESS_CHECK),
		NUMBER(progress, index) } },
	[MSG_ROW] = { .name = "row",
	    .fd = FD_ALWAYS,
	    .fields = { NUMBER(row, worker), NUMBER(row, serial) } },
	[MSG_SOURCE] = { .name = "source",
	    .fields = { TEXT(source, pattern, 1, MSG_PATH_MAX) } },
	[MSG_DONE] = { .name = "done" },
	[MSG_FILE] = { .name = "file",
	    .fd = FD_MAYBE,
	    .fields = { FLAG(file, is_library), CUT(file, name, MSG_FACT_MAX),
		CUT(file, path, MSG_PATH_MAX) } },
	[MSG_TICKETS] = { .name = "tickets", .fd = FD_ALWAYS },
	[MSG_NO_TICKETS] = { .name = "no tickets" },
	[MSG_LIST] = { .name = "list",
	    .fd = FD_ALWAYS,
	    .fields = { NUMBER(list, serial) } },
	[MSG_LOG_LEVEL] = { .name = "log level",
	    .fields = { CHOICE(log, level, LOG_LEVEL_ERROR,
		LOG_LEVEL_DEBUG) } },
	[MSG_ASK] = { .name = "ask", .fd = FD_ALWAYS },
	[MSG_PAGE] = { .name = "page", .fd = FD_ALWAYS },
	[MSG_LISTED] = { .name = "listed",
	    .fields = { NUMBER(listed, serial) } },
	[MSG_OUTPUT] = { .name = "output",
	    .fd = FD_ALWAYS,
	    .fields = { CHOICE(output, what, OUTPUT_STDERR, OUTPUT_LINES) } },
	[MSG_LOG_FORMAT] = { .name = "log format",
	    .fields = { CHOICE(log, format, LOG_FORMAT_TEXT,
		LOG_FORMAT_JSON) } },
};

const char *
msg_name(uint32_t type)
{
	if (type == MSG_NONE)
		return "none";
	return type < MSG_TYPES ? rows[type].name : "unknown";
}

bool
msg_takes_fd(uint32_t type)
{
	return type < MSG_TYPES && rows[type].fd != FD_NEVER;
}

static void
encode_text(struct packer *to, const struct field *field, const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len > field->max && field->kind == KIND_CUT)
		len = field->max;
	if (len > field->max)
		to->failed = true;
	pack_text(to, text != NULL ? text : "", len);
}

static void
encode_field(struct packer *to, const struct field *field,
    const struct msg *msg)
{
	const void *member = (const char *)msg + field->offset;

	switch (field->kind) {
	case KIND_NUMBER:
	case KIND_CHOICE:
		pack_u32(to, *(const uint32_t *)member);
		break;
	case KIND_FLAG:
		pack_u32(to, *(const bool *)member);
		break;
	case KIND_TEXT:
	case KIND_CUT:
		encode_text(to, field, *(const char *const *)member);
		break;
	case KIND_VERSION:
		pack_text(to, PACKAGE_VERSION, strlen(PACKAGE_VERSION));
		break;
	case KIND_END:
		break;
	}
}

int
msg_encode(const struct msg *msg, struct packet *ret)
{
	struct packer to = {
		.data = ret->payload,
		.room = sizeof(ret->payload),
		.fixed = true,
	};
	const struct field *field = rows[msg->type].fields;

	assert(msg->type > MSG_NONE && msg->type < MSG_TYPES);
	if (rows[msg->type].fd == FD_ALWAYS && msg->fd == -1)
		return fail(EBADF);
	for (; field->kind != KIND_END; field++)
		encode_field(&to, field, msg);
	if (to.failed)
		return fail(EMSGSIZE);
	ret->head.type = msg->type;
	ret->head.generation = msg->generation;
	ret->head.length = (uint32_t)to.len;
	return 0;
}

size_t
msg_size(const struct packet *packet)
{
	return sizeof(packet->head) + packet->head.length;
}

int
msg_check_head(const struct msg_head *head, struct error *err)
{
	if (head->type == MSG_NONE || head->type >= MSG_TYPES)
		return error_set(err, "a message of type %u, which is unknown",
		    head->type);
	if (head->length > MSG_PAYLOAD_MAX)
		return error_set(err, "a message (%s) that is too long",
		    msg_name(head->type));
	return 0;
}

/*
 * -1 with err: the value is wrong.  A value that is missing is reported by
 * decode_payload().
 */
static int
decode_field(struct unpacker *from, const struct field *field, struct msg *msg,
    struct error *err)
{
	void *member = (char *)msg + field->offset;
	const char *text;
	uint32_t number;

	switch (field->kind) {
	case KIND_NUMBER:
		*(uint32_t *)member = unpack_u32(from);
		return 0;
	case KIND_CHOICE:
	case KIND_FLAG:
		number = unpack_u32(from);
		if (!from->failed &&
		    (number < field->min || number > field->max))
			return error_set(err, "%s %u", field->name, number);
		if (field->kind == KIND_FLAG)
			*(bool *)member = number != 0;
		else
			*(uint32_t *)member = number;
		return 0;
	case KIND_TEXT:
	case KIND_CUT:
		text = unpack_text(from);
		if (!from->failed &&
		    (strlen(text) < field->min || strlen(text) > field->max))
			return error_set(err, "a %s of %zu bytes", field->name,
			    strlen(text));
		*(const char **)member = text;
		return 0;
	case KIND_VERSION:
		text = unpack_text(from);
		if (!from->failed && strcmp(text, PACKAGE_VERSION) != 0)
			return error_set(err, "another version of sluiced");
		return 0;
	case KIND_END:
		break;
	}
	return 0;
}

static int
decode_payload(const struct packet *packet, struct msg *ret, struct error *err)
{
	struct unpacker from = {
		.data = packet->payload,
		.len = packet->head.length,
	};
	const struct field *field = rows[ret->type].fields;
	const char *name = msg_name(ret->type);
	struct error what;

	for (; field->kind != KIND_END; field++)
		if (decode_field(&from, field, ret, &what) == -1)
			return error_set(err, "a message (%s) with %s", name,
			    what.text);
	if (from.failed)
		return error_set(err, "a message (%s) that is too short", name);
	if (from.at != from.len)
		return error_set(err, "a message (%s) that is too long", name);
	return 0;
}

int
msg_decode(const struct packet *packet, int fd, struct msg *ret,
    struct error *err)
{
	enum takes_fd takes;

	if (msg_check_head(&packet->head, err) == -1)
		return -1;
	memset(ret, 0, sizeof(*ret));
	ret->type = (enum msg_type)packet->head.type;
	ret->generation = packet->head.generation;
	ret->fd = fd == MSG_FD_LOST ? -1 : fd;
	takes = rows[ret->type].fd;
	if (fd != -1 && takes == FD_NEVER)
		return error_set(err, "a message (%s) with a descriptor",
		    msg_name(ret->type));
	if (fd == -1 && takes == FD_ALWAYS)
		return error_set(err, "a message (%s) without its descriptor",
		    msg_name(ret->type));
	return decode_payload(packet, ret, err);
}
