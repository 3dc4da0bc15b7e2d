/* SPDX-License-Identifier: Apache-2.0 */
#include "secret/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Layout: one guard page, the pages of the secret, one guard page. The bytes are put at the end
 * of their pages, so that the first byte past them is already in the guard page.
 */
struct secret {
	struct secret *next, *prev; /* among all secrets */
	unsigned char *map;	    /* the first guard page */
	size_t map_len;		    /* both guard pages included */
	unsigned char *data;
	size_t size;
};

static atomic_bool any_unlocked;
static struct secret *all_secrets;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;

static void enlist(struct secret *s)
{
	pthread_mutex_lock(&all_lock);
	s->next = all_secrets;
	if (s->next)
		s->next->prev = s;
	all_secrets = s;
	pthread_mutex_unlock(&all_lock);
}

static void delist(struct secret *s)
{
	pthread_mutex_lock(&all_lock);
	if (s->next)
		s->next->prev = s->prev;
	if (s->prev)
		s->prev->next = s->next;
	else
		all_secrets = s->next;
	pthread_mutex_unlock(&all_lock);
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/*
 * RLIMIT_MEMLOCK is small on some machines; going on unlocked is worth a warning, not a refusal, as
 * swap is usually off or encrypted there. Pages are locked as they are touched: most of what is
 * reserved for a key file never is.
 */
static void lock(const struct secret *s)
{
	size_t page = page_size();
	/* server-calls: mlock2 */
	if (mlock2(s->map + page, s->map_len - 2 * page, MLOCK_ONFAULT) < 0)
		atomic_store(&any_unlocked, true);
}

int secret_new(size_t size, struct secret **ret, struct error **err)
{
	size_t page = page_size(), pages_len, map_len;
	if (!size || !checked_add(size, page - 1, &pages_len))
		return error_set(err, ERROR_INTERNAL, "a secret of %zu bytes", size);
	pages_len &= ~(page - 1);
	if (!checked_add(pages_len, 2 * page, &map_len))
		return error_no_memory(err);
	struct secret *s = calloc(1, sizeof(*s));
	if (!s)
		return error_no_memory(err);
	/* server-calls: mmap:not-exec mprotect:not-exec madvise munmap */
	unsigned char *map = mmap(NULL, map_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED || mprotect(map + page, pages_len, PROT_READ | PROT_WRITE) < 0) {
		error_errno(err, errno, "reserve memory for a secret");
		if (map != MAP_FAILED)
			munmap(map, map_len);
		free(s);
		return -1;
	}
	(void)madvise(map + page, pages_len, MADV_DONTDUMP);
	s->map = map;
	s->map_len = map_len;
	s->data = map + page + pages_len - size;
	s->size = size;
	lock(s);
	enlist(s);
	*ret = s;
	return 0;
}

void secret_lock_all(void)
{
	pthread_mutex_lock(&all_lock);
	for (const struct secret *s = all_secrets; s; s = s->next)
		lock(s);
	pthread_mutex_unlock(&all_lock);
}

int secret_copy(const void *data, size_t len, struct secret **ret, struct error **err)
{
	if (secret_new(len, ret, err) < 0)
		return -1;
	memcpy((*ret)->data, data, len);
	return 0;
}

void secret_free(struct secret **s)
{
	if (!*s)
		return;
	size_t page = page_size(), len = (*s)->map_len - 2 * page;
	delist(*s);
	explicit_bzero((*s)->map + page, len);
	munmap((*s)->map, (*s)->map_len);
	free(*s);
	*s = NULL;
}

unsigned char *secret_data(struct secret *s)
{
	return s->data;
}

const unsigned char *secret_bytes(const struct secret *s)
{
	return s->data;
}

size_t secret_size(const struct secret *s)
{
	return s->size;
}

void secret_shorten(struct secret *s, size_t size)
{
	if (size > s->size)
		abort();
	explicit_bzero(s->data + size, s->size - size);
	s->size = size;
}

bool secret_equal_bytes(const void *a, const void *b, size_t len)
{
	const unsigned char *x = a, *y = b;
	unsigned char diff = 0;
	for (size_t i = 0; i < len; i++)
		diff |= x[i] ^ y[i];
	return diff == 0;
}

bool secret_equal(const struct secret *a, const struct secret *b)
{
	return a->size == b->size && secret_equal_bytes(a->data, b->data, a->size);
}

bool secret_any_unlocked(void)
{
	return atomic_load(&any_unlocked);
}

void secret_note_unlocked(void)
{
	atomic_store(&any_unlocked, true);
}

void secret_report_unlocked(void)
{
	static atomic_bool said;
	if (atomic_load(&any_unlocked) && !atomic_exchange(&said, true))
		log_warning("Not all memory for keys could be locked (ulimit -l): they may reach "
			    "the swap space");
}

void secret_wipe(void *data, size_t len)
{
	explicit_bzero(data, len);
}

/* Memory of memfd_secret (Linux 5.14) for all secrets, one after the other; NULL without it. */
static unsigned char *hidden_memory(size_t len)
{
	CLEANUP_FD int fd = (int)syscall(SYS_memfd_secret, O_CLOEXEC);
	if (fd < 0)
		return NULL;
	if (ftruncate(fd, (off_t)len) < 0) {
		log_verbose("Keys are kept in locked memory, and not hidden from the kernel: %s%s",
			    strerror(errno), errno == EFBIG ? " (ulimit -f)" : "");
		return NULL;
	}
	unsigned char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* The two sides of a fork would share it, and the one that wipes would wipe both's. */
	if (madvise(p, len, MADV_DONTFORK) == 0)
		return p;
	munmap(p, len);
	return NULL;
}

static bool all_zero(const unsigned char *p, size_t len)
{
	return p[0] == 0 && !memcmp(p, p + 1, len - 1);
}

/* To the same address, so that nobody's pointer changes. Each page that is touched is taken out of
 * the kernel's own map, which costs more than its zeros are worth. */
static bool hide(const struct secret *s, unsigned char *hidden)
{
	size_t page = page_size(), len = s->map_len - 2 * page;
	unsigned char *pages = s->map + page;
	for (size_t off = 0; off < len; off += page)
		if (!all_zero(pages + off, page))
			memcpy(hidden + off, pages + off, page);
	return mremap(hidden, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, pages) == pages;
}

void secret_keep_all(void)
{
	size_t page = page_size(), total = 0, off = 0;
	pthread_mutex_lock(&all_lock);
	for (const struct secret *s = all_secrets; s; s = s->next)
		total += s->map_len - 2 * page;
	unsigned char *hidden = total ? hidden_memory(total) : NULL;
	for (const struct secret *s = all_secrets; s; s = s->next) {
		size_t len = s->map_len - 2 * page;
		if (!hidden || !hide(s, hidden + off)) {
			if (hidden)
				munmap(hidden + off, len);
			lock(s);
		}
		off += len;
	}
	pthread_mutex_unlock(&all_lock);
}

void secret_wipe_all(void)
{
	pthread_mutex_lock(&all_lock);
	for (struct secret *s = all_secrets; s; s = s->next)
		explicit_bzero(s->data, s->size);
	pthread_mutex_unlock(&all_lock);
}

int secret_harden_process(void)
{
	struct rlimit none = { 0, 0 };
	if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	return 0;
}
