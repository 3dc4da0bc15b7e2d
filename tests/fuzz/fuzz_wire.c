/* SPDX-License-Identifier: Apache-2.0 */
/* A packet from another process: what the container's side may say to the command. */
#include "fuzz.h"

#include <string.h>

#include "os/os.h"

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	static uint8_t again[WIRE_PACKET_MAX];
	CLEANUP_WIRE_PACKET struct wire_packet p = WIRE_PACKET_NONE;
	if (wire_unpack(data, len, &p) < 0) {
		if (p.error || p.fd >= 0)
			fuzz_bug("a packet that is none has brought something");
		return error_set(err, ERROR_DAMAGED, "no packet");
	}
	fuzz_saw(&p.word, 1);
	if (!p.error)
		return 0;
	/* Without memory it is another error, and one all the same. */
	if (fault_armed() && !strcmp(error_message(p.error), "out of memory"))
		return error_set(err, ERROR_MEMORY, "out of memory");
	/* There is one way to write what was read; where memory is lost, hint and context may be.
	 */
	fuzz_saw(error_fact(p.error), strlen(error_fact(p.error)));
	if (!fault_armed() &&
	    (wire_pack_error(p.error, again) != len || memcmp(again, data, len) != 0))
		fuzz_bug("an error is not what it was");
	return 0;
}
