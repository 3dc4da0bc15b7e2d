/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <string.h>

void bytes_copy(struct bytes *b, void *to, size_t len)
{
	const void *p = bytes_take(b, len);
	if (p)
		memcpy(to, p, len);
	else
		memset(to, 0, len);
}
