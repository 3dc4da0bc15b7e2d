/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a file is, by its first bytes. Nothing is read here, and nothing rests on the answer but
 * which reader gets the file and what is said of one that none can read. What stands where an image
 * was expected is told by name, as the file came to be there without anybody's looking at it: a
 * pointer that git keeps in its place, the page of a server that wanted a password, a download that
 * broke off.
 */
#include "image/image.h"

#include <string.h>
#include <strings.h>

/* Singularity 2.4 put its launch line before a squashfs, without a frame: runtime.md 2. */
#define LAUNCH_WORDS " run-singularity"

#define AT(offset, text, name, what_then)                                                      \
	{                                                                                      \
		.off = (offset), .magic = (text), .len = sizeof(text) - 1, (name), (what_then) \
	}

#define FETCH_AGAIN "look what it says, and fetch the image again"
#define UNPACK "unpack it, and give the image or the folder that was in it"
#define NO_DISK                                                                                   \
	"coffer reads squashfs: mount it, and build an image of the folder, or let Apptainer do " \
	"so"

/* ext2 to ext4, told by two bytes of the superblock at 1024. */
#define EXT                                                                               \
	{                                                                                 \
		.off = 1080, .magic = "\x53\xef", .len = 2, .what = "an ext file system", \
		.advice = NO_DISK, .format = &image_ext3                                  \
	}

/* In this order: the first one that fits counts. Letters at offset 0 are compared in either case.
 */
static const struct stranger {
	size_t off;
	const char *magic;
	size_t len;
	const char *what, *advice;
	bool definition;
	const struct image_format *format; /* one that is no root, but may lie above one */
} strangers[] = {
	AT(0, "version https://git-lfs", "a pointer of Git LFS",
	   "get the image with `git lfs pull`"),
	AT(0, "/annex/objects/", "a pointer of git-annex", "get the image with `git annex get`"),
	AT(0, "<!doctype html", "a web page", FETCH_AGAIN),
	AT(0, "<html", "a web page", FETCH_AGAIN),
	AT(0, "<?xml", "an XML text", FETCH_AGAIN),
	AT(0, "{", "a JSON text", FETCH_AGAIN),
	{ .magic = "bootstrap:",
	  .len = 10,
	  .what = "a definition file",
	  .advice = "build an image of it first",
	  .definition = true },
	AT(0, "-----BEGIN ", "a key or a certificate",
	   "give the image, and the key with --pem-path"),
	AT(0, "\x1f\x8b", "packed with gzip", UNPACK),
	AT(0,
	   "\xfd"
	   "7zXZ",
	   "packed with xz", UNPACK),
	AT(0, "\x28\xb5\x2f\xfd", "packed with zstd", UNPACK),
	AT(0, "BZh", "packed with bzip2", UNPACK),
	AT(0, "PK\x03\x04", "a zip archive", UNPACK),
	AT(257, "ustar", "a tar archive", UNPACK),
	AT(0,
	   "\x7f"
	   "ELF",
	   "a program", "give the image that it is in"),
	AT(0, "LUKS\xba\xbe", "a bare LUKS volume", "give the SIF that it is of"),
	AT(0, "sqsh", "a squashfs in big-endian order", "make it again with mksquashfs"),
	AT(0, "QFI\xfb", "a disk image (qcow2)", NO_DISK),
	AT(0, "KDMV", "a disk image (VMDK)", NO_DISK),
	AT(0, "<<< ", "a disk image (VDI)", NO_DISK),
	EXT,
	AT(512, "EFI PART", "a disk image with partitions", NO_DISK),
	AT(510, "\x55\xaa", "a disk image with partitions", NO_DISK),
	AT(0, "#!", "a script", "give the image that it runs"),
};

/* What is before the first word of a text: blanks, a byte-order mark, the lines of comments. */
static size_t skip_to_words(const char *head, size_t len, bool comments)
{
	size_t at = len >= 3 && !memcmp(head, "\xef\xbb\xbf", 3) ? 3 : 0;
	for (; at < len && head[at] && strchr(" \t\r\n#", head[at]); at++) {
		const char *end = head[at] == '#' ? memchr(head + at, '\n', len - at) : NULL;
		if (head[at] == '#' && (!comments || !end))
			break;
		if (end)
			at = (size_t)(end - head);
	}
	return at;
}

/* strncasecmp ends at NUL, which none of the texts holds; bytes that are no letters are equal. */
static bool is_at(const struct stranger *s, const char *head, size_t len)
{
	if (s->off > len || len - s->off < s->len)
		return false;
	return s->off ? !memcmp(head + s->off, s->magic, s->len)
		      : !strncasecmp(head, s->magic, s->len);
}

static void name_stranger(const char *head, size_t len, struct image_probe *ret)
{
	static const struct stranger ext = EXT;
	size_t starts[] = { 0, skip_to_words(head, len, false), skip_to_words(head, len, true) };
	if (ret->off && is_at(&ext, head + ret->off, len - ret->off)) {
		ret->what = ext.what;
		ret->advice = ext.advice;
		ret->format = ext.format;
		return;
	}
	for (size_t i = 0; i < sizeof(strangers) / sizeof(*strangers); i++) {
		for (size_t k = 0; k < sizeof(starts) / sizeof(*starts); k++) {
			if (!is_at(&strangers[i], head + starts[k], len - starts[k]))
				continue;
			ret->what = strangers[i].what;
			ret->advice = strangers[i].advice;
			ret->definition = strangers[i].definition;
			ret->format = strangers[i].format;
			ret->off = 0;
			return;
		}
	}
	ret->off = 0;
	/* A tail of zeros alone would be no such sign. */
	if (len && !head[0] && !memcmp(head, head + 1, len - 1)) {
		ret->what = "full of zeros at its beginning";
		ret->advice = "its download or its copy broke off: fetch it again";
	}
}

void image_probe(const void *bytes, size_t len, struct image_probe *ret)
{
	const char *head = bytes, *words = NULL, *end = NULL;
	*ret = (struct image_probe){ 0 };
	if (!len) {
		ret->what = "empty";
		ret->advice = "its download or its build did not come to an end";
		return;
	}
	if (sif_probe(head, len)) {
		ret->format = &image_sif;
		return;
	}
	if (len > 2 && !memcmp(head, "#!", 2))
		end = memchr(head, '\n', len);
	if (end)
		words = memmem(head, (size_t)(end - head), LAUNCH_WORDS, strlen(LAUNCH_WORDS));
	if (words)
		ret->off = (uint64_t)(end + 1 - head);
	if (len - ret->off >= 4 && !memcmp(head + ret->off, "hsqs", 4)) {
		ret->format = &image_squashfs;
		return;
	}
	name_stranger(head, len, ret);
}
