/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "fetch/fetch.h"
#include "oci/oci.h"
#include "tree/tree.h"

/*
 * Images of registries and archives: spec deffile.md 4, OCI agents. skopeo puts the layers beside
 * the tree, where nobody else sees them; each goes when it is unpacked.
 */

/* ------------------------------------------------------------------ what is asked for */

/* From, with what the header puts before it: the text is the caller's. */
static char *reference(const struct build *b, struct error **err)
{
	static const char *const parts[] = { "registry", "namespace" };
	const char *from = definition_header(b->definition, "from");
	CLEANUP_BUFFER struct buffer text = { 0 };
	for (size_t i = 0; i < 2; i++) {
		const char *part = definition_header(b->definition, parts[i]);
		if (part && *part && buffer_printf(&text, err, "%s/", part) < 0)
			return NULL;
	}
	return buffer_puts(&text, from ? from : "", err) < 0 ? NULL : buffer_steal(&text, err);
}

static struct fetch_wish wish_of(const struct build *b, const char *from)
{
	return (struct fetch_wish){
		.transport = fetch_transport(definition_header(b->definition, "bootstrap")),
		.from = from,
		.arch = b->arch,
		.variant = b->variant,
		.options = &b->wish->fetch,
	};
}

int bootstrap_oci_check(const struct build *b, struct error **err)
{
	CLEANUP_TEXT char *from = reference(b, err);
	if (!from)
		return -1;
	const struct fetch_wish wish = wish_of(b, from);
	return fetch_check(&wish, err) < 0 ? -1 : bootstrap_log_in(b, from, err);
}

/* DIR, DIR@sha256:... or DIR:NAME, cut in place. */
static int open_layout(char *path, struct oci_wish *wish, struct error **err)
{
	char *at = strstr(path, "@sha256:");
	if (at) {
		*at = '\0';
		wish->digest = at + 1;
	}
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *colon = strrchr(path, ':');
	if (fd < 0 && errno == ENOENT && colon && !at && !strchr(colon, '/')) {
		*colon = '\0';
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		wish->name = colon + 1;
	}
	return fd < 0 ? error_errno(err, errno, "open %s", path) : fd;
}

/* ------------------------------------------------------------------ unpacking */

struct unpacking {
	struct builder *b;
	const struct oci_image *image;
	int layout;
	bool ours; /* its blobs are removed as they are done */
	bool told_of_device, told_of_owner;
};

static void left_out(void *context, enum oci_left_out what, const char *path, const char *why)
{
	struct unpacking *u = context;
	if (what == OCI_LEFT_DEVICE && !u->told_of_device)
		log_warning("%s is a device and left out: making it needs root", path);
	else if (what == OCI_LEFT_OWNER && !u->told_of_owner)
		log_warning("%s belongs to root: its owner in the image has no number here", path);
	else
		log_say(LOG_VERBOSE, "%s: left out: %s", path, why);
	u->told_of_device |= what == OCI_LEFT_DEVICE;
	u->told_of_owner |= what == OCI_LEFT_OWNER;
}

/*
 * A process of its own, whose root directory is the tree: the layers are a stranger's. Its way to
 * the blobs is one descriptor.
 */
static int unpack_layers(void *context, int socket, struct error **err)
{
	struct unpacking *u = context;
	const struct build *build = u->b->build;
	const struct oci_rules rules = { .owners = build->map == USERNS_ROOT_SUBIDS,
					 .devices = build->real_root,
					 .left_out = left_out,
					 .context = u };
	CLEANUP_OCI_UNPACKER struct oci_unpacker *unpacker = NULL;
	(void)socket;
	fd_close(&u->b->socket);
	fd_close(&u->b->build->wish->fetch.login);
	crypto_start();
	if (oci_load(err) < 0)
		return -1;
	library_load_no_more();
	if (fchdir(u->b->root) < 0 || chroot(".") < 0)
		return error_errno(err, errno, "enter the tree");
	umask(0);
	if (oci_unpacker_new(u->b->root, &rules, &unpacker, err) < 0)
		return -1;
	for (size_t i = 0; i < u->image->layer_count; i++) {
		const struct oci_layer *layer = &u->image->layers[i];
		log_verbose("Layer %zu of %zu", i + 1, u->image->layer_count);
		if (oci_unpack_layer(unpacker, u->layout, layer, err) < 0)
			return error_wrap(err, "layer %zu", i + 1);
		CLEANUP_TEXT char *blob = oci_blob_path(&layer->blob, err);
		if (!blob)
			return -1;
		/* One that comes twice is kept for its second turn. */
		bool again = false;
		for (size_t k = i + 1; k < u->image->layer_count; k++)
			again |= !memcmp(u->image->layers[k].blob.digest, layer->blob.digest,
					 sizeof(layer->blob.digest));
		if (u->ours && !again)
			(void)unlinkat(u->layout, blob, 0);
	}
	return 0;
}

/* ------------------------------------------------------------------ what the image says */

static int write_labels(int root, const struct oci_config *config, struct error **err)
{
	struct labels labels = { 0 };
	CLEANUP_BUFFER struct buffer text = { 0 };
	int r = 0;
	for (size_t i = 0; r == 0 && i < config->label_count; i++)
		r = labels_set(&labels, config->labels[i].name, config->labels[i].value, err);
	if (r == 0)
		r = config->label_count ? labels_put_json(&labels, true, &text, err)
					: buffer_puts(&text, "null", err);
	labels_free(&labels);
	return r < 0 ? -1
		     : tree_write(root, "/.singularity.d/labels.json", 0644, text.data, text.len,
				  err);
}

static int write_config(struct builder *b, const struct oci_config *config, struct error **err)
{
	CLEANUP_BUFFER struct buffer script = { 0 }, environment = { 0 };
	log_info("Inserting Apptainer configuration...");
	/* The folders, before anything is put into them. */
	if (metadata_write_base(b->root, true, err) < 0 ||
	    oci_put_runscript(config, &script, err) < 0 ||
	    oci_put_environment(config, &environment, err) < 0)
		return -1;
	if (tree_write(b->root, "/.singularity.d/runscript", 0755, script.data, script.len, err) <
		    0 ||
	    tree_write(b->root, "/.singularity.d/env/10-docker2singularity.sh", 0755,
		       environment.data, environment.len, err) < 0 ||
	    write_labels(b->root, config, err) < 0)
		return -1;
	return buffer_append(&b->oci_config, config->json.data, config->json.len, err);
}

/* ------------------------------------------------------------------ all of it */

static int unpack_image(struct builder *b, struct unpacking *u, const struct oci_wish *wish,
			struct error **err)
{
	CLEANUP_OCI_IMAGE struct oci_image *image = NULL;
	if (oci_open(u->layout, wish, &image, err) < 0)
		return error_wrap(err, "conveyor failed to get");
	log_info("Extracting OCI image...");
	u->image = image;
	int status = remote_run(b->build, unpack_layers, u, err);
	if (status > 0)
		error_set(err, ERROR_INTERNAL, "the unpacker ended with status %d", status);
	if (status || write_config(b, &image->config, err) < 0) {
		workspace_explain(b->build, b->root, err);
		return error_wrap(err, "packer failed to pack");
	}
	if (!b->build->wish->fix_perms)
		return 0;
	log_warning("The --fix-perms option modifies the filesystem permissions on the resulting "
		    "container.");
	return copy_fix_permissions(b->root, err);
}

static int run_in_place(struct builder *b, const char *from, struct error **err)
{
	CLEANUP_TEXT char *path = path_absolute(from, err);
	struct oci_wish wish = { .arch = b->build->arch, .variant = b->build->variant };
	struct unpacking u = { .b = b };
	bootstrap_end_login(b);
	if (!path)
		return -1;
	u.layout = open_layout(path, &wish, err);
	if (u.layout < 0)
		return error_wrap(err, "conveyor failed to get");
	int r = unpack_image(b, &u, &wish, err);
	fd_close(&u.layout);
	return r;
}

static int run_fetched(struct builder *b, const struct fetch_wish *wish, const char *folder,
		       struct error **err)
{
	const struct oci_wish any = { .arch = b->build->arch };
	struct unpacking u = { .b = b, .ours = true };
	CLEANUP_TEXT char *layout = path_join(folder, "layout", err);
	if (!layout)
		return -1;
	int fetched = fetch_run(wish, folder, err);
	bootstrap_end_login(b);
	if (fetched < 0) {
		workspace_explain(b->build, b->root, err);
		return error_wrap(err, "conveyor failed to get");
	}
	u.layout = open(layout, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (u.layout < 0)
		return error_errno(err, errno, "open what skopeo has got");
	int r = unpack_image(b, &u, &any, err);
	fd_close(&u.layout);
	return r;
}

int bootstrap_oci(struct builder *b, struct error **err)
{
	CLEANUP_TEXT char *from = reference(b->build, err);
	if (!from)
		return -1;
	const struct fetch_wish wish = wish_of(b->build, from);
	log_info("Fetching OCI image...");
	if (fetch_in_place(wish.transport))
		return run_in_place(b, from, err);
	CLEANUP_TEXT char *folder = text_printf(err, "%s/fetched", b->scripts_path);
	if (!folder)
		return -1;
	if (mkdir(folder, 0700) < 0)
		return error_errno(err, errno, "make a folder");
	int r = run_fetched(b, &wish, folder, err);
	if (r == 0)
		r = copy_remove(AT_FDCWD, folder, err);
	return r;
}
