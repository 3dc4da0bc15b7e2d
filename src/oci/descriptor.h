/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OCI_DESCRIPTOR_H
#define COFFER_OCI_DESCRIPTOR_H

#include "json/json.h"
#include "oci/internal.h"

/* What index and manifest of a layout share: layout.c. */

/* What leads to a blob: OCI content descriptor. */
struct oci_descriptor {
	struct oci_blob blob;
	const char *type; /* borrowed; "" where there is none */
};
int oci_read_descriptor(const struct json_at *at, struct oci_descriptor *ret, struct error **err);
/* The manifest of the image that is meant. */
int oci_find_manifest(int layout, const struct oci_wish *wish, struct oci_blob *ret,
		      struct error **err);
/* Of each text of JSON in a layout. what: for messages; borrowed. */
static inline struct json_limits oci_json_limits(const char *what)
{
	return (struct json_limits){ .what = what,
				     .bytes = OCI_JSON_MAX,
				     .depth = OCI_JSON_DEPTH,
				     .values = OCI_JSON_VALUES,
				     .last_counts = true };
}

#endif
