/* check_msg.c: every message to bytes and back, and bytes that are refused. */

#include <errno.h>
#include <stdbool.h>

#include "fixture.h"
#include "packets.h"

#define TRIES 200 /* of each type */

static struct packet packet;
static struct msg msg;
static struct error err;

/* Decode the packet.  A descriptor that it should have counts as lost. */
static int
decode(void)
{
	return msg_decode(&packet,
	    msg_takes_fd(packet.head.type) ? MSG_FD_LOST : -1, &msg, &err);
}

static void
encode(const struct msg *from)
{
	ck_assert_int_eq(msg_encode(from, &packet), 0);
}

static void
refuse(const char *sentence)
{
	ck_assert_int_eq(decode(), -1);
	ck_assert_str_eq(err.text, sentence);
}

START_TEST(each_type_has_a_name)
{
	for (uint32_t type = 0; type < MSG_TYPES; type++)
		ck_assert_str_ne(msg_name(type), "unknown");
	ck_assert_str_eq(msg_name(MSG_TYPES), "unknown");
	ck_assert_str_eq(msg_name(UINT32_MAX), "unknown");
}
END_TEST

START_TEST(a_decoded_message_equals_the_encoded_one)
{
	static struct packet again;

	srandom(1);
	for (unsigned int i = 0; i < TRIES * MSG_TYPES; i++) {
		heard_msg(&msg, i, &packet);
		msg.fd = 0;
		ck_assert_int_eq(msg_encode(&msg, &again), 0);
		ck_assert_uint_eq(msg_size(&again), msg_size(&packet));
		ck_assert_mem_eq(&again, &packet, msg_size(&packet));
	}
}
END_TEST

START_TEST(each_member_comes_back)
{
	encode(&(struct msg){ .type = MSG_HELLO,
	    .hello = { 1, 2, 3, 4, 5, 6, true, false, "a.conf" } });
	ck_assert_int_eq(decode(), 0);
	ck_assert_uint_eq(msg.hello.worker, 1);
	ck_assert_uint_eq(msg.hello.place, 2);
	ck_assert_uint_eq(msg.hello.workers, 3);
	ck_assert_uint_eq(msg.hello.uid, 4);
	ck_assert_uint_eq(msg.hello.gid, 5);
	ck_assert_uint_eq(msg.hello.master_pid, 6);
	ck_assert(msg.hello.check_only && !msg.hello.json);
	ck_assert_str_eq(msg.hello.config, "a.conf");
	encode(&(struct msg){ .type = MSG_STOP_LISTENER,
	    .stop_listener = { true, "echo", NULL } });
	ck_assert_int_eq(decode(), 0);
	ck_assert(msg.stop_listener.close_active);
	ck_assert_str_eq(msg.stop_listener.name, "echo");
	ck_assert_str_eq(msg.stop_listener.plugin, ""); /* NULL was sent */
	encode(&(struct msg){ .type = MSG_PROBLEM,
	    .problem = { LOG_LEVEL_WARN, 7, "a.conf", "no" } });
	ck_assert_int_eq(decode(), 0);
	ck_assert_uint_eq(msg.problem.level, LOG_LEVEL_WARN);
	ck_assert_uint_eq(msg.problem.line, 7);
	ck_assert_str_eq(msg.problem.file, "a.conf");
	ck_assert_str_eq(msg.problem.text, "no");
}
END_TEST

START_TEST(a_message_that_is_too_short_or_too_long_is_refused)
{
	char sentence[64];
	uint32_t whole;

	srandom(2);
	for (unsigned int i = 0; i < TRIES; i++) {
		heard_msg(&msg, 1, &packet);
		whole = packet.head.length;
		snprintf(sentence, sizeof(sentence),
		    "a message (%s) that is too long",
		    msg_name(packet.head.type));
		packet.payload[whole] = '\0';
		packet.head.length = whole + 1;
		refuse(sentence);
		snprintf(sentence, sizeof(sentence),
		    "a message (%s) that is too short",
		    msg_name(packet.head.type));
		while (whole-- > 0) {
			packet.head.length = whole;
			refuse(sentence);
		}
	}
	packet.head.length = MSG_PAYLOAD_MAX + 1;
	packet.head.type = MSG_PREPARE;
	refuse("a message (prepare) that is too long");
}
END_TEST

START_TEST(a_text_that_does_not_end_is_refused)
{
	encode(&(
	    struct msg){ .type = MSG_SOURCE, .source.pattern = "/etc/a.conf" });
	packet.payload[packet.head.length - 1] = 'x';
	refuse("a message (source) that is too short");
}
END_TEST

START_TEST(a_number_without_a_meaning_is_refused)
{
	encode(&(struct msg){ .type = MSG_PROBLEM, .problem.level = 8 });
	refuse("a message (problem) with level 8");
	encode(&(struct msg){ .type = MSG_PROBLEM, .problem.level = 2 });
	refuse("a message (problem) with level 2");
	encode(&(struct msg){ .type = MSG_PROGRESS, .progress.step = 3 });
	refuse("a message (progress) with step 3");
	encode(&(struct msg){ .type = MSG_STOP, .stop.now = true });
	packet.payload[0] = 2;
	refuse("a message (stop) with now 2");
	packet.head.type = MSG_TYPES + 1;
	ck_assert_int_eq(decode(), -1);
	packet.head.type = MSG_NONE;
	refuse("a message of type 0, which is unknown");
}
END_TEST

START_TEST(a_text_of_a_wrong_length_is_refused)
{
	static char text[MSG_PAYLOAD_MAX];

	encode(&(struct msg){ .type = MSG_STOP_LISTENER });
	refuse("a message (stop-listener) with a name of 0 bytes");
	memset(text, 'x', 65);
	msg = (struct msg){ .type = MSG_STOP_LISTENER,
		.stop_listener.name = text };
	ck_assert_int_eq(msg_encode(&msg, &packet), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	memset(&packet, 0, sizeof(packet));
	packet.head.type = MSG_STOP_LISTENER;
	packet.head.length = 4 + 65 + 1 + 1;
	memcpy(packet.payload + 4, text, 65);
	refuse("a message (stop-listener) with a name of 65 bytes");
}
END_TEST

START_TEST(texts_of_problems_are_cut_to_fit)
{
	static char big[3 * MSG_PAYLOAD_MAX];

	memset(big, 'x', sizeof(big) - 1);
	encode(&(struct msg){ .type = MSG_PROBLEM,
	    .problem = { LOG_LEVEL_ERROR, 1, big, big } });
	ck_assert_int_eq(decode(), 0);
	ck_assert_uint_eq(strlen(msg.problem.file), MSG_PROBLEM_MAX);
	ck_assert_uint_eq(strlen(msg.problem.text), MSG_PROBLEM_MAX);
	encode(&(struct msg){ .type = MSG_FACTS, .facts.name = big });
	ck_assert_int_eq(decode(), 0);
	ck_assert_uint_eq(strlen(msg.facts.name), MSG_FACT_MAX);
}
END_TEST

START_TEST(only_some_messages_take_a_descriptor)
{
	encode(&(struct msg){ .type = MSG_IMAGE, .fd = 0 });
	ck_assert_int_eq(msg_decode(&packet, 0, &msg, &err), 0);
	ck_assert_int_eq(msg.fd, 0);
	ck_assert_int_eq(msg_decode(&packet, MSG_FD_LOST, &msg, &err), 0);
	ck_assert_int_eq(msg.fd, -1);
	ck_assert_int_eq(msg_decode(&packet, -1, &msg, &err), -1);
	ck_assert_str_eq(err.text, "a message (image) without its descriptor");
	msg = (struct msg){ .type = MSG_IMAGE, .fd = -1 };
	ck_assert_int_eq(msg_encode(&msg, &packet), -1);
	ck_assert_int_eq(errno, EBADF);
	encode(&(struct msg){ .type = MSG_COMMIT });
	ck_assert_int_eq(msg_decode(&packet, 0, &msg, &err), -1);
	ck_assert_str_eq(err.text, "a message (commit) with a descriptor");
	ck_assert_int_eq(msg_decode(&packet, MSG_FD_LOST, &msg, &err), -1);
	encode(&(struct msg){ .type = MSG_HELLO, .fd = -1 });
	ck_assert_int_eq(msg_decode(&packet, -1, &msg, &err), 0);
	ck_assert_int_eq(msg_decode(&packet, 0, &msg, &err), 0);
}
END_TEST

START_TEST(a_hello_of_another_version_is_refused)
{
	encode(&(struct msg){ .type = MSG_HELLO });
	packet.payload[0]++;
	refuse("a message (hello) with another version of sluiced");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		each_type_has_a_name,
		a_decoded_message_equals_the_encoded_one,
		each_member_comes_back,
		a_message_that_is_too_short_or_too_long_is_refused,
		a_text_that_does_not_end_is_refused,
		a_number_without_a_meaning_is_refused,
		a_text_of_a_wrong_length_is_refused,
		texts_of_problems_are_cut_to_fit,
		only_some_messages_take_a_descriptor,
		a_hello_of_another_version_is_refused,
		NULL,
	};

	return fixture_run("msg", tests);
}
