/* SPDX-License-Identifier: Apache-2.0 */
/* Which image of a layout is meant, what is refused, and what its configuration says. */
#include "layout.h"

#define OCI "application/vnd.oci.image."
#define MANIFEST OCI "manifest.v1+json"
#define INDEX OCI "index.v1+json"
#define LAYER OCI "layer.v1.tar"

static char layer[80], config[80], manifest[80];
static size_t manifest_len;

/* An image of one layer with this configuration, of this machine; its words in the variables. */
static void put_image(const char *text, const char *layer_type)
{
	char all[2048];
	struct oci_blob blob = put_blob("layer", 5, layer);
	assert_int_equal(blob.size, 5);
	int n = snprintf(
		all, sizeof(all),
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
		"\"diff_ids\":[\"%s\"]}%s%s}",
		layer, *text ? "," : "", text);
	put_blob(all, (size_t)n, config);
	n = snprintf(all, sizeof(all),
		     "{\"schemaVersion\":2,\"config\":{\"mediaType\":\"" OCI
		     "config.v1+json\",\"digest\":\"%s\",\"size\":%d},"
		     "\"layers\":[{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":5}]}",
		     config, n, layer_type, layer);
	put_blob(all, (size_t)n, manifest);
	manifest_len = (size_t)n;
}

/* index.json of these descriptors. */
static void put_index(const char *list)
{
	char all[4096];
	int n = snprintf(all, sizeof(all), "{\"schemaVersion\":2,\"manifests\":[%s]}", list);
	put("layout/index.json", all, (size_t)n);
}

/* A descriptor of the image with more members. */
static const char *descriptor(const char *more)
{
	static char text[8][512];
	static unsigned i;
	i = (i + 1) % 8;
	(void)snprintf(text[i], sizeof(text[i]),
		       "{\"mediaType\":\"" MANIFEST "\",\"digest\":\"%s\",\"size\":%zu%s}",
		       manifest, manifest_len, more);
	return text[i];
}

#define PLATFORM(arch) ",\"platform\":{\"os\":\"linux\",\"architecture\":\"" arch "\"}"
#define NAMED(name) ",\"annotations\":{\"org.opencontainers.image.ref.name\":\"" name "\"}"

static int try(const struct oci_wish *wish, struct oci_image **ret, struct error **err)
{
	CLEANUP_FD int layout = open_folder("layout");
	return oci_open(layout, wish, ret, err);
}

static const struct oci_wish amd64 = { .arch = "amd64" };

static void test_one(void **state)
{
	(void)state;
	struct oci_image *image CLEANUP_OCI_IMAGE = NULL;
	put_image("\"config\":{\"Env\":[\"A=b\",\"C\"],\"Entrypoint\":[\"/e\",\"\"],\"Cmd\":null,"
		  "\"User\":\"7:8\",\"WorkingDir\":\"/w\",\"Volumes\":{\"/v\":{},\"/"
		  "a\":{}},\"Nobody\":1,"
		  "\"ArgsEscaped\":true,\"ExposedPorts\":{},\"Labels\":{\"z\":\"1\",\"a\":\"<\"},"
		  "\"Healthcheck\":{\"Retries\":0,\"Interval\":5,\"Test\":[\"x\"]},\"Tty\":false}",
		  LAYER);
	put_index(descriptor(""));
	assert_ok(try(&amd64, &image, err));
	assert_int_equal(image->layer_count, 1);
	assert_int_equal(image->layers[0].blob.size, 5);
	assert_memory_equal(image->layers[0].blob.digest, image->layers[0].content, 32);
	assert_int_equal(image->config.entrypoint.len, 2);
	assert_string_equal(image->config.entrypoint.items[1], "");
	assert_int_equal(image->config.cmd.len, 0);
	assert_int_equal(image->config.env.len, 2);
	assert_int_equal(image->config.label_count, 2);
	/* As a real Apptainer writes it of the same. */
	assert_string_equal(image->config.json.data,
			    "{\"Healthcheck\":{\"Test\":[\"x\"],\"Interval\":5},"
			    "\"Entrypoint\":[\"/e\",\"\"],\"Env\":[\"A=b\",\"C\"],"
			    "\"Labels\":{\"a\":\"\\u003c\",\"z\":\"1\"},\"User\":\"7:8\","
			    "\"Volumes\":{\"/a\":{},\"/v\":{}},\"WorkingDir\":\"/w\","
			    "\"ArgsEscaped\":true}");
}

static void test_no_config(void **state)
{
	(void)state;
	struct oci_image *image CLEANUP_OCI_IMAGE = NULL;
	put_image("", LAYER);
	put_index(descriptor(""));
	assert_ok(try(&amd64, &image, err));
	assert_string_equal(image->config.json.data, "{}");
	assert_false(image->config.has_labels);
}

static void test_choice(void **state)
{
	(void)state;
	char list[2048], first[80];
	put_image("\"config\":{\"User\":\"first\"}", LAYER);
	strcpy(first, manifest);
	const char *arm = descriptor(PLATFORM("arm64"));
	const char *named = descriptor(NAMED("one"));
	put_image("\"config\":{\"User\":\"second\"}", LAYER);
	struct oci_image *image = NULL;
#define IS(user)                                                                         \
	do {                                                                             \
		assert_string_equal(image->config.json.data, "{\"User\":\"" user "\"}"); \
		oci_free(&image);                                                        \
	} while (0)
	/* By machine. */
	(void)snprintf(list, sizeof(list), "%s,%s", arm, descriptor(PLATFORM("amd64")));
	put_index(list);
	assert_ok(try(&amd64, &image, err));
	IS("second");
	assert_ok(try(&(struct oci_wish){ .arch = "arm64" }, &image, err));
	IS("first");
	assert_fails(ERROR_NOT_FOUND, try(&(struct oci_wish){ .arch = "s390x" }, &image, err));
	/* Of that the variant; an image that names none is none of them. */
	assert_fails(ERROR_NOT_FOUND,
		     try(&(struct oci_wish){ .arch = "arm64", .variant = "v8" }, &image, err));
	/* By digest, whatever the machine. */
	assert_ok(try(&(struct oci_wish){ .arch = "amd64", .digest = first }, &image, err));
	IS("first");
	assert_fails(ERROR_NOT_FOUND,
		     try(&(struct oci_wish){ .arch = "amd64", .digest = layer }, &image, err));
	assert_fails(ERROR_USAGE,
		     try(&(struct oci_wish){ .arch = "amd64", .digest = "sha256:x" }, &image, err));
	/* By name. */
	(void)snprintf(list, sizeof(list), "%s,%s", named, descriptor(NAMED("two")));
	put_index(list);
	assert_fails(ERROR_USAGE, try(&amd64, &image, err));
	assert_ok(try(&(struct oci_wish){ .arch = "amd64", .name = "two" }, &image, err));
	IS("second");
	assert_fails(ERROR_NOT_FOUND,
		     try(&(struct oci_wish){ .arch = "amd64", .name = "three" }, &image, err));
	/* Index in index. */
	(void)snprintf(list, sizeof(list), "{\"manifests\":[%s,%s]}", arm,
		       descriptor(PLATFORM("amd64")));
	size_t len = strlen(list);
	char words[80];
	put_blob(list, len, words);
	(void)snprintf(list, sizeof(list),
		       "{\"mediaType\":\"" INDEX "\",\"digest\":\"%s\",\"size\":%zu}", words, len);
	put_index(list);
	assert_ok(try(&amd64, &image, err));
	IS("second");
	assert_ok(try(&(struct oci_wish){ .arch = "amd64", .digest = first }, &image, err));
	IS("first");
	put_index("");
	assert_fails(ERROR_NOT_FOUND, try(&amd64, &image, err));
}

static void test_faults(void **state)
{
	(void)state;
	struct oci_image *image = NULL;
	char text[1024], path[160];
	assert_fails(ERROR_NOT_FOUND, try(&amd64, &image, err));
	put("layout/index.json", "{", 1);
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	put_image("", OCI "layer.v1.tar+gzip+encrypted");
	put_index(descriptor(""));
	assert_fails(ERROR_UNSUPPORTED, try(&amd64, &image, err));
	put_image("", "application/vnd.in-toto+json");
	put_index(descriptor(""));
	assert_fails(ERROR_UNSUPPORTED, try(&amd64, &image, err));
	put_image("\"config\":{\"Env\":\"A=b\"}", LAYER);
	put_index(descriptor(""));
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	put_image("\"config\":{\"Cmd\":[7]}", LAYER);
	put_index(descriptor(""));
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	put_image("\"config\":{\"Cmd\":[\"a\\u0000b\"]}", LAYER);
	put_index(descriptor(""));
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	/* Of two of one name the last counts. */
	put_image("\"rootfs\":{\"diff_ids\":[]}", LAYER);
	put_index(descriptor(""));
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	static const char *const descriptors[] = {
		"{\"mediaType\":\"" MANIFEST "\",\"digest\":\"md5:x\",\"size\":1}",
		"{\"mediaType\":\"" MANIFEST "\",\"digest\":\"sha256:00\",\"size\":1}",
		"{\"mediaType\":\"" MANIFEST
		"\",\"digest\":\"sha256:../../../../../../../../../../../"
		"../../../../../../etc/passwd/x\",\"size\":1}",
		"{\"mediaType\":\"" MANIFEST "\",\"size\":1}", "7"
	};
	for (size_t i = 0; i < 5; i++) {
		put_index(descriptors[i]);
		assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	}
	/* A size and a digest that are not so; schema 1. */
	put_image("", LAYER);
	(void)snprintf(text, sizeof(text), "{\"digest\":\"%s\",\"size\":7}", manifest);
	put_index(text);
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
	(void)snprintf(text, sizeof(text), "{\"digest\":\"%s\",\"size\":5000000}", manifest);
	put_index(text);
	assert_fails(ERROR_LIMIT, try(&amd64, &image, err));
	put_index("{\"mediaType\":\"application/vnd.docker.distribution.manifest.v1+prettyjws\","
		  "\"digest\":\"sha256:"
		  "0000000000000000000000000000000000000000000000000000000000000000\",\"size\":1}");
	assert_fails(ERROR_UNSUPPORTED, try(&amd64, &image, err));
	put_index(descriptor(""));
	assert_ok(try(&amd64, &image, err));
	oci_free(&image);
	(void)snprintf(path, sizeof(path), "layout/blobs/sha256/%s", manifest + 7);
	memset(text, ' ', manifest_len);
	put(path, text, manifest_len);
	assert_fails(ERROR_DAMAGED, try(&amd64, &image, err));
}

/* An index that leads to itself cannot be written; a long row of them can. */
static void test_nested(void **state)
{
	(void)state;
	struct oci_image *image = NULL;
	char text[1024], words[80];
	put_image("", LAYER);
	(void)snprintf(text, sizeof(text), "{\"manifests\":[%s]}", descriptor(""));
	for (int i = 0; i < 6; i++) {
		size_t len = strlen(text);
		put_blob(text, len, words);
		(void)snprintf(text, sizeof(text),
			       "{\"manifests\":[{\"mediaType\":\"" INDEX
			       "\",\"digest\":\"%s\",\"size\":%zu}]}",
			       words, len);
		put("layout/index.json", text, strlen(text));
		if (i < 3) {
			assert_ok(try(&amd64, &image, err));
			oci_free(&image);
		}
	}
	assert_fails(ERROR_LIMIT, try(&amd64, &image, err));
}

/* Twelve times an index of twelve times an index of...: 1884 are to be read. */
static void test_many_indexes(void **state)
{
	(void)state;
	struct oci_image *image = NULL;
	struct oci_wish wish = { .arch = "amd64" };
	char text[4096] = "{\"manifests\":[]}", words[80], digest[80] = "sha256:";
	memset(digest + 7, '0', 64);
	wish.digest = digest;
	for (int depth = 0; depth < 3; depth++) {
		size_t size = strlen(text);
		put_blob(text, size, words);
		size_t len = (size_t)snprintf(text, sizeof(text), "{\"manifests\":[");
		for (int i = 0; i < 12; i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%s{\"mediaType\":\"" INDEX
						"\",\"digest\":\"%s\",\"size\":%zu}",
						i ? "," : "", words, size);
		(void)snprintf(text + len, sizeof(text) - len, "]}");
		put("layout/index.json", text, strlen(text));
		/* 12; 156; 1884. */
		assert_fails(depth < 2 ? ERROR_NOT_FOUND : ERROR_LIMIT, try(&wish, &image, err));
	}
}

/* A file in place of layers: of its type, alone, and with its digest. */
static void test_file(void **state)
{
	(void)state;
	struct oci_blob blob = { .size = 0 };
	char all[1024], path[128];
	CLEANUP_FD int layout = open_folder("layout");
	put_image("", "application/x-file");
	put_index(descriptor(""));
	assert_ok(oci_find_file(layout, &amd64, "application/x-file", &blob, err));
	assert_int_equal(blob.size, 5);
	CLEANUP_FD int fd = oci_blob_open_checked(layout, &blob, NULL);
	assert_true(fd >= 0);
	assert_fails(ERROR_UNSUPPORTED, oci_find_file(layout, &amd64, LAYER, &blob, err));
	/* Other bytes under its name, as many and more. */
	(void)snprintf(path, sizeof(path), "layout/blobs/sha256/%s", layer + strlen("sha256:"));
	put(path, "LAYER", 5);
	assert_fails(ERROR_DAMAGED, oci_blob_open_checked(layout, &blob, err));
	put(path, "layer and", 9);
	assert_fails(ERROR_DAMAGED, oci_blob_open_checked(layout, &blob, err));
	/* None, and two. */
	static const char *const lists[] = { "", "{},{}" };
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		int n = snprintf(all, sizeof(all), "{\"schemaVersion\":2,\"layers\":[%s]}",
				 lists[i]);
		put_blob(all, (size_t)n, manifest);
		manifest_len = (size_t)n;
		put_index(descriptor(""));
		assert_fails(ERROR_UNSUPPORTED,
			     oci_find_file(layout, &amd64, "application/x-file", &blob, err));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_LAYOUT(test_one),	      IN_LAYOUT(test_no_config), IN_LAYOUT(test_choice),
		IN_LAYOUT(test_file),	      IN_LAYOUT(test_faults),	 IN_LAYOUT(test_nested),
		IN_LAYOUT(test_many_indexes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
