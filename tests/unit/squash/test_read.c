/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* Trees are packed by mksquashfs, read by us and compared with the directory that they were. */

static char *base; /* the test's directory: tree/ is the source */

static const struct tree_options all_of_it = { 0 };

static struct source *source_open(const char *path)
{
	struct source *s = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(source_from_fd(fd, &s, err));
	return s;
}

static int make_tree(void **state)
{
	(void)state;
	base = tree_temporary();
	tree_shell(
		"set -e; mkdir %s/tree; cd %s/tree; umask 022;"
		"mkdir -p empty a/b/c/d 'odd names'; head -c 300000 /dev/urandom >random;"
		"seq 1 200000 >numbers; seq 1 10 >small; : >nothing; head -c 131072 numbers >block;"
		"head -c 131073 numbers >block+1; head -c 4096 numbers >page;"
		"for i in $(seq 1 300); do echo $i >a/b/f$i; done;"
		"ln -s ../numbers a/link; ln -s /does/not/exist dangling;"
		"ln -s $(printf 'x%%.0s' $(seq 1 3000)) long; ln numbers a/b/c/hard; ln small "
		"a/hard;"
		"truncate -s 1M hole; truncate -s 3M holes; seq 1 100000 | "
		"dd of=holes bs=1 seek=1000001 conv=notrunc status=none count=300000;"
		"printf x >'odd names/ blank '; printf y >\"odd names/new\nline\";"
		"printf z >'odd names/-rf'; printf \"\\001\" >'odd names/\\ \"*?$;|&';"
		"printf u >odd\\ names/$(printf '\\303\\244\\377\\001');"
		": >odd\\ names/$(printf 'n%%.0s' $(seq 1 255)); mkfifo fifo;"
		"chmod 4755 small; chmod 1777 empty; chmod 0 nothing; touch -d @1 page;"
		"touch -d @4000000000 block; setfattr -n user.a -v 1 small;"
		"setfattr -n user.long -v $(printf 'v%%.0s' $(seq 1 3000)) numbers;"
		"setfattr -n user.long -v $(printf 'v%%.0s' $(seq 1 3000)) random;"
		"setfattr -n user.empty random; setfattr -n user.d -v dir empty;"
		"touch -d @1000000000 a a/b empty 'odd names' .",
		base, base);
	return 0;
}

static int remove_tree(void **state)
{
	(void)state;
	tree_remove(base);
	return 0;
}

static void compare(const char *options)
{
	struct source *s = NULL;
	struct squash *sq = NULL;
	struct buffer a CLEANUP_BUFFER = { 0 }, b CLEANUP_BUFFER = { 0 };
	tree_shell("rm -f %s/image; mksquashfs %s/tree %s/image -quiet -no-progress %s >/dev/null",
		   base, base, base, options);
	char *path CLEANUP_TEXT = NULL;
	char *tree CLEANUP_TEXT = NULL;
	assert_ok((path = text_printf(err, "%s/image", base)) ? 0 : -1);
	assert_ok((tree = text_printf(err, "%s/tree", base)) ? 0 : -1);
	struct tree_options o = all_of_it;
	o.no_xattrs = strstr(options, "-no-xattrs");
	s = source_open(path);
	assert_ok(squash_open(s, NULL, &sq, err));
	assert_ok(tree_of_squash(sq, &o, &a, err));
	int fd CLEANUP_FD = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	tree_of_directory(fd, &o, &b);
	tree_assert_equal(&a, &b);
	squash_free(&sq);
	source_free(&s);
}

static void every_compressor(void **state)
{
	(void)state;
	compare("-comp gzip");
	compare("-comp zstd");
	compare("-comp xz");
	compare("-comp xz -Xbcj x86 -b 1M");
	compare("-comp lz4");
	compare("-comp lz4 -Xhc");
	compare("-comp lzo");
}

static void every_option(void **state)
{
	(void)state;
	compare("-noI");
	compare("-noD");
	compare("-noF");
	compare("-noX");
	compare("-noI -noD -noF -noX");
	compare("-no-fragments");
	compare("-always-use-fragments");
	compare("-b 4096");
	compare("-b 1M");
	compare("-b 4096 -always-use-fragments -comp zstd");
	compare("-no-xattrs");
	compare("-no-exports -no-duplicates -nopad");
	compare("-no-sparse");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_compressor),
		cmocka_unit_test(every_option),
	};
	return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
