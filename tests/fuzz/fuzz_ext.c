/* SPDX-License-Identifier: Apache-2.0 */
/* The superblock of an ext file system: how long it is. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "serve/serve.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	uint64_t found = 0;
	/* No room behind the bytes: a sanitizer sees what is read there. */
	char *super = malloc(len + !len);
	if (!super)
		return error_no_memory(err);
	memcpy(super, data, len);
	int r = serve_ext_length(super, len, &found, err);
	free(super);
	if (r == 0 && found % 1024)
		fuzz_bug("%llu bytes are no blocks", (unsigned long long)found);
	fuzz_saw_number(found);
	return r;
}
