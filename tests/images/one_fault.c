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

int __real_crypto_rsa_decrypt(struct crypto_rsa *rsa, const void *in, struct secret **ret,
			      struct error **why);
int __wrap_crypto_rsa_decrypt(struct crypto_rsa *rsa, const void *in, struct secret **ret,
			      struct error **why);

/* One piece is the whole of a wrapped key here. */
int __wrap_crypto_rsa_decrypt(struct crypto_rsa *rsa, const void *in, struct secret **ret,
			      struct error **why)
{
	static uint8_t known[RSA_LEN];
	static struct secret *secret;
	if (secret && !memcmp(in, known, sizeof(known)))
		return secret_copy(secret_bytes(secret), secret_size(secret), ret, why);
	int r = __real_crypto_rsa_decrypt(rsa, in, ret, why);
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
static enum image_kind kind;
static struct key *run_key;
static uint8_t *good;
static size_t good_len;
static int fd = -1; /* the image, as a memory file */
static char path[64];
static uint64_t good_digest;
static struct piece partition, message;

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
	*ret_same_kind = img->kind == kind;
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

static void make_image(enum image_kind which, const char *name)
{
	struct key *build_key CLEANUP_KEY =
		which == IMAGE_SIF ? NULL : make_key(KEY_FOR_BUILD, "public");
	char whole[sizeof(folder) + 32];
	struct image *img CLEANUP_IMAGE = NULL;
	kind = which;
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
		.kind = which,
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
	partition = (struct piece){ img->partition->off, img->partition->len };
	const struct sif_descriptor *d = sif_crypt_message(img->sif, img->partition);
	message = d ? (struct piece){ d->off, d->len } : (struct piece){ 0 };
}

/* ------------------------------------------------------------------ one fault */

static struct {
	unsigned same, refused, other;
} seen;

enum otherwise { RIGHT_BYTES, ANY_BYTES };

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

/* A field of len bytes, set to what may be thought of. */
static void each_value(const char *what, size_t off, size_t len, unsigned kinds,
		       enum otherwise bytes)
{
	struct bytes b = bytes_of(good + off, len);
	uint64_t v = bytes_le(&b, len);
	const uint64_t values[] = { 0,	   1,	  UINT64_MAX, UINT64_MAX >> 1, v - 1,
				    v + 1, v * 2, v / 2,      good_len };
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		uint8_t raw[8];
		bytes_put_le(raw, values[i], len);
		if (!memcmp(raw, good + off, len))
			continue;
		put(raw, len, off);
		judge(what, off, kinds, bytes);
		put(good + off, len, off);
	}
}

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

/* ------------------------------------------------------------------ the SIF round it */

static const struct piece header_fields[] = {
	{ 0, 8 },  { 32, 8 }, { 42, 2 }, { 45, 3 },  { 48, 8 },	 { 64, 8 },  { 72, 8 },
	{ 80, 8 }, { 88, 8 }, { 96, 8 }, { 104, 8 }, { 112, 8 }, { 120, 8 },
};
static const struct piece descriptor_fields[] = {
	{ 0, 4 },  { 4, 1 },  { 5, 4 },	 { 9, 4 },  { 13, 4 }, { 17, 8 },  { 25, 8 },  { 33, 8 },
	{ 41, 8 }, { 49, 8 }, { 57, 8 }, { 65, 8 }, { 73, 8 }, { 201, 4 }, { 205, 4 }, { 209, 3 },
};
#define TABLE_OFF 4096
#define DESCRIPTOR_LEN 585

/* A descriptor may name another place, another kind, another key: all that is told apart. */
static void the_sif(void)
{
	const unsigned kinds = ANY_OF_BYTES | NOT_FOUND | WRONG_KEY;
	each_bit("bit of the SIF header", 0, 128, kinds, RIGHT_BYTES);
	for (size_t i = 0; i < sizeof(header_fields) / sizeof(header_fields[0]); i++)
		each_value("field of the SIF header", header_fields[i].off, header_fields[i].len,
			   kinds, RIGHT_BYTES);
	size_t slots = kind == IMAGE_SIF ? 3 : 4;
	for (size_t n = 0; n < slots; n++) {
		size_t at = TABLE_OFF + n * DESCRIPTOR_LEN;
		/* the name's and the extra's unused ends once in 32 bytes */
		each_bit("bit of a descriptor", at, 73, kinds, RIGHT_BYTES);
		each_bit("bit of a descriptor", at + 201, 16, kinds, RIGHT_BYTES);
		for (size_t i = 73; i < DESCRIPTOR_LEN; i += 32)
			each_bit("bit of a descriptor", at + i, 1, kinds, RIGHT_BYTES);
		for (size_t i = 0; i < sizeof(descriptor_fields) / sizeof(descriptor_fields[0]);
		     i++)
			each_value("field of a descriptor", at + descriptor_fields[i].off,
				   descriptor_fields[i].len, kinds, RIGHT_BYTES);
	}
	/* The wrapped key is authenticated by its padding. */
	each_bit("bit of the wrapped key", message.off, message.len, DAMAGED | WRONG_KEY,
		 RIGHT_BYTES);
	cut_short();
}

static void begin(enum image_kind which, const char *name)
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

static const struct piece super_fields[] = {
	{ 0, 4 },  { 4, 4 },  { 8, 4 },	 { 12, 4 }, { 16, 4 }, { 20, 2 }, { 22, 2 },
	{ 24, 2 }, { 26, 2 }, { 28, 2 }, { 30, 2 }, { 32, 8 }, { 40, 8 }, { 48, 8 },
	{ 56, 8 }, { 64, 8 }, { 72, 8 }, { 80, 8 }, { 88, 8 },
};

static void superblock(size_t at, unsigned kinds, enum otherwise bytes)
{
	each_bit("bit of the superblock", at, 96, kinds, bytes);
	for (size_t i = 0; i < sizeof(super_fields) / sizeof(super_fields[0]); i++)
		each_value("field of the superblock", at + super_fields[i].off, super_fields[i].len,
			   kinds, bytes);
}

/* Nothing says that a byte of a plain image is not as it was: damage may go unseen, no more. */
static void plain(void **state)
{
	(void)state;
	begin(IMAGE_SIF, "plain");
	the_sif();
	superblock(partition.off, ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	for (size_t i = 96; i < partition.len; i += 64)
		with_byte("byte of the squashfs", partition.off + i, good[partition.off + i] ^ 0xff,
			  ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	/* All that is not data: inodes, listings, tables. */
	size_t data_end = 96 + 9 * PIECE;
	each_bit("bit of the metadata", partition.off + data_end, partition.len - data_end,
		 ANY_OF_BYTES | NOT_FOUND, ANY_BYTES);
	end(300);
}

static void every_block_authenticates(void **state)
{
	(void)state;
	begin(IMAGE_GOCRYPTFS, "gocryptfs");
	the_sif();
	/* The outer file system: where the two files are. Their bytes are vouched for. */
	const unsigned outer = ANY_OF_BYTES | NOT_FOUND | WRONG_KEY;
	struct bytes super = bytes_of(good + partition.off, 96);
	bytes_seek(&super, 64);
	size_t inodes = bytes_le64(&super);
	superblock(partition.off, outer, RIGHT_BYTES);
	const uint8_t *conf = memmem(good + partition.off, partition.len, "{\n\t\"Creator\"", 11);
	assert_non_null(conf);
	size_t conf_off = (size_t)(conf - good) - partition.off;
	size_t conf_len = strcspn((const char *)conf, "\n");
	const uint8_t *conf_end = memmem(conf, good_len - (size_t)(conf - good), "]\n}\n", 4);
	assert_non_null(conf_end);
	conf_len = (size_t)(conf_end - conf) + 4;
	each_bit("bit of gocryptfs.conf", partition.off + conf_off, conf_len,
		 ANY_OF_BYTES | WRONG_KEY, RIGHT_BYTES);
	each_bit("bit of the outer metadata", partition.off + inodes, partition.len - inodes, outer,
		 RIGHT_BYTES);
	/* The content: header, then blocks of 4128 bytes. */
	size_t content = partition.off + 96;
	each_bit("bit of the content's header", content, 18, DAMAGED, RIGHT_BYTES);
	for (size_t at = content + 18; at < partition.off + conf_off; at += 4128) {
		for (size_t i = 0; i < 4128 && at + i < partition.off + conf_off; i += 97)
			with_byte("byte of a block", at + i, good[at + i] ^ 1, DAMAGED,
				  RIGHT_BYTES);
		each_bit("bit of a nonce", at, 16, DAMAGED, RIGHT_BYTES);
	}
	end(500);
}

static void repair_luks2(size_t off)
{
	static uint8_t raw[16384];
	uint8_t sum[64] = { 0 };
	for (size_t copy = 0; copy < 2; copy++) {
		size_t at = partition.off + copy * 16384;
		assert_int_equal(fd_pread(fd, raw, sizeof(raw), at), sizeof(raw));
		raw[off] = 0;
		assert_int_equal(fd_pread(fd, raw + off, 1, partition.off + off), 1);
		/* the magic and the place differ */
		if (copy && (off < 6 || (off >= 256 && off < 264)))
			raw[off] = good[at + off] ^ raw[off] ^ good[partition.off + off];
		memset(raw + 448, 0, 64);
		assert_ok(crypto_sha256(raw, sizeof(raw), sum, err));
		memcpy(raw + 448, sum, sizeof(sum));
		put(raw, sizeof(raw), at);
	}
}

/* Both headers say the same wrong thing, and their checksums fit: this takes somebody. */
static void each_bit_repaired(const char *what, size_t off, size_t len)
{
	for (size_t i = off; i < off + len; i++)
		for (unsigned bit = first_bit(i); bit < 8; bit += bit_step()) {
			uint8_t value = good[partition.off + i] ^ (uint8_t)(1u << bit);
			put(&value, 1, partition.off + i);
			repair_luks2(i);
			judge(what, i, ANY_OF_BYTES | WRONG_KEY | KIND(ERROR_MEMORY), RIGHT_BYTES);
			put(good + partition.off, 32768, partition.off);
		}
}

static void luks2(void **state)
{
	(void)state;
	begin(IMAGE_LUKS2, "LUKS2");
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
	each_bit_repaired("bit of both binary headers", 0, 448);
	each_bit_repaired("bit of both JSONs", 4096, json_len);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain),
		cmocka_unit_test(every_block_authenticates),
		cmocka_unit_test(luks2),
	};
	limit_memory();
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
