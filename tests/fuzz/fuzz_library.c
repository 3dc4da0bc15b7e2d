/* SPDX-License-Identifier: Apache-2.0 */
/* What a library says of an image. */
#include "fuzz.h"

#include "fetch/fetch.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	uint8_t digest[32] = { 0 };
	uint64_t size = 0;
	if (fetch_library_read((const char *)data, len, digest, &size, err) < 0)
		return -1;
	fuzz_saw(digest, sizeof(digest));
	fuzz_saw_number(size);
	return 0;
}
