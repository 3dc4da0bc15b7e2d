/* SPDX-License-Identifier: Apache-2.0 */
#include "oci/descriptor.h"

#include <stdlib.h>
#include <string.h>

/*
 * OCI image manifest: it leads to the configuration and the layers, or to a file that is kept as an
 * image is.
 */

static int check_layer_type(const char *type, struct error **err)
{
	static const char *const known[] = {
		"application/vnd.oci.image.layer.v1.tar",
		"application/vnd.oci.image.layer.v1.tar+gzip",
		"application/vnd.oci.image.layer.v1.tar+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	};
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i], type))
			return 0;
	size_t len = strlen(type);
	static const char encrypted[] = "+encrypted";
	if (len > strlen(encrypted) && !strcmp(type + len - strlen(encrypted), encrypted)) {
		error_set(err, ERROR_UNSUPPORTED, "its layers are encrypted, as OCI layers can be");
		return error_hint(err, "skopeo copy --decryption-key KEY decrypts them into a "
				       "layout; build from that");
	}
	error_set(err, ERROR_UNSUPPORTED,
		  "no extractable OCI/Docker tar layers found in this image");
	return error_hint(err, "it has a layer of type %s", json_shown(type));
}

static int read_layers(const struct json_at *list, struct oci_image *image, struct error **err)
{
	size_t count = json_count(list);
	if (!count) {
		error_set(err, ERROR_UNSUPPORTED,
			  "no extractable OCI/Docker tar layers found in this image");
		return error_hint(err, "it has no layers at all");
	}
	if (count > OCI_LAYERS_MAX)
		return error_set(err, ERROR_LIMIT, "more than %d layers", OCI_LAYERS_MAX);
	image->layers = calloc(count, sizeof(*image->layers));
	if (!image->layers)
		return error_no_memory(err);
	for (; image->layer_count < count; image->layer_count++) {
		struct json_at entry = json_item(list, image->layer_count);
		struct oci_descriptor d;
		if (oci_read_descriptor(&entry, &d, err) < 0 || check_layer_type(d.type, err) < 0)
			return -1;
		image->layers[image->layer_count].blob = d.blob;
	}
	return 0;
}

/* OCI image configuration, rootfs: the digest of each layer uncompressed. */
static int read_contents(const struct json_at *root, struct oci_image *image, struct error **err)
{
	struct json_at rootfs, list;
	const char *digest;
	if (json_get(root, "rootfs", JSON_OBJECT, &rootfs, err) < 0 ||
	    json_get(&rootfs, "diff_ids", JSON_LIST, &list, err) < 0)
		return -1;
	if (json_count(&list) != image->layer_count)
		return json_damaged(&rootfs, "diff_ids", "are not as many as there are layers",
				    err);
	for (size_t i = 0; i < image->layer_count; i++) {
		struct json_at item = json_item(&list, i);
		if (json_own_text(&item, &digest, err) < 0 ||
		    oci_blob_parse_digest(digest, image->layers[i].content, err) < 0)
			return -1;
	}
	return 0;
}

static int read_manifest(int layout, const struct json *manifest, struct oci_image *image,
			 struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	CLEANUP_JSON struct json *config = NULL;
	struct json_at root = json_root(manifest), layers, at;
	struct oci_descriptor d;
	const struct json_limits l = oci_json_limits("image configuration");
	if (json_get(&root, "config", JSON_OBJECT, &at, err) < 0 ||
	    oci_read_descriptor(&at, &d, err) < 0 ||
	    json_get(&root, "layers", JSON_LIST, &layers, err) < 0 ||
	    read_layers(&layers, image, err) < 0)
		return -1;
	if (oci_blob_read(layout, &d.blob, &text, err) < 0 ||
	    json_read(text.data ? text.data : "", text.len, &l, &config, err) < 0)
		return -1;
	struct json_at top = json_root(config);
	if (json_kind(&top) != JSON_OBJECT)
		return json_damaged(&top, "", "is no object", err);
	return read_contents(&top, image, err) < 0 ? -1
						   : oci_config_read(&top, &image->config, err);
}

/* The manifest of the image that is meant. */
static int open_manifest(int layout, const struct oci_wish *wish, struct json **ret,
			 struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	struct oci_blob blob;
	const struct json_limits l = oci_json_limits("image manifest");
	if (oci_find_manifest(layout, wish, &blob, err) < 0 ||
	    oci_blob_read(layout, &blob, &text, err) < 0)
		return -1;
	return json_read(text.data ? text.data : "", text.len, &l, ret, err);
}

int oci_find_file(int layout, const struct oci_wish *wish, const char *type, struct oci_blob *ret,
		  struct error **err)
{
	CLEANUP_JSON struct json *manifest = NULL;
	struct json_at root, layers, first;
	struct oci_descriptor d;
	if (open_manifest(layout, wish, &manifest, err) < 0)
		return -1;
	root = json_root(manifest);
	if (json_get(&root, "layers", JSON_LIST, &layers, err) < 0)
		return -1;
	if (json_count(&layers) != 1)
		return error_set(err, ERROR_UNSUPPORTED, "it has %zu files, and one is wanted",
				 json_count(&layers));
	first = json_item(&layers, 0);
	if (oci_read_descriptor(&first, &d, err) < 0)
		return -1;
	if (strcmp(d.type, type) != 0)
		return error_set(err, ERROR_UNSUPPORTED, "what it has is of type %s, not %s",
				 json_shown(d.type), type);
	*ret = d.blob;
	return 0;
}

int oci_open(int layout, const struct oci_wish *wish, struct oci_image **ret, struct error **err)
{
	CLEANUP_OCI_IMAGE struct oci_image *image = calloc(1, sizeof(*image));
	CLEANUP_JSON struct json *manifest = NULL;
	if (!image)
		return error_no_memory(err);
	if (open_manifest(layout, wish, &manifest, err) < 0 ||
	    read_manifest(layout, manifest, image, err) < 0)
		return -1;
	*ret = take_pointer(&image);
	return 0;
}

void oci_free(struct oci_image **image)
{
	if (!*image)
		return;
	free((*image)->layers);
	oci_config_free(&(*image)->config);
	free(*image);
	*image = NULL;
}
