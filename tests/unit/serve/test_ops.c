/* SPDX-License-Identifier: Apache-2.0 */
#include "mounted.h"

static const struct serve_options as_it_is = { .image_fd = -1 };

static void equals_the_tree(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &as_it_is);
	/* Directories have other sizes and link counts; the time is in whole seconds. */
	assert_int_equal(inside(&m,
				"list() { (cd $1 && find . -type d -printf '%p %m %U %G %y "
				"%Ts\\n' -o -printf '%p %m %U %G %y %Ts %s %n %l\\n' | LC_ALL=C "
				"sort | md5sum); }\n"
				"[ \"$(list tree)\" = \"$(list mnt)\" ]"),
			 0);
	assert_int_equal(inside(&m, "rm -f cmp-*; diff -r --no-dereference -x fifo tree mnt"), 0);
	assert_int_equal(inside(&m, "[ $(ls -A mnt/wide | wc -l) = 1500 ] && [ $(ls -a mnt/empty | "
				    "wc -l) = 2 ]"),
			 0);
	/* Hard links are one inode; a listing has the numbers that stat gives. */
	assert_int_equal(inside(&m,
				"[ mnt/hello -ef mnt/deep/a/hard ] && cd mnt/deep/a && ls -aiU1 | "
				"while read -r i n; do [ $(stat -c %i \"$n\") = $i ] || exit 1; "
				"done"),
			 0);
	assert_int_equal(inside(&m, "cd mnt/wide && [ \"$(ls -iU1 | sort | md5sum)\" = \"$(stat -c "
				    "'%i %n' * | sort | md5sum)\" ]"),
			 0);
	assert_int_equal(inside(&m,
				"[ $(stat -f -c %b mnt) = $((($(stat -c %s image) + 4095) / 4096"
				")) ] && [ $(stat -c %b mnt/one-block) = 256 ]"),
			 0);
	mounted_end(&m);
}

static void attributes(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &as_it_is);
	assert_int_equal(inside(&m, "names() { (cd $1 && find . ! -type l -print0 | LC_ALL=C sort "
				    "-z | xargs -0 getfattr -d -e hex | md5sum); }\n"
				    "[ \"$(names tree)\" = \"$(names mnt)\" ]"),
			 0);
	assert_int_equal(inside(&m,
				"[ \"$(getfattr --only-values -n user.colour mnt/hello)\" = blue "
				"] && ! getfattr -n user.none mnt/hello 2>/dev/null"),
			 0);
	mounted_end(&m);
	mounted_begin(&m, "image-plain", &as_it_is);
	assert_int_equal(
		inside(&m, "[ -z \"$(getfattr -R -d mnt 2>/dev/null)\" ] && ! getfattr -n user.a "
			   "mnt/file 2>/dev/null && [ $(cat mnt/file) = plain ]"),
		0);
	mounted_end(&m);
}

static void refuses_changes(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &as_it_is);
	assert_int_equal(inside(&m,
				"exec 2>/dev/null; ! touch mnt/new && ! (echo >>mnt/hello) && ! rm "
				"-f mnt/hello && ! chmod 777 mnt/hello && ! mkdir mnt/d"),
			 0);
	/* What is not there is so each time. */
	assert_int_equal(inside(&m,
				"for i in 1 2 3; do [ ! -e mnt/none ] && [ ! -e mnt/hello/x ] || "
				"exit 1; done"),
			 0);
	mounted_end(&m);
}

/* Parts of a file, off and at the edges of blocks, read the same through both. */
static void reads_anywhere(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &as_it_is);
	assert_int_equal(
		inside(&m,
		       "part() { dd if=$1/$2 bs=1 skip=$3 count=$4 iflag=skip_bytes,count_bytes "
		       "bs=64K status=none | md5sum; }\n"
		       "for f in random text sparse one-block block-and-byte; do\n"
		       "for at in 2999999 131071 131072 0 1 400000; do for n in 1 4096 200000; do\n"
		       "[ \"$(part tree $f $at $n)\" = \"$(part mnt $f $at $n)\" ] || exit 1\n"
		       "done; done; done"),
		0);
	mounted_end(&m);
}

/* How many reads of the image it takes to read the beginning of a file, past the kernel's cache. */
static int reads_of_image(const char *flags)
{
	struct mounted m;
	char script[300];
	mounted_begin(&m, "image", &as_it_is);
	/* With a pause, so that no thread is still at what it does after an answer. */
	snprintf(script, sizeof(script),
		 "for i in 0 1; do dd if=mnt/random of=/dev/null bs=128K skip=$i count=1 "
		 "iflag=direct%s status=none; sleep 0.2; done",
		 flags);
	assert_int_equal(inside(&m, script), 0);
	/* Reading ahead goes on after the answer. */
	int n = -1;
	for (int before = -2; n != before; usleep(200000)) {
		before = n;
		n = atomic_load(&m.probe->reads);
	}
	mounted_end(&m);
	return n;
}

/* Not who opens a file as tar does. */
static void who_asks_for_all_gets_nothing_ahead(void **state)
{
	(void)state;
	int asked = reads_of_image(",nonblock,append");
	assert_int_equal(reads_of_image(",nonblock,append"), asked);
	assert_true(reads_of_image("") > asked);
	assert_true(reads_of_image(",nonblock") > asked);
	assert_true(reads_of_image(",append") > asked);
}

static void many_readers(void **state)
{
	(void)state;
	for (unsigned threads = 1; threads <= 8; threads += 7) {
		struct mounted m;
		const struct serve_options options = { .image_fd = -1, .threads = threads };
		mounted_begin(&m, "image", &options);
		assert_int_equal(
			inside(&m, "sum() { (cd $1 && find . -type f -print0 | LC_ALL=C sort -z | "
				   "xargs "
				   "-0 cat | md5sum); }\n"
				   "want=$(sum tree); pids=; for i in 1 2 3 4 5 6; do\n"
				   "{ [ \"$(sum mnt)\" = \"$want\" ]; } & pids=\"$pids $!\"; done\n"
				   "for p in $pids; do wait $p || exit 1; done"),
			0);
		mounted_end(&m);
	}
}

static void shows_one_owner(void **state)
{
	(void)state;
	struct mounted m;
	const struct serve_options options = {
		.image_fd = -1, .own_all = true, .uid = geteuid(), .gid = getegid()
	};
	/* An image whose owners are unknown in the namespace. */
	assert_int_equal(shell("mksquashfs tree image-owned -noappend -quiet -no-progress "
			       "-force-uid 12345 -force-gid 54321 >/dev/null"),
			 0);
	mounted_begin(&m, "image-owned", &as_it_is);
	assert_int_equal(inside(&m, "[ $(stat -c %u:%g mnt/hello) = 65534:65534 ]"), 0);
	mounted_end(&m);
	mounted_begin(&m, "image-owned", &options);
	assert_int_equal(inside(&m, "[ $(stat -c %u:%g mnt/hello) = $(id -u):$(id -g) ] && cat "
				    "mnt/modes/600 >/dev/null"),
			 0);
	mounted_end(&m);
}

/* What cannot be read is an I/O error; nothing of it is kept. */
static void read_errors(void **state)
{
	(void)state;
	struct mounted m;
	mounted_begin(&m, "image", &as_it_is);
	atomic_store(&m.probe->broken, true);
	assert_int_equal(inside(&m, "LC_ALL=C cat mnt/random 2>&1 >/dev/null | grep -q "
				    "'Input/output error'"),
			 0);
	atomic_store(&m.probe->broken, false);
	assert_int_equal(inside(&m, "cmp tree/random mnt/random"), 0);
	mounted_end(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equals_the_tree),
		cmocka_unit_test(attributes),
		cmocka_unit_test(refuses_changes),
		cmocka_unit_test(reads_anywhere),
		cmocka_unit_test(who_asks_for_all_gets_nothing_ahead),
		cmocka_unit_test(many_readers),
		cmocka_unit_test(shows_one_owner),
		cmocka_unit_test(read_errors),
	};
	return cmocka_run_group_tests(tests, make_images, remove_images);
}
