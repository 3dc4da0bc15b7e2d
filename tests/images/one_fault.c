/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images with one fault each, made in memory from a good one: bits of headers, fields set to 0, 1,
 * the largest value and their neighbours, ends cut off at each 4 KiB, a byte in each block of data.
 * Whatever it is, opening and reading the whole tree is either refused, with a kind of error that
 * fits, or gives exactly the right bytes; in MEMORY_MAX of memory, in no more than TIME_MAX, and
 * with no descriptor left over. Leaks are found where this runs under AddressSanitizer.
 *
 * With COFFER_THOROUGH in the environment it is each bit; else, to be quick, one bit of each byte.
 *
 * What costs time and is the same again and again is remembered: key derivations of the same
 * input, decryptions of the same message.
 */
#include "unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "image/image.h"
#include "rsa.h"
#include "seal/luks2/internal.h"

#define MEMORY_MAX ((rlim_t)(64 + 16) << 20) /* the cache is among it */
#define TIME_MAX 20
#define PIECE 4096
#define RSA_LEN 256

#define KIND(k) (1u << (k))
#define DAMAGED KIND(ERROR_DAMAGED)
#define UNSUPPORTED KIND(ERROR_UNSUPPORTED)
#define WRONG_KEY KIND(ERROR_KEY_WRONG)
#define LIMIT KIND(ERROR_LIMIT)
#define NOT_FOUND KIND(ERROR_NOT_FOUND)
#define ANY_OF_BYTES (DAMAGED | UNSUPPORTED | LIMIT)

/* ------------------------------------------------------------------ what is remembered */

int __real_luks2_unlock(const struct luks2_header *header, struct source *device,
			const struct secret *passphrase, struct secret **ret, struct error **why);
int __wrap_luks2_unlock(const struct luks2_header *header, struct source *device,
			const struct secret *passphrase, struct secret **ret, struct error **why);

static bool keyslots_touched; /* the fault is in what the header leads to */

int __wrap_luks2_unlock(const struct luks2_header *header, struct source *device,
			const struct secret *passphrase, struct secret **ret, struct error **why)
{
	static struct luks2_header known;
	static struct secret *key, *known_passphrase;
	if (key && !keyslots_touched && !memcmp(header, &known, sizeof(known)) &&
	    secret_equal(passphrase, known_passphrase))
		return secret_copy(secret_bytes(key), secret_size(key), ret, why);
	int r = __real_luks2_unlock(header, device, passphrase, ret, why);
	if (r == 0 && !key) {
		known = *header;
		assert_ok(secret_copy(secret_bytes(*ret), secret_size(*ret), &key, err));
		assert_ok(secret_copy(secret_bytes(passphrase), secret_size(passphrase),
				      &known_passphrase, err));
	}
	return r;
}

int __real_crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len,
			 uint64_t n, uint32_t r, uint32_t p, size_t len, struct secret **ret,
			 struct error **why);
int __wrap_crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len,
			 uint64_t n, uint32_t r, uint32_t p, size_t len, struct secret **ret,
			 struct error **why);

int __wrap_crypto_scrypt(const struct secret *password, const void *salt, size_t salt_len,
			 uint64_t n, uint32_t r, uint32_t p, size_t len, struct secret **ret,
			 struct error **why)
{
	static uint8_t known_salt[256];
	static size_t known_len;
	static uint64_t cost[3];
	static struct secret *key, *known_password;
	const uint64_t now[] = { n, r, p };
	if (key && salt_len == known_len && !memcmp(salt, known_salt, salt_len) &&
	    !memcmp(cost, now, sizeof(cost)) && secret_equal(password, known_password))
		return secret_copy(secret_bytes(key), len, ret, why);
	int result = __real_crypto_scrypt(password, salt, salt_len, n, r, p, len, ret, why);
	if (result == 0 && !key) {
		memcpy(known_salt, salt, salt_len);
		known_len = salt_len;
		memcpy(cost, now, sizeof(cost));
		assert_ok(secret_copy(secret_bytes(*ret), len, &key, err));
		assert_ok(secret_copy(secret_bytes(password), secret_size(password),
				      &known_password, err));
	}
	return result;
}

int __real_crypto_rsa_decrypt(struct crypto_rsa *rsa, const char *label, const void *in,
			      struct secret **ret, struct error **why);
int __wrap_crypto_rsa_decrypt(struct crypto_rsa *rsa, const char *label, const void *in,
			      struct secret **ret, struct error **why);

/* One piece is the whole of a wrapped key here. */
int __wrap_crypto_rsa_decrypt(struct crypto_rsa *rsa, const char *label, const void *in,
			      struct secret **ret, struct error **why)
{
	static uint8_t known[RSA_LEN];
	static struct secret *secret;
	if (secret && !memcmp(in, known, sizeof(known)))
		return secret_copy(secret_bytes(secret), secret_size(secret), ret, why);
	int r = __real_crypto_rsa_decrypt(rsa, label, in, ret, why);
	if (r == 0) {
		secret_free(&secret);
		memcpy(known, in, sizeof(known));
		assert_ok(secret_copy(secret_bytes(*ret), secret_size(*ret), &secret, err));
	}
	return r;
}

/* ------------------------------------------------------------------ the good image */

struct piece {
	size_t off, len;
};

static const char *kind_name;
static const struct seal *sealed_by;
static struct key *run_key;
static uint8_t *good;
static size_t good_len;
static int fd = -1; /* the image, as a memory file */
static char path[64];
static uint64_t good_digest;
static struct piece partition, message, object;
static bool for_recipient; /* the image is, in the place of an RSA key */

static char folder[] = "/var/tmp/coffer-faults-XXXXXX";

static void save(const char *name, const void *data, size_t len)
{
	char whole[sizeof(folder) + 32];
	snprintf(whole, sizeof(whole), "%s/%s", folder, name);
	int f CLEANUP_FD = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(f >= 0);
	assert_int_equal(fd_write(f, data, len), 0);
}

static struct key *make_key(enum key_use use, const char *name)
{
	char whole[sizeof(folder) + 32];
	struct key *k = NULL;
	snprintf(whole, sizeof(whole), "%s/%s", folder, name);
	const struct key_request request = { .use = use, .pem_path = whole };
	assert_ok(key_choose(&request, &k, err));
	return k;
}

/* age-encryption.org/v1, "The X25519 recipient type" */
#define AGE_IDENTITY "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX"
#define AGE_RECIPIENT "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj"

static struct key *make_age_key(enum key_use use)
{
	struct strings words CLEANUP_STRINGS = { 0 };
	struct key *k = NULL;
	assert_ok(use == KEY_FOR_BUILD ? strings_add(&words, AGE_RECIPIENT, err)
				       : strings_addf(&words, err, "%s/identity", folder));
	const struct key_request request = {
		.use = use,
		.recipients = use == KEY_FOR_BUILD ? &words : NULL,
		.identities = use == KEY_FOR_RUN ? &words : NULL,
	};
	assert_ok(key_choose(&request, &k, err));
	return k;
}

static void make_tree(void)
{
	char whole[sizeof(folder) + 32], noise[9 * PIECE + 77];
	uint64_t state = 1;
	for (size_t i = 0; i < sizeof(noise); i++) {
		state = state * UINT64_C(6364136223846793005) + 1442695040888963407u;
		noise[i] = (char)(state >> 56);
	}
	snprintf(whole, sizeof(whole), "%s/tree", folder);
	assert_int_equal(mkdir(whole, 0755), 0);
	snprintf(whole, sizeof(whole), "%s/tree/dir", folder);
	assert_int_equal(mkdir(whole, 0755), 0);
	save("tree/noise", noise, sizeof(noise));
	save("tree/dir/text", "text\n", 5);
	save("tree/empty", "", 0);
	snprintf(whole, sizeof(whole), "%s/tree/link", folder);
	assert_int_equal(symlink("dir/text", whole), 0);
}

static int make_folder(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(folder));
	save("private", FUZZ_RSA_PRIVATE, strlen(FUZZ_RSA_PRIVATE));
	save("public", FUZZ_RSA_PUBLIC, strlen(FUZZ_RSA_PUBLIC));
	save("identity", AGE_IDENTITY, strlen(AGE_IDENTITY));
	make_tree();
	run_key = make_key(KEY_FOR_RUN, "private");
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[sizeof(folder) + 16];
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	key_free(&run_key);
	return system(command);
}

/* ------------------------------------------------------------------ reading all of it */

static void mix(uint64_t *digest, const void *data, size_t len)
{
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++)
		*digest = (*digest ^ p[i]) * UINT64_C(0x100000001b3);
	*digest ^= *digest >> 31;
}

struct walk {
	struct squash *sq;
	squash_ref refs[32];
	size_t count;
	uint64_t digest;
};

static int each(void *context, const struct squash_dirent *e, uint64_t next)
{
	struct walk *w = context;
	(void)next;
	mix(&w->digest, e->name, e->len);
	if (w->count < 32)
		w->refs[w->count++] = e->ref;
	return 0;
}

static int read_one(struct walk *w, const struct squash_inode *in, struct error **err)
{
	static char buf[16 * PIECE];
	const uint64_t facts[] = { in->mode, in->size, in->uid, in->gid, in->mtime, in->links };
	mix(&w->digest, facts, sizeof(facts));
	if (S_ISDIR(in->mode))
		return squash_readdir(w->sq, in, 0, each, w, err);
	if (S_ISLNK(in->mode)) {
		if (squash_readlink(w->sq, in, buf, sizeof(buf), err) < 0)
			return -1;
		mix(&w->digest, buf, in->size);
		return 0;
	}
	/* A size that is not the file's own is in the digest already; the kernel reads no further.
	 */
	ssize_t n = S_ISREG(in->mode) ? squash_read(w->sq, in, buf, sizeof(buf), 0, err) : 0;
	if (n > 0)
		mix(&w->digest, buf, (size_t)n);
	return n < 0 ? -1 : 0;
}

/* The whole road: open, unseal, walk, read. */
static int read_all(uint64_t *ret_digest, bool *ret_same_kind, struct error **err)
{
	struct image *img CLEANUP_IMAGE = NULL;
	struct image_tree *tree CLEANUP_IMAGE_TREE = NULL;
	if (image_open(path, &img, err) < 0)
		return -1;
	/*
	 * Nothing vouches for an image's kind: who makes an encrypted one a plain one might as well
	 * have put another file in its place (SECURITY.md). It is told apart, not compared.
	 */
	*ret_same_kind = image_seal(img) == sealed_by;
	if (image_unseal(img, image_is_encrypted(img) ? run_key : NULL, NULL, &tree, err) < 0)
		return -1;
	struct walk w = { .sq = tree->squash, .refs = { squash_root(tree->squash) }, .count = 1 };
	for (size_t i = 0; i < w.count; i++) {
		struct squash_inode in;
		if (squash_inode(w.sq, w.refs[i], &in, err) < 0 || read_one(&w, &in, err) < 0)
			return -1;
	}
	*ret_digest = w.digest;
	return 0;
}

static void make_image(const struct seal *which, const char *name)
{
	struct key *build_key CLEANUP_KEY = !which	    ? NULL
					    : for_recipient ? make_age_key(KEY_FOR_BUILD)
							    : make_key(KEY_FOR_BUILD, "public");
	char whole[sizeof(folder) + 32];
	struct image *img CLEANUP_IMAGE = NULL;
	sealed_by = which;
	kind_name = name;
	fd_close(&fd);
	fd = memfd_create("image", MFD_CLOEXEC);
	assert_true(fd >= 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(whole, sizeof(whole), "%s/tree", folder);
	int root CLEANUP_FD = open(whole, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct image_json json = { "inspect-metadata.json", "{}", 2 };
	struct image_pack_plan plan = {
		.root = root,
		.definition = "bootstrap: scratch\n",
		.definition_len = 19,
		.json = &json,
		.json_count = 1,
		.arch = sif_arch_native(),
		.seal = which,
		.key = build_key,
		.sif = { .time = 1700000000 },
		.squash = { .codec = SQUASH_GZIP,
			    .block_size = PIECE,
			    .all_root = true,
			    .clamp_time = true,
			    .time = 1700000000,
			    .threads = 1 },
	};
	assert_ok(image_pack(&plan, fd, err));
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	free(good);
	good_len = (size_t)st.st_size;
	good = malloc(good_len);
	assert_non_null(good);
	assert_int_equal(fd_pread(fd, good, good_len, 0), good_len);
	bool same_kind;
	assert_ok(read_all(&good_digest, &same_kind, err));
	assert_true(same_kind);
	assert_ok(image_open(path, &img, err));
	partition = (struct piece){ img->root->off, img->root->len };
	const struct sif_descriptor *d = image_wrapped_key(img);
	message = d ? (struct piece){ d->off, d->len } : (struct piece){ 0 };
	const struct sif_descriptor *o = sif_key_object(img->sif, img->root->descriptor);
	object = o ? (struct piece){ o->off, o->len } : (struct piece){ 0 };
	/* Behind the end of a line a message is the same text one byte further ahead: no fault. The
	 * last byte of a volume is any byte, and another one the next time. */
	if (message.len && good[message.off - 1] == '\n')
		make_image(which, name);
}

/* ------------------------------------------------------------------ one fault */

static struct {
	unsigned same, refused, other;
} seen;

/* What may be read where the fault is not refused. */
enum otherwise { RIGHT_BYTES, ANY_BYTES, NO_BYTES };

/* Reads the image as it is now in the memory file. */
static void judge(const char *what, size_t off, unsigned kinds, enum otherwise bytes)
{
	struct error *err CLEANUP_ERROR = NULL;
	uint64_t digest = 0;
	int lowest = dup(0);
	close(lowest);
	alarm(TIME_MAX);
	bool same_kind = true;
	int r = read_all(&digest, &same_kind, &err);
	alarm(0);
	int after = dup(0);
	close(after);
	if (after != lowest)
		fail_msg("%s, %s at %zu: a descriptor is left open", kind_name, what, off);
	if (r < 0 && !(kinds & KIND(error_kind(err))))
		fail_msg("%s, %s at %zu: refused as kind %d: %s", kind_name, what, off,
			 (int)error_kind(err), error_message(err));
	if (r == 0 && bytes == NO_BYTES)
		fail_msg("%s, %s at %zu: was not refused", kind_name, what, off);
	if (r == 0 && digest != good_digest && bytes == RIGHT_BYTES && same_kind)
		fail_msg("%s, %s at %zu: wrong bytes were read", kind_name, what, off);
	if (r < 0)
		seen.refused++;
	else if (digest == good_digest)
		seen.same++;
	else
		seen.other++;
}

static void put(const void *data, size_t len, size_t off)
{
	assert_int_equal(fd_pwrite(fd, data, len, off), 0);
}

static void with_byte(const char *what, size_t off, uint8_t value, unsigned kinds,
		      enum otherwise bytes)
{
	if (value == good[off])
		return;
	put(&value, 1, off);
	judge(what, off, kinds, bytes);
	put(good + off, 1, off);
}

static unsigned bit_step(void)
{
	return getenv("COFFER_THOROUGH") ? 1 : 8;
}

static unsigned first_bit(size_t i)
{
	return getenv("COFFER_THOROUGH") ? 0 : i * 5 % 8;
}

static void each_bit(const char *what, size_t off, size_t len, unsigned kinds, enum otherwise bytes)
{
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = first_bit(i); bit < 8; bit += bit_step())
			with_byte(what, off + i, good[off + i] ^ (uint8_t)(1u << bit), kinds,
				  bytes);
}

/* What a field that holds v may be set to. */
#define VALUES 9
static uint64_t value(size_t i, uint64_t v)
{
	const uint64_t values[VALUES] = { 0,	 1,	UINT64_MAX, UINT64_MAX >> 1, v - 1,
					  v + 1, v * 2, v / 2,	    good_len /* last */ };
	return values[i];
}

/* A field of len bytes, little endian. */
static void each_value(const char *what, size_t off, size_t len, unsigned kinds,
		       enum otherwise bytes)
{
	struct bytes b = bytes_of(good + off, len);
	uint64_t v = bytes_le(&b, len);
	for (size_t i = 0; i < VALUES; i++) {
		uint8_t raw[8];
		bytes_put_le(raw, value(i, v), len);
		if (!memcmp(raw, good + off, len))
			continue;
		put(raw, len, off);
		judge(what, off, kinds, bytes);
		put(good + off, len, off);
	}
}

/* A field of a header: how another value may be refused (0: never), and what else may be read. */
struct field {
	size_t off, len;
	unsigned kinds;
	enum otherwise bytes;
};

/* ANY_BYTES of a field: where something vouches for what is read, that is less. */
static enum otherwise at_most(enum otherwise field, enum otherwise bytes)
{
	return field == ANY_BYTES ? bytes : field;
}

/* Texts of some length, and what is unused: once in 32 bytes. */
static void each_field(const char *what, size_t at, const struct field *fields, size_t count,
		       unsigned more, enum otherwise bytes)
{
	for (const struct field *f = fields; f < fields + count; f++) {
		unsigned kinds = f->kinds ? f->kinds | more : 0;
		enum otherwise b = at_most(f->bytes, bytes);
		size_t step = f->len > 64 ? 32 : 1;
		for (size_t i = 0; i < f->len; i += step)
			each_bit(what, at + f->off + i, 1, kinds, b);
		each_value(what, at + f->off, f->len < 8 ? f->len : 8, kinds, b);
	}
}
#define EACH_FIELD(what, at, fields, more, bytes) \
	each_field(what, at, fields, sizeof(fields) / sizeof((fields)[0]), more, bytes)

/* At each 4 KiB, and a byte before and behind it. At the very front nothing is left of a SIF. */
static void cut_short(void)
{
	for (size_t at = 0; at < good_len; at += PIECE)
		for (int d = -1; d <= 1; d++) {
			size_t len = at + (size_t)d;
			if ((at == 0 && d < 0) || len >= good_len)
				continue;
			assert_int_equal(ftruncate(fd, (off_t)len), 0);
			judge("cut short", len, len <= PIECE ? DAMAGED | UNSUPPORTED : DAMAGED,
			      RIGHT_BYTES);
			assert_int_equal(ftruncate(fd, (off_t)good_len), 0);
			put(good + len, good_len - len, len);
		}
}

#define TABLE_OFF 4096
#define DESCRIPTOR_LEN 585
#define SIZE_OFF 25 /* in a descriptor: how long its object is */
/* The order of our writer: definition, JSON, partition, message. */
enum { OTHER_SLOTS = 2, PARTITION_SLOT = 2, MESSAGE_SLOT };

static void set_partition_len(size_t len)
{
	uint8_t raw[8];
	bytes_put_le(raw, len, sizeof(raw));
	put(raw, sizeof(raw), TABLE_OFF + PARTITION_SLOT * DESCRIPTOR_LEN + SIZE_OFF);
}

/*
 * The SIF says that its partition is shorter, so that it is for what lies in it to see. used: the
 * bytes that it needs.
 */
static void cut_partition(size_t used)
{
	for (size_t at = 0; at < partition.len; at += PIECE)
		for (int d = -1; d <= 1; d++) {
			size_t len = at + (size_t)d;
			if ((at == 0 && d < 0) || len >= partition.len)
				continue;
			set_partition_len(len);
			judge("partition cut short", len, len < used ? DAMAGED : 0,
			      len < used ? NO_BYTES : RIGHT_BYTES);
		}
	set_partition_len(partition.len);
}

static uint64_t good_le64(size_t off)
{
	struct bytes b = bytes_of(good + off, 8);
	return bytes_le64(&b);
}
#define SQUASH_USED_OFF 40 /* in a superblock: the bytes used */

/* ------------------------------------------------------------------ numbers in JSON */

/* A member whose value is a number, or a text of digits; "": a number that is a member's name. */
struct number {
	const char *name;
	unsigned kinds;
	enum otherwise bytes;
};

/* Writes a text of any length over that of the image, which has json_len bytes. */
typedef void store_json(const char *json, size_t json_len);

/* A text in its quotes: how long it is with them; and whether it is of digits. */
static size_t json_text(const char *at, bool *ret_digits)
{
	size_t len = strcspn(at + 1, "\""), digits = strspn(at + 1, "0123456789");
	*ret_digits = digits && digits == len;
	return len + 2;
}

static void with_number(const struct number *n, const char *json, size_t off, size_t len,
			const char *text, store_json *store)
{
	static char changed[16384];
	char what[128];
	if (strlen(text) == len && !memcmp(json + off, text, len))
		return;
	int n_changed = snprintf(changed, sizeof(changed), "%.*s%s%s", (int)off, json, text,
				 json + off + len);
	assert_true(n_changed > 0 && (size_t)n_changed < sizeof(changed));
	snprintf(what, sizeof(what), "%s %.*s as %s", *n->name ? n->name : "name", (int)len,
		 json + off, text);
	store(changed, (size_t)n_changed);
	judge(what, off, n->kinds, n->bytes);
	store(json, strlen(json));
}

/* Each number is set to what may be thought of; the table must have a line for each. */
static unsigned each_number(const char *json, const struct number *table, store_json *store)
{
	static const char *const values[] = { "-1",
					      "00",
					      "1.5",
					      "4294967295",
					      "4294967296",
					      "9223372036854775807",
					      "18446744073709551616" };
	char member[32] = "", made[24];
	unsigned count = 0;
	for (const char *p = json; *p;) {
		bool digits = true, text = *p == '"';
		size_t len = text ? json_text(p, &digits) : strspn(p, "0123456789");
		bool name = text && p[len] == ':';
		const char *wanted = name && digits ? "" : member;
		if (name && !digits)
			snprintf(member, sizeof(member), "%.*s", (int)len - 2, p + 1);
		if (!digits || !len || (name && !digits)) {
			p += len ? len : 1;
			continue;
		}
		const struct number *n = table;
		while (n->name && strcmp(n->name, wanted) != 0)
			n++;
		if (!n->name)
			fail_msg("%s: the table has no number %s", kind_name, member);
		size_t off = (size_t)(p - json) + text, number_len = len - 2 * text;
		uint64_t v = strtoull(json + off, NULL, 10);
		for (size_t i = 0; i < VALUES - 1; i++) {
			snprintf(made, sizeof(made), "%llu", (unsigned long long)value(i, v));
			with_number(n, json, off, number_len, made, store);
		}
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
			with_number(n, json, off, number_len, values[i], store);
		count++;
		p += len;
	}
	return count;
}

/* ------------------------------------------------------------------ the SIF round it */

/* Another table has other objects, or none of a kind. */
#define OTHER_TABLE (DAMAGED | UNSUPPORTED | NOT_FOUND | WRONG_KEY)
static const struct field header_fields[] = {
	{ 0, 32, 0, RIGHT_BYTES },	     /* launch script */
	{ 32, 9, UNSUPPORTED, NO_BYTES },    /* magic: else it is no SIF at all */
	{ 41, 1, DAMAGED, NO_BYTES },	     /* its end */
	{ 42, 3, UNSUPPORTED, NO_BYTES },    /* version */
	{ 45, 3, 0, RIGHT_BYTES },	     /* architecture: the partition's counts */
	{ 48, 16, 0, RIGHT_BYTES },	     /* UUID */
	{ 64, 8, 0, RIGHT_BYTES },	     /* made */
	{ 72, 8, 0, RIGHT_BYTES },	     /* changed */
	{ 80, 8, DAMAGED, RIGHT_BYTES },     /* free descriptors */
	{ 88, 8, OTHER_TABLE, RIGHT_BYTES }, /* descriptors */
	{ 96, 8, OTHER_TABLE, RIGHT_BYTES }, /* where they are */
	{ 104, 8, DAMAGED, RIGHT_BYTES },    /* how long they are */
	{ 112, 8, 0, RIGHT_BYTES },	     /* where the data is */
	{ 120, 8, 0, RIGHT_BYTES },	     /* how long it is */
};

/* One that opening looks for by its type alone. */
static const struct field other_fields[] = {
	{ 0, 4, OTHER_TABLE, RIGHT_BYTES }, /* type */
	{ 4, 1, 0, RIGHT_BYTES },	    /* used */
	{ 5, 4, 0, RIGHT_BYTES },	    /* id */
	{ 9, 4, 0, RIGHT_BYTES },	    /* group */
	{ 13, 4, 0, RIGHT_BYTES },	    /* link */
	{ 17, 8, DAMAGED, RIGHT_BYTES },    /* where it is */
	{ 25, 8, DAMAGED, RIGHT_BYTES },    /* how long it is */
	{ 33, 8, 0, RIGHT_BYTES },	    /* the same, padded */
	{ 41, 32, 0, RIGHT_BYTES },	    /* times, owner, group */
	{ 73, 128, 0, RIGHT_BYTES },	    /* name */
	{ 201, 384, 0, RIGHT_BYTES },	    /* extra */
};

static const struct field partition_fields[] = {
	{ 0, 4, NOT_FOUND, NO_BYTES },
	{ 4, 1, NOT_FOUND, RIGHT_BYTES }, /* anything but 0 is used */
	{ 5, 4, WRONG_KEY, RIGHT_BYTES }, /* another id has no wrapped key */
	{ 9, 4, 0, RIGHT_BYTES },
	{ 13, 4, 0, RIGHT_BYTES },
	{ 17, 8, DAMAGED, NO_BYTES },
	{ 25, 8, DAMAGED, RIGHT_BYTES },
	{ 33, 8, 0, RIGHT_BYTES },
	{ 41, 32, 0, RIGHT_BYTES },
	{ 73, 128, 0, RIGHT_BYTES },
	{ 201, 4, DAMAGED | UNSUPPORTED | WRONG_KEY, RIGHT_BYTES }, /* file system */
	{ 205, 4, NOT_FOUND, NO_BYTES },			    /* type of partition */
	{ 209, 3, 0, RIGHT_BYTES }, /* architecture: refused at run */
	{ 212, 373, 0, RIGHT_BYTES },
};

/* An image without a wrapped key is one with a passphrase, which a private key does not open. */
static const struct field message_fields[] = {
	{ 0, 4, WRONG_KEY, NO_BYTES },
	{ 4, 1, WRONG_KEY, RIGHT_BYTES },
	{ 5, 4, 0, RIGHT_BYTES },
	{ 9, 4, 0, RIGHT_BYTES },
	{ 13, 4, WRONG_KEY, RIGHT_BYTES }, /* four bits only say that it is no group */
	{ 17, 8, DAMAGED | WRONG_KEY, NO_BYTES },
	{ 25, 8, DAMAGED | WRONG_KEY | LIMIT, RIGHT_BYTES },
	{ 33, 8, 0, RIGHT_BYTES },
	{ 41, 32, 0, RIGHT_BYTES },
	{ 73, 128, 0, RIGHT_BYTES },
	{ 201, 4, WRONG_KEY, NO_BYTES }, /* format */
	{ 205, 4, WRONG_KEY, NO_BYTES }, /* kind */
	{ 209, 376, 0, RIGHT_BYTES },
};

/* Without it there is nothing for an identity to open. */
static const struct field object_fields[] = {
	{ 0, 4, WRONG_KEY, NO_BYTES },
	{ 4, 1, WRONG_KEY, RIGHT_BYTES },
	{ 5, 4, 0, RIGHT_BYTES },
	{ 9, 4, 0, RIGHT_BYTES },
	{ 13, 4, WRONG_KEY, RIGHT_BYTES }, /* four bits only say that it is no group */
	{ 17, 8, DAMAGED, NO_BYTES },
	{ 25, 8, DAMAGED | LIMIT, NO_BYTES },
	{ 33, 8, 0, RIGHT_BYTES },
	{ 41, 32, 0, RIGHT_BYTES },
	{ 73, sizeof(SIF_KEY_OBJECT_NAME), WRONG_KEY, NO_BYTES },
	{ 73 + sizeof(SIF_KEY_OBJECT_NAME), 128 - sizeof(SIF_KEY_OBJECT_NAME), 0, RIGHT_BYTES },
	{ 201, 384, 0, RIGHT_BYTES },
};

static void the_sif(void)
{
	EACH_FIELD("field of the SIF header", 0, header_fields, 0, RIGHT_BYTES);
	for (size_t n = 0; n < OTHER_SLOTS; n++)
		EACH_FIELD("field of a descriptor", TABLE_OFF + n * DESCRIPTOR_LEN, other_fields, 0,
			   RIGHT_BYTES);
	EACH_FIELD("field of the partition's descriptor",
		   TABLE_OFF + PARTITION_SLOT * DESCRIPTOR_LEN, partition_fields, 0, RIGHT_BYTES);
	if (message.len)
		EACH_FIELD("field of the message's descriptor",
			   TABLE_OFF + MESSAGE_SLOT * DESCRIPTOR_LEN, message_fields, 0,
			   RIGHT_BYTES);
	/* The wrapped key is authenticated by its padding. */
	each_bit("bit of the wrapped key", message.off, message.len, DAMAGED | WRONG_KEY,
		 RIGHT_BYTES);
	cut_short();
}

static void begin(const struct seal *which, const char *name)
{
	make_image(which, name);
	memset(&seen, 0, sizeof(seen));
}

static void end(unsigned refused_at_least)
{
	print_message("%s: %u refused, %u read rightly, %u read with other bytes\n", kind_name,
		      seen.refused, seen.same, seen.other);
	assert_true(seen.refused >= refused_at_least);
	judge("nothing", 0, 0, RIGHT_BYTES);
}

/* ------------------------------------------------------------------ the kinds */

static const struct field super_fields[] = {
	{ 0, 4, DAMAGED, NO_BYTES },		       /* magic */
	{ 4, 4, DAMAGED, RIGHT_BYTES },		       /* inodes */
	{ 8, 4, 0, RIGHT_BYTES },		       /* time */
	{ 12, 4, DAMAGED, NO_BYTES },		       /* block size */
	{ 16, 4, DAMAGED | LIMIT, RIGHT_BYTES },       /* fragments */
	{ 20, 2, DAMAGED | UNSUPPORTED, RIGHT_BYTES }, /* compressor */
	{ 22, 2, DAMAGED, NO_BYTES },		       /* block size's logarithm */
	{ 24, 2, DAMAGED, RIGHT_BYTES },	       /* flags */
	{ 26, 2, DAMAGED, RIGHT_BYTES },	       /* owners */
	{ 28, 2, UNSUPPORTED, NO_BYTES },	       /* version */
	{ 30, 2, UNSUPPORTED, NO_BYTES },
	{ 32, 8, DAMAGED, ANY_BYTES },	       /* root */
	{ 40, 8, DAMAGED, RIGHT_BYTES },       /* bytes used */
	{ 48, 8, DAMAGED, ANY_BYTES },	       /* owners' table */
	{ 56, 8, DAMAGED | LIMIT, ANY_BYTES }, /* attributes' */
	{ 64, 8, DAMAGED, ANY_BYTES },	       /* inodes' */
	{ 72, 8, DAMAGED, ANY_BYTES },	       /* listings' */
	{ 80, 8, DAMAGED, ANY_BYTES },	       /* fragments' */
	{ 88, 8, DAMAGED, RIGHT_BYTES },       /* export table: only vetted */
};

/* Nothing says that a byte of a plain image is not as it was: damage may go unseen, no more. */
static void plain(void **state)
{
	(void)state;
	begin(NULL, "plain");
	the_sif();
	EACH_FIELD("field of the superblock", partition.off, super_fields, 0, ANY_BYTES);
	for (size_t i = 96; i < partition.len; i += 64)
		with_byte("byte of the squashfs", partition.off + i, good[partition.off + i] ^ 0xff,
			  ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	cut_partition(good_le64(partition.off + SQUASH_USED_OFF));
	/* All that is not data: inodes, listings, tables. */
	size_t data_end = 96 + 9 * PIECE;
	each_bit("bit of the metadata", partition.off + data_end, partition.len - data_end,
		 ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	end(300);
}

static const struct number conf_numbers[] = {
	{ "N", DAMAGED | LIMIT | WRONG_KEY, NO_BYTES },
	{ "R", DAMAGED | LIMIT | WRONG_KEY, NO_BYTES },
	{ "P", DAMAGED | LIMIT | WRONG_KEY, NO_BYTES },
	{ "KeyLen", DAMAGED | LIMIT, NO_BYTES },
	{ "Version", DAMAGED | UNSUPPORTED, NO_BYTES },
	{ 0 },
};

static struct piece conf; /* within the image */

/* In the room that the indentation leaves, with blanks at its end. */
static void store_conf(const char *json, size_t len)
{
	char text[2048];
	size_t n = 0;
	assert_true(conf.len <= sizeof(text));
	for (size_t i = 0; i < len; i++)
		if (json[i] != '\t' && n < conf.len)
			text[n++] = json[i];
	assert_true(n < conf.len);
	memset(text + n, ' ', conf.len - n);
	put(text, conf.len, conf.off);
}

/*
 * The encrypted file ends after len bytes, in an outer file system that is whole: only the seal, or
 * where that has no way to know, the squashfs in it, can see that something is missing.
 */
static void with_content(const char *what, size_t len, unsigned kinds, enum otherwise bytes)
{
	int file CLEANUP_FD = memfd_create("outer", MFD_CLOEXEC);
	struct sink *outer CLEANUP_SINK = NULL;
	uint8_t *made = malloc(partition.len);
	assert_non_null(made);
	assert_true(file >= 0);
	assert_ok(sink_from_fd(file, &outer, err));
	/* The superblock's place is written too, before there is one. */
	assert_ok(sink_write(outer, good + partition.off, SQUASH_OUTER_DATA + len, 0, err));
	assert_ok(squash_outer_finish(outer, "squashfs-0", len, (const char *)good + conf.off,
				      conf.len, 1700000000, err));
	assert_true(outer->size <= partition.len);
	size_t outer_len = outer->size;
	assert_ok(sink_read(outer, made, outer_len, 0, err));
	sink_free(&outer);
	put(made, outer_len, partition.off);
	set_partition_len(outer_len);
	judge(what, len, kinds, bytes);
	set_partition_len(partition.len);
	put(good + partition.off, partition.len, partition.off);
	free(made);
}

static void every_block_authenticates(void **state)
{
	(void)state;
	begin(&seal_gocryptfs, "gocryptfs");
	the_sif();
	/* The outer file system: where the two files are. Their bytes are vouched for. */
	const unsigned outer = ANY_OF_BYTES | NOT_FOUND | WRONG_KEY;
	size_t inodes = good_le64(partition.off + 64);
	EACH_FIELD("field of the outer superblock", partition.off, super_fields, outer,
		   RIGHT_BYTES);
	const uint8_t *found = memmem(good + partition.off, partition.len, "{\n\t\"Creator\"", 11);
	assert_non_null(found);
	conf.off = (size_t)(found - good);
	found = memmem(good + conf.off, good_len - conf.off, "]\n}\n", 4);
	assert_non_null(found);
	conf.len = (size_t)(found - good) + 4 - conf.off;
	each_bit("bit of gocryptfs.conf", conf.off, conf.len, ANY_OF_BYTES | WRONG_KEY,
		 RIGHT_BYTES);
	char *json CLEANUP_TEXT = strndup((const char *)good + conf.off, conf.len);
	assert_non_null(json);
	store_conf(json, conf.len);
	judge("gocryptfs.conf without indentation", conf.off, 0, RIGHT_BYTES);
	assert_int_equal(each_number(json, conf_numbers, store_conf), 5);
	put(good + conf.off, conf.len, conf.off);
	each_bit("bit of the outer metadata", partition.off + inodes, partition.len - inodes, outer,
		 RIGHT_BYTES);
	/* The content: header, then blocks of 4128 bytes. */
	size_t content = partition.off + 96;
	each_bit("bit of the content's header", content, 18, DAMAGED, NO_BYTES);
	each_value("version of the content", content, 2, DAMAGED, NO_BYTES);
	each_value("id of the content", content + 2, 8, DAMAGED, NO_BYTES);
	size_t content_len = conf.off - content;
	with_content("content made anew", content_len, 0, RIGHT_BYTES);
	for (size_t at = 0; at < content_len; at += PIECE)
		for (size_t d = 0; d < 2; d++)
			with_content("content cut short", at + d, DAMAGED, NO_BYTES);
	/* Nor is a block's end one of the file. */
	for (size_t at = 18; at < content_len; at += 4128)
		for (size_t d = 0; d < 2; d++)
			with_content("content cut short between blocks", at + d, DAMAGED, NO_BYTES);
	for (size_t at = content + 18; at < conf.off; at += 4128) {
		for (size_t i = 0; i < 4128 && at + i < conf.off; i += 97)
			with_byte("byte of a block", at + i, good[at + i] ^ 1, DAMAGED,
				  RIGHT_BYTES);
		each_bit("bit of a nonce", at, 16, DAMAGED, RIGHT_BYTES);
	}
	end(500);
}

#define LUKS2_COPY_LEN 16384

/* Checksums that fit, as long as the length of the header is one that there may be. */
static void repair_luks2(void)
{
	static uint8_t raw[1 << 20];
	for (size_t copy = 2; copy-- > 0;) { /* a longer first one has the second one in it */
		size_t at = partition.off + copy * LUKS2_COPY_LEN;
		assert_int_equal(fd_pread(fd, raw, LUKS2_BINARY_LEN, at), LUKS2_BINARY_LEN);
		struct bytes b = bytes_of(raw, LUKS2_BINARY_LEN);
		bytes_seek(&b, 8);
		uint64_t len = bytes_be64(&b);
		if (len < LUKS2_COPY_LEN || len > sizeof(raw))
			len = LUKS2_COPY_LEN;
		assert_int_equal(fd_pread(fd, raw, len, at), len);
		memset(raw + LUKS2_CHECKSUM_OFF, 0, LUKS2_CHECKSUM_LEN);
		assert_ok(crypto_sha256(raw, len, raw + LUKS2_CHECKSUM_OFF, err));
		put(raw + LUKS2_CHECKSUM_OFF, LUKS2_CHECKSUM_LEN, at + LUKS2_CHECKSUM_OFF);
	}
}

static void restore_luks2(void)
{
	put(good + partition.off, 2 * LUKS2_COPY_LEN, partition.off);
}

/* Both headers say the same wrong thing, and their checksums fit: this takes somebody. */
static void each_bit_repaired(const char *what, size_t off, size_t len, unsigned kinds,
			      enum otherwise bytes)
{
	for (size_t i = off; i < off + len; i++)
		for (unsigned bit = first_bit(i); bit < 8; bit += bit_step()) {
			for (size_t copy = 0; copy < 2; copy++) {
				size_t at = partition.off + copy * LUKS2_COPY_LEN + i;
				uint8_t changed = good[at] ^ (uint8_t)(1u << bit);
				put(&changed, 1, at);
			}
			repair_luks2();
			judge(what, i, kinds, bytes);
			restore_luks2();
		}
}

static void each_value_repaired(const char *what, size_t off, size_t len, unsigned kinds,
				enum otherwise bytes)
{
	for (size_t i = 0; i < VALUES; i++) {
		for (size_t copy = 0; copy < 2; copy++) {
			size_t at = partition.off + copy * LUKS2_COPY_LEN + off;
			struct bytes b = bytes_of(good + at, len);
			uint8_t raw[8];
			bytes_put_be(raw, value(i, bytes_be(&b, len)), len);
			put(raw, len, at);
		}
		repair_luks2();
		judge(what, off, kinds, bytes);
		restore_luks2();
	}
}

/* spec 2.1, big endian. */
static const struct field luks2_fields[] = {
	{ 0, 6, DAMAGED, NO_BYTES },	  /* magic */
	{ 6, 2, UNSUPPORTED, NO_BYTES },  /* version */
	{ 8, 8, DAMAGED, NO_BYTES },	  /* length */
	{ 16, 8, 0, RIGHT_BYTES },	  /* sequence number */
	{ 24, 48, 0, RIGHT_BYTES },	  /* label */
	{ 72, 7, UNSUPPORTED, NO_BYTES }, /* algorithm of the checksum */
	{ 79, 25, 0, RIGHT_BYTES },	  /* behind its name */
	{ 104, 64, 0, RIGHT_BYTES },	  /* salt */
	{ 168, 40, 0, RIGHT_BYTES },	  /* UUID */
	{ 208, 48, 0, RIGHT_BYTES },	  /* subsystem */
	{ 256, 8, DAMAGED, RIGHT_BYTES }, /* its place: 0 is right for the first one */
	{ 264, 184, 0, RIGHT_BYTES },	  /* padding */
};

#define KEY_NUMBER (DAMAGED | UNSUPPORTED | LIMIT | WRONG_KEY)
static const struct number luks2_numbers[] = {
	{ "", DAMAGED, NO_BYTES }, /* keyslots, digests, segments by number */
	{ "keyslots", DAMAGED, NO_BYTES },
	{ "segments", DAMAGED, NO_BYTES },
	{ "key_size", KEY_NUMBER, NO_BYTES },
	{ "stripes", DAMAGED | LIMIT, NO_BYTES },
	{ "iterations", DAMAGED | LIMIT | WRONG_KEY, NO_BYTES },
	{ "offset", DAMAGED | WRONG_KEY, NO_BYTES },
	{ "size", DAMAGED | LIMIT, RIGHT_BYTES }, /* a larger area has the key in it too */
	{ "iv_tweak", DAMAGED, RIGHT_BYTES },	  /* 00 is the 0 that there is */
	{ "sector_size", DAMAGED | UNSUPPORTED | LIMIT, NO_BYTES },
	{ "json_size", DAMAGED, NO_BYTES },
	{ "keyslots_size", DAMAGED | LIMIT, RIGHT_BYTES },
	{ 0 },
};

static void store_luks2(const char *json, size_t len)
{
	static char area[LUKS2_COPY_LEN - LUKS2_BINARY_LEN];
	assert_true(len < sizeof(area));
	memset(area, 0, sizeof(area));
	memcpy(area, json, len);
	for (size_t copy = 0; copy < 2; copy++)
		put(area, sizeof(area), partition.off + copy * LUKS2_COPY_LEN + LUKS2_BINARY_LEN);
	repair_luks2();
}

static void luks2(void **state)
{
	(void)state;
	begin(&seal_luks2, "LUKS2");
	the_sif();
	size_t json_len = strlen((const char *)good + partition.off + 4096);
	unsigned before = seen.refused;
	/* One header alone: the other one is whole, and is used. */
	for (size_t copy = 0; copy < 2; copy++) {
		size_t at = partition.off + copy * 16384;
		each_bit("bit of one binary header", at, 512, copy ? 0 : UNSUPPORTED, RIGHT_BYTES);
		each_bit("bit of one JSON", at + 4096, json_len, 0, RIGHT_BYTES);
		for (size_t i = 512; i < 16384; i += 509)
			with_byte("byte of one header", at + i, good[at + i] ^ 0x80, 0,
				  RIGHT_BYTES);
	}
	print_message("%u faults of one header were refused\n", seen.refused - before);
	for (size_t i = 0; i < sizeof(luks2_fields) / sizeof(luks2_fields[0]); i++) {
		const struct field *f = &luks2_fields[i];
		each_bit_repaired("bit of both binary headers", f->off, f->len, f->kinds, f->bytes);
		each_value_repaired("field of both binary headers", f->off, f->len < 8 ? f->len : 8,
				    f->kinds, f->bytes);
	}
	each_bit_repaired("bit of both JSONs", LUKS2_BINARY_LEN, json_len, ANY_OF_BYTES | WRONG_KEY,
			  RIGHT_BYTES);
	char *json CLEANUP_TEXT =
		strndup((const char *)good + partition.off + LUKS2_BINARY_LEN, json_len);
	assert_non_null(json);
	assert_int_equal(each_number(json, luks2_numbers, store_luks2), 17);
	restore_luks2();
	cut_partition(partition.len);
	/* Key material is spread over the whole area: one bit makes it another key. */
	keyslots_touched = true;
	for (size_t i = 0; i < 256000; i += 8192)
		with_byte("byte of the keyslot", partition.off + 32768 + i,
			  good[partition.off + 32768 + i] ^ 4, WRONG_KEY, RIGHT_BYTES);
	keyslots_touched = false;
	/* Nothing vouches for the payload: coffer(1) says so. Damage is seen or not, no more. */
	for (size_t i = (2u << 20); i < partition.len; i += 512)
		with_byte("byte of a sector", partition.off + i, good[partition.off + i] ^ 1,
			  ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	end(500);
}

/* RLIMIT_DATA counts private writable memory, the process's own from before included. */
static void limit_memory(void)
{
#ifndef __SANITIZE_ADDRESS__
	char line[256];
	unsigned long kib = 0;
	FILE *status = fopen("/proc/self/status", "re");
	assert_non_null(status);
	while (!kib && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmData:", 7))
			kib = strtoul(line + 7, NULL, 10);
	(void)fclose(status);
	struct rlimit limit = { .rlim_cur = kib * 1024 + MEMORY_MAX, .rlim_max = RLIM_INFINITY };
	assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
#endif
}

/* Each bit of the key object counts, header and all: none leads to other bytes, nor to the right
 * ones. */
static void key_object(void **state)
{
	static const struct {
		const struct seal *seal;
		const char *name;
	} rows[] = { { &seal_luks2, "luks2, for a recipient" },
		     { &seal_gocryptfs, "gocryptfs, for a recipient" } };
	struct key *rsa = run_key;
	(void)state;
	run_key = make_age_key(KEY_FOR_RUN);
	for_recipient = true;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin(rows[i].seal, rows[i].name);
		assert_int_equal(message.len, 0);
		assert_true(object.len > 0);
		each_bit("bit of the key object", object.off, object.len,
			 DAMAGED | WRONG_KEY | UNSUPPORTED, NO_BYTES);
		EACH_FIELD("field of the key object's descriptor",
			   TABLE_OFF + MESSAGE_SLOT * DESCRIPTOR_LEN, object_fields, 0,
			   RIGHT_BYTES);
		end(200);
	}
	for_recipient = false;
	key_free(&run_key);
	run_key = rsa;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(every_block_authenticates),
		cmocka_unit_test(luks2),
		cmocka_unit_test(key_object),
	};
	limit_memory();
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
