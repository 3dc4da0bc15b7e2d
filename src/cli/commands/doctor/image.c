/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/doctor/internal.h"

#include "image/image.h"

int doctor_image(struct doctor *d, const char *path, struct error **err)
{
	static const struct doctor_cost useless = { "it cannot be run", NULL, NULL };
	static const struct doctor_cost foreign = { "it cannot be run on this kind of machine",
						    "build it for this one", NULL };
	static const struct doctor_cost blocks = {
		"a block of it that somebody has changed may read as rubbish, without an error",
		"build it with --encryption=gocryptfs", NULL
	};
	CLEANUP_IMAGE struct image *img = NULL;
	CLEANUP_ERROR struct error *fault = NULL;
	CLEANUP_BUFFER struct buffer what = { 0 };
	if (image_open(path, &img, &fault) < 0)
		return doctor_add(d, "image", DOCTOR_BAD, &useless, err, "%s",
				  error_message(fault));
	if (image_describe(img, &what, err) < 0 ||
	    doctor_add(d, "image", DOCTOR_OK, NULL, err, "%s", what.data) < 0)
		return -1;
	if (image_check_architecture(img, &fault) < 0 &&
	    doctor_add(d, "architecture", DOCTOR_BAD, &foreign, err, "%s", error_message(fault)) <
		    0)
		return -1;
	if (!image_is_encrypted(img))
		return doctor_add(d, "key", DOCTOR_OK, NULL, err, "it needs none");
	/* What it was made with; who has the passphrase that was wrapped may use that as well. */
	if (doctor_add(d, "key", DOCTOR_OK, NULL, err, "%s",
		       image_wrapped_key(img) ? "the private half of an RSA key: --pem-path"
					      : "a passphrase: --passphrase") < 0)
		return -1;
	bool changes = !image_seal(img)->authentic;
	return doctor_add(d, "tampering", changes ? DOCTOR_LESS : DOCTOR_OK,
			  changes ? &blocks : NULL, err,
			  changes ? "not always found" : "a changed block is an I/O error");
}
