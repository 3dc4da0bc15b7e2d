/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CRYPTO_SIGN_INTERNAL_H
#define COFFER_CRYPTO_SIGN_INTERNAL_H

#include "crypto/internal.h"

/* key.c: takes *pkey over when it is of a kind that signs here; ERROR_KEY_INVALID if not. */
int crypto_signer_adopt(EVP_PKEY **pkey, bool private, struct crypto_signer **ret,
			struct error **err);

#endif
