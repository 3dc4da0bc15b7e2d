/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/internal.h"

#define MIB ((uint64_t)1 << 20)
/* Less than this is asked for by headers for random secrets, and is not worth a look. */
#define ALWAYS (16 * MIB)

/* What the user said; 0: nothing. Set before there are threads. */
static uint64_t allowed;

void crypto_kdf_allow(uint64_t bytes)
{
	allowed = bytes;
}

int crypto_kdf_check(const char *root, const char *what, uint64_t bytes, struct error **err)
{
	unsigned long long need = (bytes + MIB - 1) / MIB;
	if (bytes <= ALWAYS)
		return 0;
	uint64_t limit = allowed;
	/* A quarter is left to whatever else runs here: nothing is proved yet of who asks. */
	if (!allowed) {
		limit = memory_available(root);
		limit -= limit / 4;
	}
	if (bytes <= limit)
		return 0;
	error_set(err, ERROR_MEMORY,
		  "%s asks for %llu MiB of memory to unlock it, and may have %llu MiB (%s)", what,
		  need, (unsigned long long)(limit / MIB),
		  allowed ? "--max-kdf-memory"
			  : "three quarters of what the machine and the control group have left");
	return error_hint(err,
			  "if you trust the image, allow it with --max-kdf-memory=%llu; or free "
			  "memory, raise the control group's memory.max, or use a key file "
			  "(--pem-path), which needs none",
			  need);
}
