/* SPDX-License-Identifier: Apache-2.0 */
#include "build/build.h"
#include "build/metadata.h"

/* What a build says about an image, for those who ask later. */

int build_inspect(int root, struct buffer *ret, struct error **err)
{
	return metadata_inspect(root, ret, err);
}

int build_json_string(struct buffer *ret, const char *text, size_t len, struct error **err)
{
	return json_put_string(ret, text, len, err);
}
