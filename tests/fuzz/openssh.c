/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in for ssh-keygen: the block as it would be if its private half, which the input has as it
 * likes, were what came out of the cipher. So what ssh-keygen gives back is read, too.
 */
#include "fuzz.h"

#include <string.h>

#include "key/openssh/openssh.h"

int __wrap_key_openssh_unprotect(const struct key_request *request, const char *origin,
				 const struct secret *blob, struct secret **ret,
				 struct error **err);

int __wrap_key_openssh_unprotect(const struct key_request *request, const char *origin,
				 const struct secret *blob, struct secret **ret, struct error **err)
{
	static const char head[] = OPENSSH_MAGIC "\0\0\0\0\4none\0\0\0\4none\0\0\0\0";
	struct secret *passphrase CLEANUP_SECRET = NULL, *out CLEANUP_SECRET = NULL;
	struct bytes b = bytes_of(secret_bytes(blob), secret_size(blob));
	if (!request->ask)
		return error_set(err, ERROR_KEY_MISSING, "nobody can be asked");
	if (request->ask(request->ask_context, origin, &passphrase, err) < 0)
		return -1;
	if (!passphrase)
		return error_set(err, ERROR_KEY_MISSING, "no answer");
	bytes_skip(&b, sizeof(OPENSSH_MAGIC));
	/* Cipher, KDF and its options: the frame was read before. */
	for (int i = 0; i < 3; i++)
		bytes_skip(&b, (size_t)bytes_be(&b, 4));
	size_t left = bytes_left(&b);
	const void *rest = bytes_take(&b, left);
	if (!rest)
		fuzz_bug("a frame that was not read is to be opened");
	if (secret_new(sizeof(head) - 1 + left, &out, err) < 0)
		return -1;
	memcpy(secret_data(out), head, sizeof(head) - 1);
	memcpy(secret_data(out) + sizeof(head) - 1, rest, left);
	*ret = out;
	out = NULL;
	return 0;
}
