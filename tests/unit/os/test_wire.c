/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/os.h"

static int pair[2];

static int make_pair(void **state)
{
	(void)state;
	struct error *err = NULL;
	return wire_open(pair, &err);
}

static int close_pair(void **state)
{
	(void)state;
	fd_close(&pair[0]);
	fd_close(&pair[1]);
	return 0;
}

static size_t open_descriptors(void)
{
	size_t count = 0;
	DIR *d = opendir("/proc/self/fd");
	assert_non_null(d);
	while (readdir(d))
		count++;
	closedir(d);
	return count;
}

static void words_and_descriptors_travel(void **state)
{
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	CLEANUP_WIRE_PACKET struct wire_packet q = WIRE_PACKET_NONE;
	assert_int_equal(wire_send(pair[0], 'x', null), 0);
	assert_int_equal(wire_send(pair[0], 'y', -1), 0);
	assert_int_equal(wire_receive(pair[1], &p), 1);
	assert_true(p.word == 'x' && p.fd >= 0 && p.fd != null && !p.error);
	assert_int_equal(fcntl(p.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(wire_receive(pair[1], &q), 1);
	assert_true(q.word == 'y' && q.fd == -1 && !q.error);
}

static void the_end_is_told(void **state)
{
	(void)state;
	struct wire_packet p = WIRE_PACKET_NONE;
	fd_close(&pair[0]);
	assert_int_equal(wire_receive(pair[1], &p), 0);
	assert_int_equal(wire_send(pair[1], 'x', -1), -EPIPE);
}

static void errors_travel_whole(void **state)
{
	(void)state;
	for (int kind = ERROR_USAGE; kind <= ERROR_INTERNAL; kind++) {
		CLEANUP_ERROR struct error *sent = NULL;
		CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
		error_set(&sent, (enum error_kind)kind, "inner %d", kind);
		error_wrap(&sent, "outer");
		if (kind != ERROR_USAGE)
			error_hint(&sent, "do %d", kind);
		error_set_exit_status(&sent, 240 + kind);
		assert_int_equal(wire_send_error(pair[0], sent), 0);
		assert_int_equal(wire_receive(pair[1], &p), 1);
		assert_non_null(p.error);
		assert_int_equal(p.word, WIRE_ERROR);
		assert_int_equal(error_kind(p.error), kind);
		assert_int_equal(error_exit_status(p.error), 240 + kind);
		assert_string_equal(error_message(p.error), error_message(sent));
		if (kind != ERROR_USAGE)
			assert_string_equal(error_hint_text(p.error), error_hint_text(sent));
		else
			assert_null(error_hint_text(p.error));
	}
}

/* What decides by the place, or leaves out what was said round the fact, does so on either side. */
static void errors_keep_their_place(void **state)
{
	(void)state;
	for (int place = PLACE_NONE; place <= PLACE_LAST; place++) {
		for (int context = 0; context < 3; context++) {
			CLEANUP_ERROR struct error *sent = NULL;
			CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
			error_set(&sent, ERROR_IO, "the fact: in two words");
			if (place)
				error_at(&sent, (enum error_place)place);
			if (context)
				error_wrap(&sent, "near");
			if (context > 1)
				error_wrap(&sent, "far: off");
			error_hint(&sent, "do it");
			assert_int_equal(wire_send_error(pair[0], sent), 0);
			assert_int_equal(wire_receive(pair[1], &p), 1);
			assert_int_equal(error_place(p.error), place);
			assert_string_equal(error_message(p.error), error_message(sent));
			assert_string_equal(error_fact(p.error), error_fact(sent));
			/* The first place and the first hint count over there, too. */
			if (place)
				error_at(&p.error, PLACE_OPENING);
			error_hint(&p.error, "do another");
			assert_int_equal(error_place(p.error), place);
			assert_string_equal(error_hint_text(p.error), "do it");
			error_wrap(&p.error, "here");
			error_keep_fact(&p.error);
			if (place)
				assert_string_equal(error_message(p.error),
						    "the fact: in two words");
		}
	}
}

static void long_words_are_cut(void **state)
{
	(void)state;
	CLEANUP_ERROR struct error *sent = NULL;
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	error_set(&sent, ERROR_IO, "%*s", 2 * WIRE_TEXT_MAX, "m");
	error_hint(&sent, "%*s", WIRE_TEXT_MAX + 1, "h");
	assert_int_equal(wire_send_error(pair[0], sent), 0);
	assert_int_equal(wire_receive(pair[1], &p), 1);
	assert_int_equal(strlen(error_message(p.error)), WIRE_TEXT_MAX);
	assert_int_equal(strlen(error_hint_text(p.error)), WIRE_TEXT_MAX);
}

/* Of a fact that was cut off nothing is left; its place is. */
static void a_fact_is_cut(void **state)
{
	(void)state;
	for (size_t over = 0; over < 4; over++) {
		CLEANUP_ERROR struct error *sent = NULL;
		CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
		error_set(&sent, ERROR_IO, "abc");
		error_at(&sent, PLACE_OPENING);
		error_wrap(&sent, "%*s", (int)(WIRE_TEXT_MAX - 5 + over), "m");
		assert_int_equal(wire_send_error(pair[0], sent), 0);
		assert_int_equal(wire_receive(pair[1], &p), 1);
		assert_int_equal(error_place(p.error), PLACE_OPENING);
		assert_int_equal(strlen(error_message(p.error)), WIRE_TEXT_MAX);
		assert_int_equal(strlen(error_fact(p.error)), over < 3 ? 3 - over : WIRE_TEXT_MAX);
	}
}

/* Kind 2, place 1, exit status 3, four bytes of context, a message of six, a hint of one. */
static const uint8_t good[] = { '!', 2, 0, 0, 0, 1, 0, 0,   0,	 3,   0,   0,	0,   4,
				0,   0, 0, 6, 0, 0, 0, 'u', 'v', ':', ' ', 'a', 'b', 'c' };

static void refused(const void *data, size_t len)
{
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	assert_int_equal(send(pair[0], data, len, 0), (ssize_t)len);
	assert_int_equal(wire_receive(pair[1], &p), -EBADMSG);
	assert_true(p.fd == -1 && !p.error);
}

static void refused_with(size_t at, uint8_t byte)
{
	uint8_t bad[sizeof(good)];
	memcpy(bad, good, sizeof(good));
	bad[at] = byte;
	refused(bad, sizeof(bad));
}

static void bad_packets(void **state)
{
	(void)state;
	static char too_long[WIRE_PACKET_MAX + 1] = "!";
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	assert_int_equal(send(pair[0], good, sizeof(good), 0), sizeof(good));
	assert_int_equal(wire_receive(pair[1], &p), 1);
	assert_string_equal(error_message(p.error), "uv: ab");
	assert_string_equal(error_fact(p.error), "ab");
	assert_string_equal(error_hint_text(p.error), "c");
	for (size_t len = 1; len < sizeof(good) - 1; len++)
		refused(good, len);
	refused("xy", 2);
	refused_with(1, 0);
	refused_with(1, ERROR_INTERNAL + 1);
	refused_with(4, 1);
	/* The place: none that there is, and none where something was put in front. */
	refused_with(5, PLACE_LAST + 1);
	refused_with(8, 0x80);
	refused_with(5, PLACE_NONE);
	refused_with(10, 1);
	refused_with(12, 0x80);
	/* What is in front: no ": " at its end, too short for one, or nothing behind it. */
	refused_with(13, 3);
	refused_with(13, 5);
	refused_with(13, 1);
	refused_with(13, 6);
	refused_with(13, 7);
	refused_with(16, 0x80);
	refused_with(23, ';');
	refused_with(17, 8);
	refused_with(20, 0xff);
	refused_with(21, 0);
	refused_with(26, 0);
	refused_with(27, 0);
	refused(too_long, sizeof(too_long));
	/* Each text is as long as may be, and a byte more. */
	memcpy(too_long, good, 13);
	memset(too_long + 21, 'x', sizeof(too_long) - 21);
	bytes_put_le(too_long + 17, WIRE_TEXT_MAX + 1, 4);
	refused(too_long, 21 + WIRE_TEXT_MAX + 1);
	bytes_put_le(too_long + 17, 0, 4);
	refused(too_long, 21 + WIRE_TEXT_MAX + 1);
}

/* As somebody sends who wants the receiver to run out of descriptors. */
static void no_descriptor_is_left(void **state)
{
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	size_t before = open_descriptors();
	for (size_t count = 1; count <= 3; count++) {
		CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
		union {
			char space[CMSG_SPACE(3 * sizeof(int))];
			struct cmsghdr align;
		} control = { 0 };
		/* One alone comes with what is no packet. */
		char words[] = "xy";
		struct iovec iov = { .iov_base = words, .iov_len = count == 1 ? 2 : 1 };
		struct msghdr msg = { .msg_iov = &iov,
				      .msg_iovlen = 1,
				      .msg_control = control.space,
				      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(count * sizeof(int));
		for (size_t i = 0; i < count; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), &null, sizeof(int));
		assert_int_equal(sendmsg(pair[0], &msg, 0), (ssize_t)iov.iov_len);
		assert_int_equal(wire_receive(pair[1], &p), -EBADMSG);
		assert_int_equal(open_descriptors(), before);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_pair, close_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(words_and_descriptors_travel),
		TEST(the_end_is_told),
		TEST(errors_travel_whole),
		TEST(errors_keep_their_place),
		TEST(long_words_are_cut),
		TEST(a_fact_is_cut),
		TEST(bad_packets),
		TEST(no_descriptor_is_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
