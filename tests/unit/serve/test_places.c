/* SPDX-License-Identifier: Apache-2.0 */
#include "mounted.h"

#include "serve/places.h"

static const struct serve_options usual = { .image_fd = -1 };

static void begin(struct mounted *m, const struct serve_place *places, size_t count)
{
	wanted_places = places;
	wanted_count = count;
	mounted_begin(m, "image", &usual);
}

/* Missing ones below what there is and below one another; one that is there; a link covered. */
static const struct serve_place many[] = {
	{ "/deep/a/new/er/dir", true },
	{ "/deep/a/new/er/file", false },
	{ "/top", true },
	{ "/top-file", false },
	{ "/wide/inside", true },
	{ "/hello", false },
	{ "/deep/a", true },
	{ "/link", false },
	{ "/deep/a/new/er/dir", true },
	{ "/dangling", true },
	{ "//deep//a/new///twice", true },
	{ "/other", true },
	{ "/other/below/it", true },
};
#define MANY (sizeof(many) / sizeof(*many))

static const char shown[] =
	"set -e; cd mnt\n"
	"is() { [ \"$(stat -c '%F %a' \"$1\")\" = \"$2\" ] || { echo \"$1: $(stat -c '%F %a' "
	"\"$1\")\"; exit 1; }; }\n"
	"for d in deep/a/new deep/a/new/er deep/a/new/er/dir top wide/inside dangling "
	"deep/a/new/twice; do\n"
	"  is $d 'directory 755'; done\n"
	"for f in deep/a/new/er/file top-file link; do is $f 'regular empty file 644'; [ -z "
	"\"$(cat $f)\" ]; done\n"
	"[ \"$(cat hello)\" = hello ]\n"
	"[ \"$(ls -A top)\" = '' ] && [ \"$(ls -A deep/a/new)\" = \"$(printf 'er\\ntwice')\" ]\n"
	"[ \"$(ls -A deep/a/new/er)\" = \"$(printf 'dir\\nfile')\" ]\n"
	"[ \"$(ls -A | grep -cx -e top -e top-file -e link -e dangling -e other)\" = 5 ]\n"
	"[ \"$(ls -A wide | wc -l)\" = 1501 ] && [ \"$(ls -f wide | sort -u | wc -l)\" = 1503 ]\n"
	"[ $(stat -c %Y other/below/it) = $(stat -c %Y .) ]\n"
	"[ $(stat -c %Y top) = $(stat -c %Y .) ] && [ $(stat -c %Y wide/inside) = $(stat -c %Y "
	"wide) ]\n"
	"[ $(find . -inum +4294950000 | wc -l) = 14 ] && [ $(find . | wc -l) = $(($(cd ../tree; "
	"find . | wc -l) + 12)) ]\n"
	"[ ! -e top/none ] && [ ! -e top-file/none ] && [ ! -e deep/a/new/none ]\n"
	"! getfattr -n user.colour top 2>/dev/null && [ -z \"$(getfattr -d top top-file 2>&1)\" ]\n"
	"! readlink link && ! touch top/x 2>/dev/null && ! rmdir top 2>/dev/null && ! (echo "
	">>top-file) 2>/dev/null\n"
	"ls -liR . >/dev/null";

static void beside_the_image(void **state)
{
	(void)state;
	for (int looked_before = 0; looked_before < 2; looked_before++) {
		struct mounted m;
		begin(&m, many, MANY);
		/* What the kernel keeps of names, absent ones, links and listings. */
		if (looked_before)
			assert_int_equal(
				inside(&m, "cd mnt; ls -liR . >/dev/null; for f in top deep/a/new "
					   "wide/inside; do [ ! -e $f ] || exit 1; done; "
					   "[ -L link ] && [ -L dangling ]"),
				0);
		assert_int_equal(inside(&m, PLACES), 0);
		assert_int_equal(inside(&m, shown), 0);
		assert_int_equal(inside(&m, NUMBERS), 0);
		/* Whoever asks again is refused, and nothing changes. */
		assert_int_equal(inside(&m, PLACES), ERROR_SYSTEM + 1);
		assert_int_equal(inside(&m, shown), 0);
		mounted_end(&m);
	}
}

static void none_is_a_list_too(void **state)
{
	(void)state;
	struct mounted m;
	begin(&m, NULL, 0);
	assert_int_equal(inside(&m, PLACES), 0);
	assert_int_equal(inside(&m, "[ ! -e mnt/top ]"), 0);
	assert_int_equal(inside(&m, PLACES), ERROR_SYSTEM + 1);
	mounted_end(&m);
}

/* As the lone owner, as everything else. */
static void owned_as_the_rest(void **state)
{
	(void)state;
	const struct serve_options options = {
		.image_fd = -1, .own_all = true, .uid = geteuid(), .gid = getegid()
	};
	struct mounted m;
	wanted_places = many;
	wanted_count = MANY;
	mounted_begin(&m, "image", &options);
	assert_int_equal(inside(&m, PLACES), 0);
	assert_int_equal(inside(&m, "[ $(stat -c %u:%g mnt/top) = $(id -u):$(id -g) ]"), 0);
	mounted_end(&m);
}

/* More than a call holds is said before anything is asked for. */
static void too_many(void **state)
{
	(void)state;
	enum { COUNT = 1000 };
	static char names[COUNT][32];
	static struct serve_place places[COUNT];
	struct mounted m;
	for (size_t i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "/top/a-name-of-some-length-%zu", i);
		places[i] = (struct serve_place){ names[i], i % 2 };
	}
	begin(&m, places, COUNT);
	assert_int_equal(inside(&m, PLACES), ERROR_LIMIT + 1);
	mounted_end(&m);
	/* As many as it holds. */
	begin(&m, places, 400);
	assert_int_equal(inside(&m, PLACES), 0);
	assert_int_equal(inside(&m, "[ \"$(ls mnt/top | sort -u | wc -l)\" = 400 ] && [ -d "
				    "mnt/top/*-399 ] && [ -f mnt/top/*-398 ]"),
			 0);
	mounted_end(&m);
}

/* ------------------------------------------------------------------ lists that are none */

static struct squash *sq;

static size_t changes;

static void changed(void *context, uint64_t parent, const char *name)
{
	(void)context;
	assert_true(parent != 0 && *name != '\0' && !strchr(name, '/'));
	changes++;
}

static int take(const char *text, size_t len, size_t claimed, struct error **err)
{
	static struct places_message message;
	struct places places = { 0 };
	memset(&message, 0xff, sizeof(message));
	memcpy(message.text, text, len);
	message.len = (uint32_t)claimed;
	int r = places_take(&places, sq, &message, changed, NULL, err);
	places_free(&places);
	return r;
}

static void bad_lists(void **state)
{
	(void)state;
	struct probe probe = { 0 };
	int fd;
	struct image_tree *tree = open_tree_of("image", &probe, &fd);
	sq = tree->squash;
	static const char good[] = "d\0/top\0f\0/top/file";
	assert_ok(take(good, sizeof(good), sizeof(good), err));
	assert_int_equal(changes, 2);
	/* Cut anywhere but between two. */
	for (size_t len = 1; len < sizeof(good); len++)
		if (len != 7)
			assert_fails(ERROR_DAMAGED, take(good, len, len, err));
	assert_fails(ERROR_DAMAGED,
		     take(good, sizeof(good), sizeof(((struct places_message *)0)->text) + 1, err));
	assert_fails(ERROR_DAMAGED, take(good, sizeof(good), UINT32_MAX, err));
	assert_fails(ERROR_DAMAGED, take("x\0/top", 7, 7, err));
	assert_fails(ERROR_DAMAGED, take("dd/top", 7, 7, err));
	assert_fails(ERROR_DAMAGED, take("d\0top", 6, 6, err));
	assert_fails(ERROR_NOT_FOUND, take("d\0/hello/below", 15, 15, err));
	/* The longest chain that fits: each step is a place. */
	static char chain[sizeof(((struct places_message *)0)->text)];
	for (size_t i = 2; i < sizeof(chain) - 1; i++)
		chain[i] = i % 2 ? 'x' : '/';
	chain[0] = 'd';
	chain[1] = 0;
	chain[sizeof(chain) - 1] = 0;
	changes = 0;
	assert_ok(take(chain, sizeof(chain), sizeof(chain), err));
	assert_int_equal(changes, (sizeof(chain) - 3) / 2);
	/* A name that is too long for the kernel. */
	memset(chain + 3, 'n', 256);
	assert_fails(ERROR_LIMIT, take(chain, sizeof(chain), sizeof(chain), err));
	image_tree_free(&tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(beside_the_image),  cmocka_unit_test(none_is_a_list_too),
		cmocka_unit_test(owned_as_the_rest), cmocka_unit_test(too_many),
		cmocka_unit_test(bad_lists),
	};
	return cmocka_run_group_tests(tests, make_images, remove_images);
}
