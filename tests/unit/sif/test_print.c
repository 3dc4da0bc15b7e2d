/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <fcntl.h>

#include "sif/format.h"
#include "sif/sif.h"

/* What the real Apptainer 1.4.5 prints for the reference images. */
static const char list[] =
	"------------------------------------------------------------------------------\n"
	"ID   |GROUP   |LINK    |SIF POSITION (start-end)  |TYPE\n"
	"------------------------------------------------------------------------------\n"
	"1    |1       |NONE    |32176-32388               |Def.FILE\n"
	"2    |1       |NONE    |32388-34493               |JSON.Generic\n"
	"3    |1       |NONE    |36864-18157568            |FS (Encrypted squashfs/*System/amd64)\n"
	"4    |1       |3       |18157568-18158313         |Cryptographic Message (PEM/RSA-OAEP)\n";
static const char header[] = "Launch Script:        #!/usr/bin/env run-singularity\n"
			     "Version:              01\n"
			     "Primary Architecture: amd64\n"
			     "ID:                   5ea20c19-0969-43ac-9145-071f0bec52ac\n"
			     "Created At:           2026-11-23 18:17:23 +0000 UTC\n"
			     "Modified At:          2026-11-23 18:17:23 +0000 UTC\n"
			     "Descriptors Free:     44\n"
			     "Descriptors Total:    48\n"
			     "Descriptors Offset:   4096\n"
			     "Descriptors Size:     27 KiB\n"
			     "Data Offset:          32176\n"
			     "Data Size:            17 MiB\n";
static const char *const infos[] = {
	"  Data Type:    JSON.Generic\n"
	"  ID:           2\n"
	"  Group ID:     1\n"
	"  Linked ID:    NONE\n"
	"  Offset:       32388\n"
	"  Size:         2105\n"
	"  Created At:   2026-11-23 18:17:23 +0000 UTC\n"
	"  Modified At:  2026-11-23 18:17:23 +0000 UTC\n"
	"  Name:         inspect-metadata.json\n",
	"  Data Type:        FS\n"
	"  ID:               3\n"
	"  Group ID:         1\n"
	"  Linked ID:        NONE\n"
	"  Offset:           36864\n"
	"  Size:             18120704\n"
	"  Created At:       2026-11-23 18:17:23 +0000 UTC\n"
	"  Modified At:      2026-11-23 18:17:23 +0000 UTC\n"
	"  Filesystem Type:  Encrypted squashfs\n"
	"  Partition Type:   *System\n"
	"  Architecture:     amd64\n",
	"  Data Type:     Cryptographic Message\n"
	"  ID:            4\n"
	"  Group ID:      1\n"
	"  Linked ID:     3\n"
	"  Offset:        18157568\n"
	"  Size:          745\n"
	"  Created At:    2026-11-23 18:17:23 +0000 UTC\n"
	"  Modified At:   2026-11-23 18:17:23 +0000 UTC\n"
	"  Format Type:   PEM\n"
	"  Message Type:  RSA-OAEP\n",
};

static void reference_image(void **state)
{
	(void)state;
	struct error *none = NULL;
	CLEANUP_TEXT char *path = path_join(getenv("COFFER_FIXTURES"), "luks-pem.sif", &none);
	CLEANUP_SOURCE struct source *file = NULL;
	CLEANUP_SIF struct sif *s = NULL;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_ok(source_from_fd(fd, &file, err));
	assert_ok(sif_read(file, &s, err));
	CLEANUP_BUFFER struct buffer out = { 0 };
	assert_ok(sif_print_list(s, &out, err));
	assert_string_equal(out.data, list);
	buffer_free(&out);
	assert_ok(sif_print_header(s, &out, err));
	assert_string_equal(out.data, header);
	for (uint32_t id = 2; id <= 4; id++) {
		buffer_free(&out);
		assert_ok(sif_print_info(sif_by_id(s, id), &out, err));
		assert_string_equal(out.data, infos[id - 2]);
	}
	const struct sif_descriptor *message = sif_crypt_message(s, sif_primary(s));
	assert_non_null(message);
	buffer_free(&out);
	assert_ok(sif_object(file, message, 4096, &out, err));
	assert_true(out.len == 745 && !memcmp(out.data, "-----BEGIN MESSAGE-----\n", 24));
	assert_fails(ERROR_LIMIT, sif_object(file, message, 744, &out, err));
}

/* No times, no UUID, no architecture: the value column moves to the left (sif.md 11.2). */
static void deterministic_header(void **state)
{
	(void)state;
	struct sif s = { .version = "01",
			 .arch = "00",
			 .created = SIF_ZERO_TIME,
			 .modified = SIF_ZERO_TIME,
			 .descriptors_free = 48,
			 .descriptors_total = 48,
			 .descriptors_off = 4096,
			 .descriptors_len = 1023,
			 .data_off = 32176,
			 .data_len = 1536 };
	CLEANUP_BUFFER struct buffer out = { 0 };
	assert_ok(sif_print_header(&s, &out, err));
	assert_string_equal(out.data, "Version:            01\n"
				      "Descriptors Free:   48\n"
				      "Descriptors Total:  48\n"
				      "Descriptors Offset: 4096\n"
				      "Descriptors Size:   1023 B\n"
				      "Data Offset:        32176\n"
				      "Data Size:          2 KiB\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_image),
		cmocka_unit_test(deterministic_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
