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
#include <limits.h>
#include <string.h>

#include "config.h"
#include "json/json.h"

/* encryption.md 4.3: all three are needed, in any order; the rest is for other modes. */
static const char *const needed_flags[] = { "HKDF", "GCMIV128", "PlaintextNames" };
#define NEEDED_FLAGS (sizeof(needed_flags) / sizeof(needed_flags[0]))

/* Base64 of a bounded length; ret has room for `most`. */
static int get_bytes(const struct json_at *at, const char *name, size_t least, size_t most,
		     uint8_t *ret, size_t *ret_len, struct error **err)
{
	uint8_t out[SALT_MAX + 8]; /* the bound of the decoder is a little generous */
	const char *text;
	size_t out_len;
	if (json_get_text(at, name, &text, err) < 0)
		return -1;
	size_t len = strlen(text);
	if (base64_decoded_max(len) > sizeof(out) ||
	    !base64_decode(text, len, false, out, &out_len) || out_len < least || out_len > most)
		return json_damaged(at, name, "is not base64 of the right length", err);
	memcpy(ret, out, out_len);
	*ret_len = out_len;
	return 0;
}

/* Each needed one must be there, once or more; any other is refused by its name. */
static int check_flags(const struct json_at *root, struct error **err)
{
	unsigned seen = 0;
	struct json_at flags;
	if (json_get(root, "FeatureFlags", JSON_LIST, &flags, err) < 0)
		return -1;
	if (json_count(&flags) > FLAGS_MAX)
		return json_damaged(root, "FeatureFlags", "has too many items", err);
	for (size_t i = 0; i < json_count(&flags); i++) {
		const struct json_at flag = json_item(&flags, i);
		size_t j = 0, len = 0;
		const char *name = json_text(&flag, &len);
		if (!name)
			return json_damaged(&flag, "", "is not a text", err);
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

static int get_scrypt(const struct json_at *root, struct gocryptfs_config *ret, struct error **err)
{
	/*
	 * Each factor alone is held to what the product allows when the others are at their least.
	 * Then none is so large that the products could overflow, and the products are looked at.
	 */
	uint64_t n = 0, r = 0, p = 0, key_len = 0;
	struct json_at scrypt;
	if (json_get(root, "ScryptObject", JSON_OBJECT, &scrypt, err) < 0 ||
	    get_bytes(&scrypt, "Salt", SALT_MIN, SALT_MAX, ret->salt, &ret->salt_len, err) < 0 ||
	    json_get_number(&scrypt, "R", R_MIN, SCRYPT_MEMORY_MAX / 128 / N_MIN, &r, err) < 0 ||
	    json_get_number(&scrypt, "N", N_MIN, SCRYPT_MEMORY_MAX / 128 / R_MIN, &n, err) < 0 ||
	    json_get_number(&scrypt, "P", P_MIN, SCRYPT_WORK_MAX / N_MIN / R_MIN, &p, err) < 0 ||
	    json_get_number(&scrypt, "KeyLen", KEY_LEN, KEY_LEN, &key_len, err) < 0)
		return -1;
	/* RFC 7914, 2: a power of two. */
	if (n & (n - 1))
		return json_damaged(&scrypt, "N", "is not a power of two", err);
	/* No factor has more than 21 bits. */
	uint64_t memory = 128 * r * n;
	uint64_t work = n * r * p;
	if (memory > SCRYPT_MEMORY_MAX || work > SCRYPT_WORK_MAX)
		return error_set(err, ERROR_LIMIT,
				 "gocryptfs.conf: the cost of scrypt (N %llu, R %llu, P %llu) is "
				 "over the limit",
				 (unsigned long long)n, (unsigned long long)r,
				 (unsigned long long)p);
	ret->n = n;
	ret->r = (uint32_t)r;
	ret->p = (uint32_t)p;
	return 0;
}

static int get_config(const struct json_at *root, struct gocryptfs_config *ret, struct error **err)
{
	uint64_t version;
	size_t len;
	if (json_get_number(root, "Version", 0, UINT64_MAX, &version, err) < 0)
		return -1;
	if (version != VERSION)
		return error_set(err, ERROR_UNSUPPORTED,
				 "gocryptfs.conf: version %llu is not supported",
				 (unsigned long long)version);
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
	static const struct json_limits limits = {
		.what = "gocryptfs.conf",
		.bytes = GOCRYPTFS_CONF_MAX,
		.depth = CONF_DEPTH_MAX,
		.values = GOCRYPTFS_CONF_MAX,
	};
	struct gocryptfs_config config = { 0 };
	CLEANUP_JSON struct json *j = NULL;
	if (json_read(conf, len, &limits, &j, err) < 0) {
		/* What is nested deeper than any of gocryptfs's is none. */
		if (error_kind(*err) == ERROR_LIMIT && len <= limits.bytes)
			return error_set_kind(err, ERROR_DAMAGED);
		return -1;
	}
	const struct json_at root = json_root(j);
	if (json_kind(&root) != JSON_OBJECT)
		return json_damaged(&root, "", "is not an object", err);
	if (get_config(&root, &config, err) < 0)
		return -1;
	*ret = config;
	return 0;
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
			 enum crypto_direction direction, struct crypto_gcm **ret,
			 struct error **err)
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
	    crypto_hkdf_sha256(scrypted, NULL, 0, CONTENT_INFO, KEY_LEN, &kek, err) < 0)
		return -1;
	return crypto_gcm_new(kek, direction, ret, err);
}

/* The same info as for the KEK: what differs is the input, which is never the same for both. */
int gocryptfs_content_key(const struct secret *master, enum crypto_direction directions,
			  struct crypto_gcm **ret, struct error **err)
{
	struct secret *key CLEANUP_SECRET = NULL;
	if (crypto_hkdf_sha256(master, NULL, 0, CONTENT_INFO, KEY_LEN, &key, err) < 0)
		return -1;
	return crypto_gcm_new(key, directions, ret, err);
}
