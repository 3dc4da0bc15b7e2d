/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "run/internal.h"

/* What who joins an instance is told: by whom, and of what. */

static struct run_bind binds[] = {
	{ .source = (char *)"/a", .target = (char *)"/b \"c", .nested = true },
	{ .source = (char *)"/d", .target = (char *)"/e" },
};
static char program[] = "sixteen bytes of";

static void make_plan(struct run_plan *plan, struct run_wish *wish, struct run_stay *stay,
		      struct image *image)
{
	*stay = (struct run_stay){ .name = "one", .door = -1 };
	*wish = (struct run_wish){ .stay = stay, .allow_setuid = true };
	*image = (struct image){ .path = (char *)"/x/y.sif", .fd = -1, .directory = -1 };
	*plan = (struct run_plan){
		.wish = wish,
		.image = image,
		.home = (char *)"/home/u",
		.user_namespace = true,
		.map = USERNS_ROOT_SUBIDS,
		.inside_uid = 5,
		.inside_gid = 6,
		.contain = true,
		.unconfined = true,
		.profile = { .data = program, .len = 16 },
		.binds = { .items = binds, .len = 2 },
	};
}

static void told_as_they_are(void **state)
{
	(void)state;
	struct error *err = NULL;
	struct run_plan plan;
	struct run_wish wish;
	struct run_stay stay;
	struct image image;
	make_plan(&plan, &wish, &stay, &image);
	int fd = run_facts_write(&plan, &err);
	assert_true(fd >= 0);
	struct run_facts facts = { 0 };
	struct run_plan other = { 0 };
	assert_int_equal(run_facts_read(fd, &facts, &other, &err), 0);
	assert_string_equal(facts.name, "one");
	assert_string_equal(other.image->path, "/x/y.sif");
	assert_string_equal(other.home, "/home/u");
	assert_true(other.user_namespace && other.contain && other.unconfined);
	assert_false(other.own_all || other.fake_root || other.pretend_owners);
	assert_false(other.pid_namespace || other.minimal_dev);
	assert_true(facts.wish.allow_setuid);
	assert_int_equal(other.map, USERNS_ROOT_SUBIDS);
	assert_int_equal(other.inside_uid, 5);
	assert_int_equal(other.inside_gid, 6);
	assert_int_equal(other.profile.len, 16);
	assert_memory_equal(other.profile.data, program, 16);
	assert_int_equal(other.binds.len, 2);
	assert_string_equal(other.binds.items[0].target, "/b \"c");
	assert_true(other.binds.items[0].nested);
	assert_false(other.binds.items[1].nested);
	/* Nobody to whom it is handed changes it. */
	assert_true(pwrite(fd, "x", 1, 0) < 0);
	assert_true(ftruncate(fd, 0) < 0);
	assert_true(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	run_plan_free(&other);
	run_facts_free(&facts);
	close(fd);
}

/* Each member is needed: with one of them missing nothing is joined. */
static void nothing_is_guessed(void **state)
{
	(void)state;
	static const char *const texts[] = {
		"",
		"{}",
		"[]",
		"{\"name\":\"one\",\"image\":\"/x\",\"home\":\"/h\",\"map\":9,\"uid\":0,\"gid\":0}",
		"{\"name\":\"one\",\"image\":\"/x\",\"home\":\"/h\",\"map\":0,\"uid\":0,\"gid\":0,"
		"\"allow_setuid\":false,\"user_namespace\":true}",
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct error *err = NULL;
		struct run_facts facts = { 0 };
		struct run_plan plan = { 0 };
		int fd = memfd_create("facts", MFD_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(write(fd, texts[i], strlen(texts[i])), strlen(texts[i]));
		assert_int_equal(run_facts_read(fd, &facts, &plan, &err), -1);
		assert_non_null(err);
		error_free(&err);
		run_plan_free(&plan);
		run_facts_free(&facts);
		close(fd);
	}
}

static void no_more_than_there_are(void **state)
{
	(void)state;
	struct error *err = NULL;
	struct run_entrance e = RUN_ENTRANCE_NONE;
	for (size_t i = 0; i < sizeof(e.fds) / sizeof(e.fds[0]); i++)
		assert_int_equal(run_entrance_add(&e, dup(0), &err), 0);
	int more = dup(0);
	assert_int_equal(run_entrance_add(&e, more, &err), -1);
	assert_int_equal(fcntl(more, F_GETFD), -1);
	error_free(&err);
	assert_int_equal(run_entrance_add(&e, -1, &err), -1);
	error_free(&err);
	run_entrance_free(&e);
	assert_int_equal(e.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(told_as_they_are),
		cmocka_unit_test(nothing_is_guessed),
		cmocka_unit_test(no_more_than_there_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
