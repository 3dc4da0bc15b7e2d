/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The work whose instructions tests/instructions/check counts, a step a run, in this process and
 * without a kernel's mount:
 *
 *   steps prepare DIR KEYS     DIR/tree, always the same, and DIR/{plain,luks2,gocryptfs}.sif of it
 *   steps open IMAGE KEYS      opens and unseals, as a start does
 *   steps lookup IMAGE KEYS    and finds every path of the tree, from the root on
 *   steps read IMAGE KEYS      and lists all directories and reads all files once
 *                              (both count from count_from_here on: opening costs more)
 *   steps build KIND DIR KEYS  packs DIR/tree on one thread into a file without a name
 *
 * KEYS is a folder with rsa_private.pem and rsa_public.pem.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"

#define DIRECTORIES 24
#define FILES 40
#define LOOKUP_ROUNDS 4
#define READ_LEN 131072

/* ------------------------------------------------------------------ the tree */

/* xorshift64: the same numbers everywhere. */
static uint64_t next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Words out of 512, so that it packs about as well as programs and text do. */
static void fill_words(uint64_t *state, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t n = next_number(state);
		uint64_t word = (n & 511) * UINT64_C(0x9e3779b97f4a7c15);
		for (unsigned left = 2 + (n >> 9) % 7; left && i < len; left--, word >>= 8)
			to[i++] = (uint8_t)word;
		if (i < len)
			to[i] = (uint8_t)(n >> 32 & 15);
	}
}

static void fill_noise(uint64_t *state, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)(next_number(state) >> 24);
}

/* Most files are small, some go over several blocks, a few do not pack at all. */
static int make_file(int dir, unsigned number, uint64_t *state, struct error **err)
{
	static uint8_t data[400000];
	char name[32];
	size_t len = number % 120 == 7 ? 300000 + next_number(state) % 100000
				       : 200 + next_number(state) % 6000;
	snprintf(name, sizeof(name), "file-%u.%x", number, (unsigned)(next_number(state) & 0xffff));
	if (number % 37 == 5)
		fill_noise(state, data, len);
	else
		fill_words(state, data, len);
	CLEANUP_FD int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0)
		return error_errno(err, errno, "%s", name);
	int r = fd_write(fd, data, len);
	return r < 0 ? error_errno(err, -r, "write %s", name) : 0;
}

static int make_tree(int root, struct error **err)
{
	uint64_t state = UINT64_C(88172645463325252);
	for (unsigned i = 0; i < DIRECTORIES; i++) {
		char name[32];
		snprintf(name, sizeof(name), i % 3 ? "d%u/below" : "d%u", i - i % 3);
		if (mkdirat(root, name, 0755) < 0 && errno != EEXIST)
			return error_errno(err, errno, "%s", name);
		CLEANUP_FD int dir = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0)
			return error_errno(err, errno, "%s", name);
		for (unsigned j = 0; j < FILES; j++)
			if (make_file(dir, i * FILES + j, &state, err) < 0)
				return -1;
		char link[32];
		snprintf(link, sizeof(link), "link-%u", i);
		if (symlinkat("../file", dir, link) < 0)
			return error_errno(err, errno, "%s", link);
	}
	return 0;
}

/* ------------------------------------------------------------------ packing */

static int choose_key(enum key_use use, const char *keys, struct key **ret, struct error **err)
{
	CLEANUP_TEXT char *pem =
		path_join(keys, use == KEY_FOR_BUILD ? "rsa_public.pem" : "rsa_private.pem", err);
	struct key_request request = { .use = use, .pem_path = pem };
	return pem ? key_choose(&request, ret, err) : -1;
}

static int pack(const struct seal *seal, const char *tree, const char *keys, int out,
		struct error **err)
{
	static const char definition[] = "bootstrap: scratch\n";
	struct image_json json = { "inspect-metadata.json", "{}", 2 };
	CLEANUP_KEY struct key *key = NULL;
	CLEANUP_FD int root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, errno, "%s", tree);
	if (seal && choose_key(KEY_FOR_BUILD, keys, &key, err) < 0)
		return -1;
	struct image_pack_plan plan = {
		.root = root,
		.definition = definition,
		.definition_len = strlen(definition),
		.json = &json,
		.json_count = 1,
		.arch = sif_arch_native(),
		.seal = seal,
		.key = key,
		.squash = { .codec = SQUASH_GZIP,
			    .threads = 1,
			    .all_root = true,
			    .clamp_time = true,
			    .time = 1000000000 },
		.sif = { .time = 1000000000 },
	};
	return image_pack(&plan, out, err);
}

static const struct {
	const char *name;
	const struct seal *seal;
} kinds[] = {
	{ "plain", NULL },
	{ "luks2", &seal_luks2 },
	{ "gocryptfs", &seal_gocryptfs },
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static int prepare(const char *dir, const char *keys, struct error **err)
{
	CLEANUP_TEXT char *tree = path_join(dir, "tree", err);
	if (!tree)
		return -1;
	if (mkdir(tree, 0755) < 0)
		return error_errno(err, errno, "%s", tree);
	CLEANUP_FD int root = open(tree, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return error_errno(err, errno, "%s", tree);
	if (make_tree(root, err) < 0)
		return -1;
	for (size_t i = 0; i < KINDS; i++) {
		CLEANUP_TEXT char *path = text_printf(err, "%s/%s.sif", dir, kinds[i].name);
		if (!path)
			return -1;
		CLEANUP_FD int out = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (out < 0)
			return error_errno(err, errno, "%s", path);
		if (pack(kinds[i].seal, tree, keys, out, err) < 0)
			return -1;
	}
	return 0;
}

static int build(const char *kind, const char *dir, const char *keys, struct error **err)
{
	CLEANUP_TEXT char *tree = path_join(dir, "tree", err);
	CLEANUP_FD int out = open(dir, O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	if (!tree)
		return -1;
	if (out < 0)
		return error_errno(err, errno, "a file without a name in %s", dir);
	for (size_t i = 0; i < KINDS; i++)
		if (!strcmp(kind, kinds[i].name))
			return pack(kinds[i].seal, tree, keys, out, err);
	return error_set(err, ERROR_USAGE, "no kind of image: %s", kind);
}

/* ------------------------------------------------------------------ reading */

struct walk {
	struct squash *sq;
	struct strings paths;
	const char *prefix; /* of the directory that is being read */
	bool read_files;
	uint64_t files, bytes;
	struct error **err;
	bool failed;
};

static int walk_directory(struct walk *w, const struct squash_inode *dir);

static int read_file(struct walk *w, const struct squash_inode *inode)
{
	static uint8_t data[READ_LEN];
	for (uint64_t off = 0;;) {
		ssize_t n = squash_read(w->sq, inode, data, sizeof(data), off, w->err);
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		off += (uint64_t)n;
	}
	w->files++;
	w->bytes += inode->size;
	return 0;
}

static int walk_entry(struct walk *w, const struct squash_dirent *entry)
{
	struct squash_inode inode;
	CLEANUP_TEXT char *path =
		text_printf(w->err, "%s/%.*s", w->prefix, (int)entry->len, entry->name);
	if (!path || strings_add(&w->paths, path, w->err) < 0 ||
	    squash_inode(w->sq, entry->ref, &inode, w->err) < 0)
		return -1;
	if (S_ISREG(inode.mode))
		return w->read_files ? read_file(w, &inode) : 0;
	if (!S_ISDIR(inode.mode))
		return 0;
	const char *above = w->prefix;
	w->prefix = path;
	int r = walk_directory(w, &inode);
	w->prefix = above;
	return r;
}

static int walk_each(void *context, const struct squash_dirent *entry, uint64_t next)
{
	struct walk *w = context;
	(void)next;
	w->failed = walk_entry(w, entry) < 0;
	return w->failed;
}

static int walk_directory(struct walk *w, const struct squash_inode *dir)
{
	if (squash_readdir(w->sq, dir, 0, walk_each, w, w->err) < 0 || w->failed)
		return -1;
	return 0;
}

static int look_up(struct squash *sq, const char *path, struct error **err)
{
	struct squash_inode inode;
	if (squash_inode(sq, squash_root(sq), &inode, err) < 0)
		return -1;
	while (*path) {
		squash_ref ref;
		path++; /* the slash */
		size_t len = strcspn(path, "/");
		if (squash_lookup(sq, &inode, path, len, &ref, err) < 0 ||
		    squash_inode(sq, ref, &inode, err) < 0)
			return -1;
		path += len;
	}
	return 0;
}

/* That the work was done is a part of the test: a step that reads nothing is cheap. */
static int check_walk(const struct walk *w, struct error **err)
{
	size_t wanted = DIRECTORIES / 3 * 2 + DIRECTORIES * (FILES + 1);
	if (w->paths.len != wanted)
		return error_set(err, ERROR_INTERNAL, "%zu paths in the image, not %zu",
				 w->paths.len, wanted);
	if (w->read_files && w->files != (uint64_t)DIRECTORIES * FILES)
		return error_set(err, ERROR_INTERNAL, "%llu files read",
				 (unsigned long long)w->files);
	return 0;
}

/* Where callgrind is told to begin; it must be a call that no compiler takes away. */
static __attribute__((noinline)) void count_from_here(void)
{
	__asm__ volatile("");
}

static int open_and(const char *step, const char *path, const char *keys, struct error **err)
{
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_IMAGE_TREE struct image_tree *tree = NULL;
	CLEANUP_KEY struct key *key = NULL;
	struct squash_inode root;
	if (image_open(path, &img, err) < 0 ||
	    (image_is_encrypted(img) && choose_key(KEY_FOR_RUN, keys, &key, err) < 0) ||
	    image_unseal(img, key, NULL, &tree, err) < 0 ||
	    squash_inode(tree->squash, squash_root(tree->squash), &root, err) < 0)
		return -1;
	if (!strcmp(step, "open"))
		return 0;
	count_from_here();
	struct walk w = {
		.sq = tree->squash, .prefix = "", .read_files = !strcmp(step, "read"), .err = err
	};
	int r = walk_directory(&w, &root);
	if (r == 0)
		r = check_walk(&w, err);
	for (unsigned i = 0; r == 0 && !w.read_files && i < LOOKUP_ROUNDS; i++)
		for (size_t j = 0; r == 0 && j < w.paths.len; j++)
			r = look_up(tree->squash, w.paths.items[j], err);
	strings_free(&w.paths);
	return r;
}

int main(int argc, char **argv)
{
	CLEANUP_ERROR struct error *err = NULL;
	const char *step = argc > 1 ? argv[1] : "";
	int r;
	if (!strcmp(step, "prepare") && argc == 4)
		r = prepare(argv[2], argv[3], &err);
	else if (!strcmp(step, "build") && argc == 5)
		r = build(argv[2], argv[3], argv[4], &err);
	else if ((!strcmp(step, "open") || !strcmp(step, "lookup") || !strcmp(step, "read")) &&
		 argc == 4)
		r = open_and(step, argv[2], argv[3], &err);
	else
		r = error_set(&err, ERROR_USAGE, "see the head of steps.c");
	if (r < 0)
		fprintf(stderr, "steps: %s\n", error_message(err));
	return r < 0;
}
