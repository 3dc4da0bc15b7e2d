/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <stdlib.h>

#include "image/image.h"

#define LAUNCH "#!/usr/bin/env run-singularity\n"

/* In memory of exactly that length. */
static struct image_probe probe(const void *head, size_t len)
{
	struct image_probe got;
	char *copy = malloc(len ? len : 1);
	assert_non_null(copy);
	memcpy(copy, head, len);
	image_probe(copy, len, &got);
	free(copy);
	return got;
}

#define PROBE(text) probe(text, sizeof(text) - 1)

static void images(void **state)
{
	(void)state;
	struct image_probe got = PROBE("hsqs and more");
	assert_ptr_equal(got.format, &image_squashfs);
	assert_int_equal(got.off, 0);
	got = PROBE("hsqs");
	assert_ptr_equal(got.format, &image_squashfs);
	got = PROBE(LAUNCH "hsqs");
	assert_ptr_equal(got.format, &image_squashfs);
	assert_int_equal(got.off, strlen(LAUNCH));
	got = PROBE("#!/opt/bin/env run-singularity --quiet\nhsqs");
	assert_int_equal(got.off, 39);
	got = PROBE("#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0"
		    "01\0");
	assert_ptr_equal(got.format, &image_sif);
}

/* One byte off the way to a squashfs. */
static void launch_lines(void **state)
{
	(void)state;
	static const char *const no[] = {
		"#!/usr/bin/env run-singularity\nhsq",	  "#!/usr/bin/env run-singularity",
		"#!/usr/bin/env run-singularityhsqs",	  "# /usr/bin/env run-singularity\nhsqs",
		"#!/usr/bin/env\n run-singularity\nhsqs", "#!/bin/sh\nhsqs",
		"#!/usr/bin/env run-singularity\n\nhsqs", "hsq",
	};
	for (size_t i = 0; i < sizeof(no) / sizeof(*no); i++) {
		struct image_probe got = probe(no[i], strlen(no[i]));
		assert_null(got.format);
		assert_int_equal(got.off, 0);
	}
}

static void named(const char *what, const void *head, size_t len)
{
	struct image_probe got = probe(head, len);
	bool ext = !strcmp(what, "an ext file system");
	assert_ptr_equal(got.format, ext ? &image_ext3 : NULL);
	assert_non_null(got.what);
	assert_non_null(got.advice);
	assert_string_equal(got.what, what);
	assert_true(got.definition == !strcmp(what, "a definition file"));
}

#define NAMED(what, text) named(what, text, sizeof(text) - 1)

static void strangers(void **state)
{
	(void)state;
	NAMED("empty", "");
	NAMED("a pointer of Git LFS", "version https://git-lfs.github.com/spec/v1\noid");
	NAMED("a pointer of git-annex", "/annex/objects/MD5E-s3--x\n");
	NAMED("a web page", "<!DOCTYPE html>");
	NAMED("a web page", "\r\n  <HTML lang=en>");
	NAMED("a web page", "\xef\xbb\xbf<!doctype HTML");
	NAMED("an XML text", "<?xml version");
	NAMED("a JSON text", "{\"errors\":[]}");
	NAMED("a definition file", "BootStrap: docker\n");
	NAMED("a definition file", "# made by hand\n\n  #\nBootstrap: docker\n");
	NAMED("a key or a certificate", "-----BEGIN RSA PRIVATE KEY-----\n");
	NAMED("packed with gzip", "\x1f\x8b\x08");
	NAMED("packed with xz", "\xfd"
				"7zXZ\0");
	NAMED("packed with zstd", "\x28\xb5\x2f\xfd");
	NAMED("packed with bzip2", "BZh9");
	NAMED("a zip archive", "PK\3\4");
	NAMED("a program", "\177ELF\2");
	NAMED("a bare LUKS volume", "LUKS\xba\xbe\0\2");
	NAMED("a squashfs in big-endian order", "sqsh");
	NAMED("a disk image (qcow2)", "QFI\xfb");
	NAMED("a disk image (VMDK)", "KDMV");
	NAMED("a disk image (VDI)", "<<< Oracle VM");
	NAMED("a script", "#!/bin/sh\necho x\n");
	NAMED("a script", "#!/usr/bin/env run-singularity\nnothing");
	char head[IMAGE_HEAD_LEN] = { 0 };
	named("full of zeros at its beginning", head, sizeof(head));
	memcpy(head + 257, "ustar", 5);
	named("a tar archive", head, sizeof(head));
	memset(head, 0, sizeof(head));
	memcpy(head + 1080, "\x53\xef", 2);
	named("an ext file system", head, sizeof(head));
	named("an ext file system", head, 1082);
	named("full of zeros at its beginning", head, 1080);
	memset(head, 0, sizeof(head));
	memcpy(head, LAUNCH, strlen(LAUNCH));
	memcpy(head + strlen(LAUNCH) + 1080, "\x53\xef", 2);
	named("an ext file system", head, sizeof(head));
	assert_int_equal(probe(head, sizeof(head)).off, strlen(LAUNCH));
	memset(head, 0, sizeof(head));
	memcpy(head + 510, "\x55\xaa", 2);
	named("a disk image with partitions", head, sizeof(head));
	memcpy(head + 512, "EFI PART", 8);
	named("a disk image with partitions", head, sizeof(head));
}

static void unknown(void **state)
{
	(void)state;
	static const char *const texts[] = { "x", "root:x:0:0", "#", "# a comment\n", " ", "boot" };
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_null(probe(texts[i], strlen(texts[i])).what);
	/* Each text cut short, where the rest says nothing else. */
	assert_null(probe("version https://git-lf", 22).what);
	assert_null(probe("<!doctype htm", 13).what);
	assert_null(probe("\x1f", 1).what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(images),
		cmocka_unit_test(launch_lines),
		cmocka_unit_test(strangers),
		cmocka_unit_test(unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
