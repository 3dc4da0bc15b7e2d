/* SPDX-License-Identifier: Apache-2.0 */
/* Layers, good and hostile, into a tree: nothing is made outside it, whatever they say. */
#include "layout.h"

#include <errno.h>
#include <sys/xattr.h>
#include <zlib.h>
#include <zstd.h>

/* ------------------------------------------------------------------ making layers */

static void octal(char *to, size_t len, unsigned long long v)
{
	for (size_t i = len - 1; i--; v >>= 3)
		to[i] = (char)('0' + (v & 7));
	to[len - 1] = '\0';
}

/* A header of any type, whose data has this size. */
static void header(struct buffer *b, char type, const char *path, const char *link, unsigned mode,
		   unsigned long long size)
{
	char h[512] = { 0 };
	unsigned sum = 0;
	memcpy(h, path, strnlen(path, 100));
	octal(h + 100, 8, mode);
	octal(h + 108, 8, 0);
	octal(h + 116, 8, 0);
	octal(h + 124, 12, size);
	octal(h + 136, 12, 1234567890);
	h[156] = type;
	memcpy(h + 157, link, strnlen(link, 100));
	memcpy(h + 257,
	       "ustar\0"
	       "00",
	       8);
	octal(h + 329, 8, 1);
	octal(h + 337, 8, 3);
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	octal(h + 148, 7, sum);
	assert_ok(buffer_append(b, h, 512, err));
}

static void data(struct buffer *b, const void *bytes, size_t len)
{
	static const char zeros[512];
	assert_ok(buffer_append(b, bytes, len, err));
	assert_ok(buffer_append(b, zeros, (512 - len % 512) % 512, err));
}

static void file(struct buffer *b, const char *path, const char *text)
{
	header(b, '0', path, "", 0640, strlen(text));
	data(b, text, strlen(text));
}

static void folder(struct buffer *b, const char *path, unsigned mode)
{
	header(b, '5', path, "", mode, 0);
}

static void link_to(struct buffer *b, const char *path, const char *target)
{
	header(b, '2', path, target, 0777, 0);
}

/* Records "KEY=VALUE", each given with its length, so that NULs may be in them. */
static void record(struct buffer *b, const char *text, size_t len)
{
	size_t whole = len + 3;
	char number[24];
	while ((size_t)snprintf(number, sizeof(number), "%zu ", whole) + len + 1 != whole)
		whole++;
	assert_ok(buffer_puts(b, number, err));
	assert_ok(buffer_append(b, text, len, err));
	assert_ok(buffer_puts(b, "\n", err));
}

static void pax(struct buffer *b, struct buffer *records)
{
	header(b, 'x', "pax", "", 0644, records->len);
	data(b, records->data, records->len);
	buffer_free(records);
}

static void pax_one(struct buffer *b, const char *text)
{
	struct buffer records = { 0 };
	record(&records, text, strlen(text));
	pax(b, &records);
}

/* ------------------------------------------------------------------ unpacking */

static unsigned left[3];

static void note(void *context, enum oci_left_out what, const char *path, const char *why)
{
	(void)context;
	assert_non_null(path);
	assert_non_null(why);
	left[what]++;
}

/* The layer's content is `content`, stored as `stored`. */
static int unpack_stored(struct oci_unpacker *u, const struct buffer *content,
			 const struct buffer *stored, struct error **err)
{
	CLEANUP_FD int layout = open_folder("layout");
	struct oci_layer layer = { .blob = put_blob(stored->data, stored->len, NULL) };
	if (crypto_sha256(content->data, content->len, layer.content, err) < 0)
		return -1;
	return oci_unpack_layer(u, layout, &layer, err);
}

static struct oci_unpacker *unpacker_by(const struct oci_rules *rules)
{
	CLEANUP_FD int tree = open_folder("tree");
	struct oci_unpacker *u = NULL;
	memset(left, 0, sizeof(left));
	assert_ok(oci_unpacker_new(tree, rules, &u, err));
	return u;
}

static struct oci_unpacker *unpacker(void)
{
	return unpacker_by(&(struct oci_rules){ .left_out = note });
}

static void end(struct buffer *b)
{
	static const char zeros[1024];
	assert_ok(buffer_append(b, zeros, sizeof(zeros), err));
}

/* Unpacks, and empties the layer for the next one. */
static int unpack(struct oci_unpacker *u, struct buffer *layer, struct error **err)
{
	end(layer);
	int r = unpack_stored(u, layer, layer, err);
	buffer_free(layer);
	assert_int_equal(chdir(test_directory), 0);
	return r;
}

static void is_file(const char *path, const char *want)
{
	CLEANUP_BUFFER struct buffer got = { 0 };
	struct stat st;
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode))
		fail_msg("%s is no file", path);
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &got, err));
	assert_string_equal(got.data ? got.data : "", want);
}

static bool there(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0;
}

/* What would be hit first by a way out, and that nothing is. */
static void put_outside(void)
{
	assert_int_equal(mkdir("outside", 0700), 0);
	put("outside/file", "as it was", 9);
}

static void nothing_outside(void)
{
	is_file("outside/file", "as it was");
	assert_int_equal(rename("outside/file", "file"), 0);
	assert_int_equal(rmdir("outside"), 0); /* there was nothing else in it */
	assert_int_equal(unlink("file"), 0);
	assert_int_equal(rename("tree", "t"), 0);
	assert_int_equal(rename("t", "tree"), 0);
	struct stat st;
	assert_int_equal(stat(".", &st), 0);
	assert_int_equal(st.st_nlink, 4); /* layout and tree */
}

/* ------------------------------------------------------------------ what is read */

static void test_kinds(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	struct stat st;
	folder(&b, "./", 0751);
	folder(&b, "a/", 02750);
	file(&b, "a/file", "text");
	header(&b, '0', "a/program", "", 04755, 0);
	header(&b, '1', "a/second", "a/file", 0, 0);
	link_to(&b, "a/link", "../../outside");
	header(&b, '6', "a/pipe", "", 0600, 0);
	header(&b, '3', "a/null", "", 0666, 0);
	file(&b, "/absolute//./x/../name", "absolute");
	file(&b, "../../up", "up");
	header(&b, '7', "contiguous", "", 0600, 1);
	data(&b, "c", 1);
	header(&b, '\0', "old/", "", 0700, 0);
	assert_ok(unpack(u, &b, err));
	assert_int_equal(stat("tree", &st), 0);
	assert_int_equal(st.st_mode & 07777, 0751);
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	assert_int_equal(stat("tree/a", &st), 0);
	assert_int_equal(st.st_mode & 07777, 02750);
	/* Although entries were put into it afterwards. */
	assert_int_equal(st.st_mtim.tv_sec, 1234567890);
	is_file("tree/a/file", "text");
	assert_int_equal(stat("tree/a/second", &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(stat("tree/a/program", &st), 0);
	assert_int_equal(st.st_mode & 07777, 04755);
	assert_int_equal(lstat("tree/a/link", &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(lstat("tree/a/pipe", &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_false(there("tree/a/null"));
	assert_int_equal(left[OCI_LEFT_DEVICE], 1);
	is_file("tree/absolute/name", "absolute");
	is_file("tree/up", "up");
	is_file("tree/contiguous", "c");
	assert_int_equal(lstat("tree/old", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
}

/* Names are bytes: a library made one letter of a letter and its accent, and "?" of others. */
static void test_names(void **state)
{
	(void)state;
	struct buffer b = { 0 }, records = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	char name[256], path[300];
	memset(name, 'n', 255);
	name[255] = '\0';
	(void)snprintf(path, sizeof(path), "path=d/%s", name);
	pax_one(&b, "path=e\xcc\x81");
	file(&b, "other", "1");
	pax_one(&b, "path=bad-\xff\xfe");
	file(&b, "other", "2");
	pax_one(&b, path);
	file(&b, "other", "3");
	/* GNU's long names, for a file and for what it is linked to. */
	(void)snprintf(path, sizeof(path), "d/%s", name);
	header(&b, 'K', "././@LongLink", "", 0, strlen(path) + 1);
	data(&b, path, strlen(path) + 1);
	header(&b, 'L', "././@LongLink", "", 0, 7);
	data(&b, "second", 7);
	header(&b, '1', "x", "y", 0, 0);
	/* POSIX's prefix. */
	header(&b, '0', "name", "", 0644, 0);
	char *h = b.data + b.len - 512;
	memcpy(h + 345, "before/it", 9);
	unsigned sum = 0;
	memset(h + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)h[i];
	octal(h + 148, 7, sum);
	/* No folder, whatever its name says: what follows it is found. */
	file(&b, "slash/", "4");
	/* Surrogates are bytes like others. */
	pax_one(&b, "path=\xed\xa0\xbd\xed\xb8\x80");
	file(&b, "other", "5");
	/* What means nothing here. */
	record(&records, "comment=x", 9);
	record(&records, "uid=3000000000", 14);
	pax(&b, &records);
	file(&b, "comment", "");
	assert_ok(unpack(u, &b, err));
	is_file("tree/e\xcc\x81", "1");
	is_file("tree/bad-\xff\xfe", "2");
	(void)snprintf(path, sizeof(path), "tree/d/%s", name);
	is_file(path, "3");
	is_file("tree/second", "3");
	is_file("tree/slash", "4");
	is_file("tree/\xed\xa0\xbd\xed\xb8\x80", "5");
	is_file("tree/before/it/name", "");
}

static void test_times(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	struct stat st;
	pax_one(&b, "mtime=-1.25");
	file(&b, "time", "");
	pax_one(&b, "mtime=1600000000.123456789");
	file(&b, "later", "");
	assert_ok(unpack(u, &b, err));
	assert_int_equal(stat("tree/time", &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, -2);
	assert_int_equal(st.st_mtim.tv_nsec, 750000000);
	assert_int_equal(stat("tree/later", &st), 0);
	assert_int_equal(st.st_mtim.tv_nsec, 123456789);
}

static void test_attributes(void **state)
{
	(void)state;
	struct buffer b = { 0 }, records = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	char value[8];
	static const char text[] = "SCHILY.xattr.user.coffer=a\0b";
	record(&records, text, sizeof(text) - 1);
	record(&records, "SCHILY.xattr.user.overlay.opaque=y", 34);
	record(&records, "SCHILY.xattr.nonsense.x=y", 25);
	pax(&b, &records);
	file(&b, "file", "");
	assert_ok(unpack(u, &b, err));
	ssize_t n = getxattr("tree/file", "user.coffer", value, sizeof(value));
	/* A file system without them is told of as one more that was left out. */
	if (n >= 0) {
		assert_int_equal(n, 3);
		assert_memory_equal(value, "a\0b", 3);
	}
	assert_true(getxattr("tree/file", "user.overlay.opaque", value, sizeof(value)) < 0);
	assert_int_equal(left[OCI_LEFT_ATTRIBUTE], n >= 0 ? 1 : 2);
}

/* GNU tar's three newer ways to tell of holes, and the old one. */
static void holes_are_right(const char *path)
{
	CLEANUP_BUFFER struct buffer got = { 0 };
	assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &got, err));
	assert_int_equal(got.len, 5000);
	assert_memory_equal(got.data + 1024, "abc", 3);
	assert_memory_equal(got.data + 4096, "de", 2);
	for (size_t i = 0; i < got.len; i++)
		if ((i < 1024 || i >= 1027) && (i < 4096 || i >= 4098))
			assert_int_equal(got.data[i], 0);
}

static void test_holes(void **state)
{
	(void)state;
	struct buffer b = { 0 }, records = { 0 }, map = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	static const char *const forms[][8] = {
		{ "GNU.sparse.size=5000", "GNU.sparse.numblocks=2", "GNU.sparse.offset=1024",
		  "GNU.sparse.numbytes=3", "GNU.sparse.offset=4096", "GNU.sparse.numbytes=2" },
		{ "GNU.sparse.name=map", "GNU.sparse.size=5000", "GNU.sparse.numblocks=2",
		  "GNU.sparse.map=1024,3,4096,2" },
	};
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; forms[i][k]; k++)
			record(&records, forms[i][k], strlen(forms[i][k]));
		pax(&b, &records);
		file(&b, "pairs", "abcde");
	}
	static const char *const last[] = { "GNU.sparse.major=1", "GNU.sparse.minor=0",
					    "GNU.sparse.name=lines", "GNU.sparse.realsize=5000" };
	for (size_t k = 0; k < 4; k++)
		record(&records, last[k], strlen(last[k]));
	pax(&b, &records);
	data(&map, "2\n1024\n3\n4096\n2\n", 16);
	assert_ok(buffer_puts(&map, "abcde", err));
	header(&b, '0', "x", "", 0644, map.len);
	data(&b, map.data, map.len);
	buffer_free(&map);
	assert_ok(unpack(u, &b, err));
	holes_are_right("tree/pairs");
	holes_are_right("tree/map");
	holes_are_right("tree/lines");
}

static void test_compression(void **state)
{
	(void)state;
	struct buffer b = { 0 }, packed = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	file(&b, "a", "in gzip, of two members");
	end(&b);
	char *out = buffer_reserve(&packed, 65536, &(struct error *){ NULL });
	/* Cut in two: gzip files may follow each other. */
	for (size_t i = 0; i < 2; i++) {
		z_stream z = { 0 };
		assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
		z.next_in = (unsigned char *)b.data + (i ? 300 : 0);
		z.avail_in = (unsigned)(i ? b.len - 300 : 300);
		z.next_out = (unsigned char *)out + packed.len;
		z.avail_out = 32768;
		assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
		packed.len += 32768 - z.avail_out;
		assert_int_equal(deflateEnd(&z), Z_OK);
	}
	assert_ok(unpack_stored(u, &b, &packed, err));
	assert_int_equal(chdir(test_directory), 0);
	is_file("tree/a", "in gzip, of two members");
	/* The end is missing. */
	packed.len -= 9;
	assert_fails(ERROR_DAMAGED, unpack_stored(u, &b, &packed, err));
	buffer_free(&b);
	file(&b, "a", "in Zstandard");
	end(&b);
	packed.len = ZSTD_compress(packed.data, packed.cap, b.data, b.len, 3);
	assert_ok(unpack_stored(u, &b, &packed, err));
	assert_int_equal(chdir(test_directory), 0);
	is_file("tree/a", "in Zstandard");
	packed.len -= 1;
	assert_fails(ERROR_DAMAGED, unpack_stored(u, &b, &packed, err));
	/* Other content than the configuration says. */
	b.data[512] ^= 1;
	packed.len += 1;
	assert_fails(ERROR_DAMAGED, unpack_stored(u, &b, &packed, err));
	memcpy(packed.data, "BZh91AY", 7);
	assert_fails(ERROR_UNSUPPORTED, unpack_stored(u, &b, &packed, err));
	buffer_free(&b);
	buffer_free(&packed);
}

static void test_wrong_digest(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	struct oci_layer layer = { 0 };
	char words[80], path[128];
	CLEANUP_FD int layout = open_folder("layout");
	file(&b, "a", "text");
	end(&b);
	layer.blob = put_blob(b.data, b.len, words);
	memcpy(layer.content, layer.blob.digest, 32);
	(void)snprintf(path, sizeof(path), "layout/blobs/sha256/%s", words + 7);
	b.data[513] = 'E';
	put(path, b.data, b.len);
	assert_fails(ERROR_DAMAGED, oci_unpack_layer(u, layout, &layer, err));
	assert_int_equal(chdir(test_directory), 0);
	b.data[513] = 'e';
	put(path, b.data, b.len);
	assert_ok(oci_unpack_layer(u, layout, &layer, err));
	/* Longer than is said; a link; not there. */
	assert_int_equal(chdir(test_directory), 0);
	assert_ok(buffer_puts(&b, "more", err));
	put(path, b.data, b.len);
	assert_fails(ERROR_DAMAGED, oci_unpack_layer(u, layout, &layer, err));
	assert_int_equal(rename(path, "elsewhere"), 0);
	assert_int_equal(symlink("../../../elsewhere", path), 0);
	assert_fails(ERROR_IO, oci_unpack_layer(u, layout, &layer, err));
	assert_int_equal(unlink(path), 0);
	assert_fails(ERROR_NOT_FOUND, oci_unpack_layer(u, layout, &layer, err));
	buffer_free(&b);
}

/* ------------------------------------------------------------------ layers upon layers */

static void test_whiteouts(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	file(&b, "gone", "1");
	folder(&b, "gone-folder", 0700);
	file(&b, "gone-folder/deep/file", "1");
	folder(&b, "opaque", 0755);
	file(&b, "opaque/old", "1");
	folder(&b, "opaque/kept", 0755);
	file(&b, "opaque/kept/old", "1");
	file(&b, "opaque/implied/old", "1");
	file(&b, "stays", "1");
	file(&b, "linked", "1");
	assert_ok(unpack(u, &b, err));
	/* Whiteouts are for lower layers, wherever they stand. */
	file(&b, "opaque/new", "2");
	folder(&b, "opaque/kept", 0750);
	file(&b, "opaque/kept/new", "2");
	file(&b, "opaque/implied/new", "2");
	file(&b, ".wh.gone", "");
	file(&b, ".wh.gone-folder", "");
	file(&b, ".wh.was-never-there", "");
	file(&b, "opaque/.wh..wh..opq", "");
	file(&b, ".wh..wh.plnk", "");
	header(&b, '1', "second", "linked", 0, 0);
	file(&b, ".wh.linked", "");
	file(&b, "stays", "2");
	file(&b, ".wh.stays", "");
	assert_ok(unpack(u, &b, err));
	assert_false(there("tree/gone"));
	assert_false(there("tree/gone-folder"));
	assert_false(there("tree/opaque/old"));
	assert_false(there("tree/opaque/kept/old"));
	assert_false(there("tree/opaque/implied/old"));
	assert_false(there("tree/opaque/.wh..wh..opq"));
	assert_false(there("tree/.wh..wh.plnk"));
	is_file("tree/opaque/new", "2");
	is_file("tree/opaque/kept/new", "2");
	is_file("tree/opaque/implied/new", "2");
	is_file("tree/second", "1");
	assert_false(there("tree/linked"));
	is_file("tree/stays", "2");
}

static void put_lower(void *context, enum oci_left_out what, const char *path, const char *why)
{
	const char *const *name = context;
	char whole[160];
	note(NULL, what, path, why);
	(void)snprintf(whole, sizeof(whole), "%s/tree/%s", test_directory, *name);
	put(whole, "", 0);
}

/* A whiteout that comes again is none: it would walk all that has been made since. */
static void test_repeated_whiteouts(void **state)
{
	(void)state;
	static const char *const whiteouts[] = { "d/.wh..wh..opq", "d/.wh.lower" };
	struct buffer b = { 0 };
	const char *name = "d/lower";
	const struct oci_rules rules = { .left_out = put_lower, .context = &name };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker_by(&rules);
	for (size_t i = 0; i < 2; i++) {
		file(&b, "d/lower", "");
		file(&b, "e/lower", "");
		assert_ok(unpack(u, &b, err));
		file(&b, whiteouts[i], "");
		/* What is left out puts the file there once more. */
		header(&b, '3', "device", "", 0666, 0);
		file(&b, whiteouts[i], "");
		file(&b, "e/.wh.lower", "");
		assert_ok(unpack(u, &b, err));
		assert_true(there("tree/d/lower"));
		assert_false(there("tree/e/lower"));
		/* In the next layer it is a whiteout again. */
		file(&b, whiteouts[i], "");
		assert_ok(unpack(u, &b, err));
		assert_false(there("tree/d/lower"));
	}
}

static void test_replaced(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	struct stat st;
	file(&b, "twice", "first");
	header(&b, '1', "other-name", "twice", 0, 0);
	file(&b, "twice", "second");
	folder(&b, "folder", 0755);
	file(&b, "folder/in", "1");
	link_to(&b, "link", "folder");
	folder(&b, "moved", 0755);
	file(&b, "moved/in", "1");
	link_to(&b, "way", "moved");
	assert_ok(unpack(u, &b, err));
	is_file("tree/twice", "second");
	is_file("tree/other-name", "first");
	file(&b, "folder", "is a file now");
	folder(&b, "link", 0700);
	file(&b, "way/through", "2");
	link_to(&b, "way", "link");
	file(&b, "way/through", "3");
	assert_ok(unpack(u, &b, err));
	is_file("tree/folder", "is a file now");
	assert_int_equal(lstat("tree/link", &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	is_file("tree/moved/through", "2");
	is_file("tree/link/through", "3");
}

/* ------------------------------------------------------------------ ways out */

static void test_ways_out(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	char absolute[128];
	put_outside();
	(void)snprintf(absolute, sizeof(absolute), "%s/outside", test_directory);
	link_to(&b, "relative", "../outside");
	link_to(&b, "absolute", absolute);
	link_to(&b, "a/b/up", "../../../../../../../../..");
	assert_ok(unpack(u, &b, err));
	/* Written through a link: inside the root, where there is nothing of that name. */
	file(&b, "relative/file", "bad");
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	file(&b, "absolute/file", "bad");
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	file(&b, "absolute/.wh.file", "");
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	file(&b, "relative/.wh..wh..opq", "");
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	/* Up from the root is the root. */
	file(&b, "a/b/up/outside/file", "inside");
	folder(&b, "../outside/folder", 0700);
	file(&b, "../../outside/other", "inside");
	assert_ok(unpack(u, &b, err));
	is_file("tree/outside/file", "inside");
	is_file("tree/outside/other", "inside");
	/* The link itself is replaced, never what it leads to. */
	file(&b, "relative", "a file");
	assert_ok(unpack(u, &b, err));
	is_file("tree/relative", "a file");
	/* Names of files outside. */
	header(&b, '1', "stolen", "../outside/../../outside/file", 0, 0);
	assert_ok(unpack(u, &b, err));
	is_file("tree/stolen", "inside");
	header(&b, '1', "stolen", "absolute/file", 0, 0);
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	header(&b, '1', "stolen", absolute, 0, 0);
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	/* Changed through a link: mode and time are the link's, or of nothing. */
	link_to(&b, "mode", absolute);
	folder(&b, "mode/..", 0777);
	assert_ok(unpack(u, &b, err));
	nothing_outside();
}

/* The folder that is open is replaced by a link between two files in it. */
static void test_changed_way(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	put_outside();
	folder(&b, "way", 0755);
	file(&b, "way/file", "first");
	link_to(&b, "way", "../outside");
	file(&b, "way/file", "bad");
	assert_fails(ERROR_DAMAGED, unpack(u, &b, err));
	file(&b, "x/file", "first");
	file(&b, ".wh.x", "");
	assert_ok(unpack(u, &b, err));
	file(&b, "x/../x/file", "again");
	assert_ok(unpack(u, &b, err));
	is_file("tree/x/file", "again");
	nothing_outside();
}

static void put_checksum_wrong(struct buffer *b)
{
	file(b, "a", "text");
	b->data[0] = 'b';
}
static void put_cut(struct buffer *b)
{
	header(b, '0', "a", "", 0644, 100000);
}
static void put_whiteout_of_all(struct buffer *b)
{
	file(b, "a/.wh..", "");
}
static void put_whiteout_above(struct buffer *b)
{
	file(b, "a/.wh...", "");
}
static void put_empty_whiteout(struct buffer *b)
{
	file(b, ".wh.", "");
}
static void put_root_file(struct buffer *b)
{
	file(b, "/", "");
}
static void put_missing_name(struct buffer *b)
{
	header(b, '1', "a", "b", 0, 0);
}
static void put_name_of_folder(struct buffer *b)
{
	folder(b, "b", 0700);
	header(b, '1', "a", "b", 0, 0);
}
static void put_empty_link(struct buffer *b)
{
	link_to(b, "a", "");
}
static void put_kind(struct buffer *b)
{
	header(b, 'V', "a", "", 0, 0);
}
static void put_long_name(struct buffer *b)
{
	char path[300] = "path=";
	memset(path + 5, 'n', 256);
	pax_one(b, path);
	file(b, "a", "");
}
static void put_deep(struct buffer *b)
{
	struct buffer path = { 0 };
	assert_ok(buffer_puts(&path, "path=", err));
	for (int i = 0; i < 300; i++)
		assert_ok(buffer_puts(&path, "d/", err));
	pax_one(b, path.data);
	buffer_free(&path);
	file(b, "a", "");
}
static void put_huge(struct buffer *b)
{
	pax_one(b, "size=9999999999999");
	header(b, '0', "a", "", 0644, 0);
}
static void put_too_large_number(struct buffer *b)
{
	pax_one(b, "size=99999999999999999999999");
	file(b, "a", "");
}
static void put_nul(struct buffer *b)
{
	struct buffer records = { 0 };
	record(&records, "path=a\0b", 8);
	pax(b, &records);
	file(b, "a", "");
}
static void put_bad_record(struct buffer *b)
{
	header(b, 'x', "pax", "", 0, 10);
	data(b, "99 path=x\n", 10);
	file(b, "a", "");
}
static void put_bad_time(struct buffer *b)
{
	pax_one(b, "mtime=12junk");
	file(b, "a", "");
}
static void put_bad_owner(struct buffer *b)
{
	pax_one(b, "uid=junk");
	file(b, "a", "");
}
static void put_huge_pax(struct buffer *b)
{
	header(b, 'x', "pax", "", 0, 2 << 20);
}
static void put_pax_alone(struct buffer *b)
{
	pax_one(b, "path=x");
}
static void put_overlapping_holes(struct buffer *b)
{
	struct buffer records = { 0 };
	record(&records, "GNU.sparse.size=100", 19);
	record(&records, "GNU.sparse.map=10,5,12,5", 24);
	pax(b, &records);
	file(b, "a", "0123456789");
}
static void put_holes_outside(struct buffer *b)
{
	struct buffer records = { 0 };
	record(&records, "GNU.sparse.size=100", 19);
	record(&records, "GNU.sparse.map=98,5", 19);
	pax(b, &records);
	file(b, "a", "01234");
}
static void put_more_than_data(struct buffer *b)
{
	struct buffer records = { 0 };
	record(&records, "GNU.sparse.size=100", 19);
	record(&records, "GNU.sparse.map=0,50", 19);
	pax(b, &records);
	file(b, "a", "01234");
}
static void put_no_octal(struct buffer *b)
{
	file(b, "a", "");
	memcpy(b->data + 100, "0x1ff  ", 7);
	unsigned sum = 0;
	memset(b->data + 148, ' ', 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)b->data[i];
	octal(b->data + 148, 7, sum);
}

static const struct {
	const char *name;
	void (*make)(struct buffer *b);
	enum error_kind kind;
} faults[] = {
	{ "checksum", put_checksum_wrong, ERROR_DAMAGED },
	{ "cut off", put_cut, ERROR_DAMAGED },
	{ "whiteout of .", put_whiteout_of_all, ERROR_DAMAGED },
	{ "whiteout of ..", put_whiteout_above, ERROR_DAMAGED },
	{ "whiteout of nothing", put_empty_whiteout, ERROR_DAMAGED },
	{ "a file as root", put_root_file, ERROR_DAMAGED },
	{ "a name of nothing", put_missing_name, ERROR_DAMAGED },
	{ "a name of a folder", put_name_of_folder, ERROR_DAMAGED },
	{ "a link to nothing", put_empty_link, ERROR_DAMAGED },
	{ "a kind nobody knows", put_kind, ERROR_UNSUPPORTED },
	{ "a name too long", put_long_name, ERROR_LIMIT },
	{ "too deep", put_deep, ERROR_LIMIT },
	{ "too large", put_huge, ERROR_LIMIT },
	{ "a number too large", put_too_large_number, ERROR_DAMAGED },
	{ "a NUL in a name", put_nul, ERROR_DAMAGED },
	{ "a record longer than its header", put_bad_record, ERROR_DAMAGED },
	{ "time that is none", put_bad_time, ERROR_DAMAGED },
	{ "owner that is none", put_bad_owner, ERROR_DAMAGED },
	{ "an extended header too long", put_huge_pax, ERROR_LIMIT },
	{ "an extended header of nothing", put_pax_alone, ERROR_DAMAGED },
	{ "pieces that overlap", put_overlapping_holes, ERROR_DAMAGED },
	{ "pieces outside the file", put_holes_outside, ERROR_DAMAGED },
	{ "more pieces than data", put_more_than_data, ERROR_DAMAGED },
	{ "a mode that is no number", put_no_octal, ERROR_DAMAGED },
};

static void test_faults(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct buffer b = { 0 };
		struct error *err = NULL;
		struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
		faults[i].make(&b);
		if (unpack(u, &b, &err) >= 0)
			fail_msg("%s: succeeded", faults[i].name);
		if (error_kind(err) != faults[i].kind)
			fail_msg("%s: %s", faults[i].name, error_message(err));
		error_free(&err);
	}
}

/* KEY, then that many folders in folders, then the rest, for the entry that follows. */
static void pax_deep(struct buffer *b, const char *key, unsigned depth, const char *rest)
{
	struct buffer text = { 0 };
	assert_ok(buffer_puts(&text, key, err));
	for (unsigned i = 0; i < depth; i++)
		assert_ok(buffer_puts(&text, "d/", err));
	assert_ok(buffer_puts(&text, rest, err));
	pax_one(b, text.data);
	buffer_free(&text);
}

/* From the end of one link to that of another, each path of which is short enough. */
static void test_deep_by_links(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker();
	pax_deep(&b, "path=", 150, "");
	folder(&b, "x", 0755);
	pax_deep(&b, "linkpath=", 150, "");
	link_to(&b, "link", "x");
	pax_deep(&b, "path=link/", 105, "file");
	file(&b, "x", "");
	file(&b, "link/other", "");
	assert_ok(unpack(u, &b, err));
	pax_deep(&b, "path=link/", 106, "file");
	file(&b, "x", "");
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	pax_deep(&b, "path=link/", 200, "");
	folder(&b, "x", 0755);
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	link_to(&b, "second", "link/d/d/d/d/d/d/d/d/d/d");
	pax_deep(&b, "path=second/", 100, "file");
	file(&b, "x", "");
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
}

/* ------------------------------------------------------------------ limits of all layers */

/* Folders that are made for an entry are as good as entries. */
static void test_many_entries(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	const struct oci_rules rules = { .left_out = note, .limits.entries = 10 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker_by(&rules);
	file(&b, "a/b/c/d/file", "");
	assert_ok(unpack(u, &b, err));
	file(&b, "a/b/c/d/other", "");
	file(&b, "a/b/e/f/file", "");
	file(&b, "last", "");
	assert_ok(unpack(u, &b, err));
	file(&b, "one-too-many", "");
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	oci_unpacker_free(&u);
	u = unpacker_by(&rules);
	file(&b, "1/2/3/4/5/6/7/8/9/10/file", "");
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	assert_false(there("tree/1/2/3/4/5/6/7/8/9/10/file"));
}

static void test_many_attributes(void **state)
{
	(void)state;
	struct buffer b = { 0 };
	const struct oci_rules rules = { .left_out = note, .limits.attributes = 300 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker_by(&rules);
	for (unsigned i = 0; i < 3; i++) {
		pax_one(&b, "SCHILY.xattr.user.coffer=0123456789");
		folder(&b, "folder", 0700);
		assert_ok(unpack(u, &b, err));
	}
	pax_one(&b, "SCHILY.xattr.user.coffer=0123456789");
	folder(&b, "/", 0700);
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
}

static void test_many_bytes(void **state)
{
	(void)state;
	struct buffer b = { 0 }, records = { 0 };
	const struct oci_rules rules = { .left_out = note, .limits.bytes = 8192 };
	struct oci_unpacker *u CLEANUP_OCI_UNPACKER = unpacker_by(&rules);
	/* Content of 2048 bytes each; of files there is next to nothing. */
	for (unsigned i = 0; i < 4; i++) {
		file(&b, "file", "1");
		assert_ok(unpack(u, &b, err));
	}
	file(&b, "file", "1");
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	oci_unpacker_free(&u);
	/* Holes are bytes, too, each once. */
	u = unpacker_by(&rules);
	for (unsigned i = 0; i < 2; i++) {
		record(&records, "GNU.sparse.size=4100", 20);
		record(&records, "GNU.sparse.map=4096,4", 21);
		pax(&b, &records);
		file(&b, i ? "second" : "first", "abcd");
		if (i == 0)
			assert_ok(unpack(u, &b, err));
	}
	assert_fails(ERROR_LIMIT, unpack(u, &b, err));
	assert_true(there("tree/first"));
	assert_false(there("tree/second"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_LAYOUT(test_kinds),
		IN_LAYOUT(test_names),
		IN_LAYOUT(test_times),
		IN_LAYOUT(test_attributes),
		IN_LAYOUT(test_holes),
		IN_LAYOUT(test_compression),
		IN_LAYOUT(test_wrong_digest),
		IN_LAYOUT(test_whiteouts),
		IN_LAYOUT(test_replaced),
		IN_LAYOUT(test_ways_out),
		IN_LAYOUT(test_changed_way),
		IN_LAYOUT(test_faults),
		IN_LAYOUT(test_repeated_whiteouts),
		IN_LAYOUT(test_many_entries),
		IN_LAYOUT(test_many_attributes),
		IN_LAYOUT(test_many_bytes),
		IN_LAYOUT(test_deep_by_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
