/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The target under libFuzzer. Each input runs as it is; one in FAULT_EVERY then runs once more
 * with a call that fails, chosen by a hash of the input's last bytes. FUZZ_FAULTS=0 leaves that
 * out, where inputs are to be judged for themselves.
 */
#include "fuzz.h"

#include <stdlib.h>

#define FAULT_EVERY 8
#define SEED_LEN 16

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool with_faults = true;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	const char *faults = getenv("FUZZ_FAULTS");
	with_faults = !faults || *faults != '0';
	log_set_level(LOG_FATAL - 1);
	fuzz_start();
	return 0;
}

static uint64_t seed_of(const uint8_t *data, size_t len)
{
	uint64_t h = len;
	for (size_t i = len > SEED_LEN ? len - SEED_LEN : 0; i < len; i++)
		h = (h ^ data[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct fuzz_outcome plain, failing;
	fuzz_once(data, len, &plain);
	uint64_t seed = seed_of(data, len);
	if (!with_faults || seed % FAULT_EVERY || !plain.calls)
		return 0;
	seed /= FAULT_EVERY;
	fault_arm(seed / 2 % plain.calls, seed & 1);
	fuzz_once(data, len, &failing);
	fault_arm(UINT64_MAX, false);
	return 0;
}
