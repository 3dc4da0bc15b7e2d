/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a file that may be no image. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "image/image.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	struct image_probe probe;
	/* No room behind the bytes: a sanitizer sees what is read there. */
	char *head = malloc(len + !len);
	if (!head)
		return error_no_memory(err);
	memcpy(head, data, len);
	image_probe(head, len, &probe);
	free(head);
	if (probe.format && probe.format != &image_ext3 && probe.what)
		fuzz_bug("an image is called %s", probe.what);
	if (!probe.what != !probe.advice)
		fuzz_bug("named without advice, or the other way");
	if (probe.off > len || (probe.off && (!probe.format || data[probe.off - 1] != '\n')))
		fuzz_bug("it begins at %llu", (unsigned long long)probe.off);
	fuzz_saw_number(probe.format == &image_sif ? 2 : probe.format != NULL);
	fuzz_saw_number(probe.off);
	if (!probe.format)
		return error_set(err, ERROR_UNSUPPORTED, "%s", probe.what ? probe.what : "unknown");
	return 0;
}
