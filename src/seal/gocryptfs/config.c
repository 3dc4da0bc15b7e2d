/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gocryptfs.conf: read, vetted, written, and turned into keys (encryption.md 4.3 and 4.4).
 *
 * The file says how a password becomes the key of the content, in steps of which each has its
 * reason:
 *
 *     password --scrypt--> S --HKDF--> KEK --opens EncryptedKey--> master key --HKDF--> content key
 *
 * scrypt makes guessing slow. HKDF makes of either a key for one use alone: its info names the
 * cipher, so that no two ciphers ever have the same key. The master key is random, so that the
 * password can be changed without the content. That EncryptedKey authenticates is the only proof
 * that the password was the right one: until then everything in the file is an enemy's word, and
 * scrypt's cost, which the file chooses, is paid before it. Hence the limits of format.h on memory
 * and work, and crypto_kdf_check, which asks whether this machine has the memory now.
 *
 * It is read by a closed list: version 2, and the three features that Apptainer's images have. Any
 * other feature would mean that names or content are encrypted in another way; a name that is not
 * known is refused and not passed over, as gocryptfs itself does. Members besides those read here
 * (Creator, and what later versions add) change nothing for content, and are passed over.
 */
#include "seal/gocryptfs/internal.h"

#include <ctype.h>
#include <json.h>
#include <limits.h>
#include <string.h>

#include "config.h"

/* encryption.md 4.3: all three are needed, in any order; the rest is for other modes. */
static const char *const needed_flags[] = { "HKDF", "GCMIV128", "PlaintextNames" };
#define NEEDED_FLAGS (sizeof(needed_flags) / sizeof(needed_flags[0]))

static int damaged(struct error **err, const char *what)
{
	return error_set(err, ERROR_DAMAGED, "gocryptfs.conf: %s is missing or wrong", what);
}

static json_object *member(json_object *o, const char *name, json_type type)
{
	json_object *value = NULL;
	if (!json_object_object_get_ex(o, name, &value) || !json_object_is_type(value, type))
		return NULL;
	return value;
}

/* json-c cuts integers to 64 bits; what it has cut is over every limit all the same. */
static int get_number(json_object *o, const char *name, int64_t least, int64_t most, int64_t *ret,
		      struct error **err)
{
	json_object *value = member(o, name, json_type_int);
	int64_t v = value ? json_object_get_int64(value) : 0;
	if (!value || v < least)
		return damaged(err, name);
	if (v > most)
		return error_set(err, ERROR_LIMIT,
				 "gocryptfs.conf: %s of %lld is over the limit of %lld", name,
				 (long long)v, (long long)most);
	*ret = v;
	return 0;
}

/* Base64 of a bounded length; ret has room for `most`. */
static int get_bytes(json_object *o, const char *name, size_t least, size_t most, uint8_t *ret,
		     size_t *ret_len, struct error **err)
{
	uint8_t out[SALT_MAX + 8]; /* the bound of the decoder is a little generous */
	json_object *value = member(o, name, json_type_string);
	size_t len = value ? (size_t)json_object_get_string_len(value) : 0, out_len;
	if (!value || base64_decoded_max(len) > sizeof(out) ||
	    !base64_decode(json_object_get_string(value), len, false, out, &out_len) ||
	    out_len < least || out_len > most)
		return damaged(err, name);
	memcpy(ret, out, out_len);
	*ret_len = out_len;
	return 0;
}

/* Each needed one must be there, once or more; any other is refused by its name. */
static int check_flags(json_object *root, struct error **err)
{
	unsigned seen = 0;
	json_object *flags = member(root, "FeatureFlags", json_type_array);
	size_t count = flags ? json_object_array_length(flags) : 0;
	if (!flags || count > FLAGS_MAX)
		return damaged(err, "FeatureFlags");
	for (size_t i = 0; i < count; i++) {
		json_object *flag = json_object_array_get_idx(flags, i);
		if (!json_object_is_type(flag, json_type_string))
			return damaged(err, "FeatureFlags");
		const char *name = json_object_get_string(flag);
		size_t j = 0, len = (size_t)json_object_get_string_len(flag);
		while (j < NEEDED_FLAGS && strcmp(name, needed_flags[j]) != 0)
			j++;
		if (j < NEEDED_FLAGS && strlen(name) == len) {
			seen |= 1U << j;
			continue;
		}
		/* The name goes to a terminal: only what looks like one is shown. */
		bool plain = len > 0 && len <= 32;
		for (size_t k = 0; k < len; k++)
			plain = plain && isalnum((unsigned char)name[k]);
		return error_set(err, ERROR_UNSUPPORTED,
				 "gocryptfs.conf: the feature %s is not supported",
				 plain ? name : "with an odd name");
	}
	for (size_t j = 0; j < NEEDED_FLAGS; j++)
		if (!(seen & 1U << j))
			return error_set(err, ERROR_UNSUPPORTED,
					 "gocryptfs.conf: an image without the feature %s is not "
					 "supported",
					 needed_flags[j]);
	return 0;
}

static int get_scrypt(json_object *root, struct gocryptfs_config *ret, struct error **err)
{
	/*
	 * Each factor alone is held to what the product allows when the others are at their least.
	 * Then none is so large that the products could overflow, and the products are looked at.
	 */
	int64_t n = 0, r = 0, p = 0, key_len = 0;
	json_object *scrypt = member(root, "ScryptObject", json_type_object);
	if (!scrypt)
		return damaged(err, "ScryptObject");
	if (get_bytes(scrypt, "Salt", SALT_MIN, SALT_MAX, ret->salt, &ret->salt_len, err) < 0 ||
	    get_number(scrypt, "R", R_MIN, SCRYPT_MEMORY_MAX / 128 / N_MIN, &r, err) < 0 ||
	    get_number(scrypt, "N", N_MIN, SCRYPT_MEMORY_MAX / 128 / R_MIN, &n, err) < 0 ||
	    get_number(scrypt, "P", P_MIN, SCRYPT_WORK_MAX / N_MIN / R_MIN, &p, err) < 0 ||
	    get_number(scrypt, "KeyLen", KEY_LEN, KEY_LEN, &key_len, err) < 0)
		return -1;
	/* RFC 7914, 2: a power of two. */
	if (n & (n - 1))
		return damaged(err, "N");
	/* No factor has more than 21 bits. */
	uint64_t memory = 128 * (uint64_t)r * (uint64_t)n;
	uint64_t work = (uint64_t)n * (uint64_t)r * (uint64_t)p;
	if (memory > SCRYPT_MEMORY_MAX || work > SCRYPT_WORK_MAX)
		return error_set(err, ERROR_LIMIT,
				 "gocryptfs.conf: the cost of scrypt (N %lld, R %lld, P %lld) is "
				 "over the limit",
				 (long long)n, (long long)r, (long long)p);
	ret->n = (uint64_t)n;
	ret->r = (uint32_t)r;
	ret->p = (uint32_t)p;
	return 0;
}

static int get_config(json_object *root, struct gocryptfs_config *ret, struct error **err)
{
	int64_t version;
	size_t len;
	json_object *value = member(root, "Version", json_type_int);
	version = value ? json_object_get_int64(value) : 0;
	if (!value)
		return damaged(err, "Version");
	if (version != VERSION)
		return error_set(err, ERROR_UNSUPPORTED,
				 "gocryptfs.conf: version %lld is not supported",
				 (long long)version);
	/* The flags first: they say why the rest looks different. */
	if (check_flags(root, err) < 0 || get_scrypt(root, ret, err) < 0 ||
	    get_bytes(root, "EncryptedKey", WRAPPED_LEN, WRAPPED_LEN, ret->wrapped, &len, err) < 0)
		return -1;
	return 0;
}

/* json-c checks the syntax, strictly and to the last byte; what is said is judged above. */
int gocryptfs_config_parse(const char *conf, size_t len, struct gocryptfs_config *ret,
			   struct error **err)
{
	struct gocryptfs_config config = { 0 };
	if (len > GOCRYPTFS_CONF_MAX)
		return error_set(err, ERROR_LIMIT, "gocryptfs.conf has %zu bytes", len);
	struct json_tokener *tokener = json_tokener_new_ex(CONF_DEPTH_MAX);
	if (!tokener)
		return error_set(err, ERROR_MEMORY, "out of memory");
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	json_object *root = json_tokener_parse_ex(tokener, conf, (int)len);
	bool parsed = json_tokener_get_error(tokener) == json_tokener_success;
	bool whole = parsed && json_tokener_get_parse_end(tokener) == len;
	json_tokener_free(tokener);
	int r;
	/* An object that is none for want of memory is no error to json-c 0.16. */
	if (parsed && !root && len && *conf == '{')
		r = error_set(err, ERROR_MEMORY, "out of memory");
	else if (!whole || !json_object_is_type(root, json_type_object))
		r = error_set(err, ERROR_DAMAGED, "gocryptfs.conf is not valid JSON");
	else
		r = get_config(root, &config, err);
	json_object_put(root);
	if (r == 0)
		*ret = config;
	return r;
}

int gocryptfs_config_print(const struct gocryptfs_config *config, struct buffer *ret,
			   struct error **err)
{
	/* In the order and the form of gocryptfs itself. */
	struct buffer key CLEANUP_BUFFER = { 0 }, salt CLEANUP_BUFFER = { 0 };
	if (base64_encode(config->wrapped, WRAPPED_LEN, 0, &key, err) < 0 ||
	    base64_encode(config->salt, config->salt_len, 0, &salt, err) < 0)
		return -1;
	return buffer_printf(ret, err,
			     "{\n"
			     "\t\"Creator\": \"coffer " COFFER_VERSION "\",\n"
			     "\t\"EncryptedKey\": \"%s\",\n"
			     "\t\"ScryptObject\": {\n"
			     "\t\t\"Salt\": \"%s\",\n"
			     "\t\t\"N\": %llu,\n"
			     "\t\t\"R\": %u,\n"
			     "\t\t\"P\": %u,\n"
			     "\t\t\"KeyLen\": %d\n"
			     "\t},\n"
			     "\t\"Version\": %d,\n"
			     "\t\"FeatureFlags\": [\n"
			     "\t\t\"%s\",\n"
			     "\t\t\"%s\",\n"
			     "\t\t\"%s\"\n"
			     "\t]\n"
			     "}\n",
			     key.data, salt.data, (unsigned long long)config->n, config->r,
			     config->p, KEY_LEN, VERSION, needed_flags[0], needed_flags[1],
			     needed_flags[2]);
}

int gocryptfs_check_password(const struct secret *password, struct error **err)
{
	if (secret_size(password) > PASSWORD_MAX)
		return error_set(err, ERROR_KEY_INVALID,
				 "maximum password length of %d bytes exceeded", PASSWORD_MAX);
	/* gocryptfs takes one line: it would never see what follows. */
	if (memchr(secret_bytes(password), '\n', secret_size(password)))
		return error_set(err, ERROR_KEY_INVALID, "the passphrase has more than one line");
	return 0;
}

int gocryptfs_config_kek(const struct gocryptfs_config *config, const struct secret *password,
			 struct crypto_gcm **ret, struct error **err)
{
	struct secret *scrypted CLEANUP_SECRET = NULL, *kek CLEANUP_SECRET = NULL;
	/*
	 * What scrypt takes (RFC 7914, 2): the large vector and the blocks. Before that is paid
	 * for, a password that cannot be one is refused, and memory that is not there.
	 */
	uint64_t memory = 128 * (uint64_t)config->r * (config->n + config->p);
	if (gocryptfs_check_password(password, err) < 0 ||
	    crypto_kdf_check("/", "gocryptfs.conf", memory, err) < 0 ||
	    crypto_scrypt(password, config->salt, config->salt_len, config->n, config->r, config->p,
			  KEY_LEN, &scrypted, err) < 0 ||
	    crypto_hkdf_sha256(scrypted, CONTENT_INFO, KEY_LEN, &kek, err) < 0)
		return -1;
	return crypto_gcm_new(kek, ret, err);
}

/* The same info as for the KEK: what differs is the input, which is never the same for both. */
int gocryptfs_content_key(const struct secret *master, struct crypto_gcm **ret, struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	if (crypto_hkdf_sha256(master, CONTENT_INFO, KEY_LEN, &key, err) < 0)
		return -1;
	return crypto_gcm_new(key, ret, err);
}
