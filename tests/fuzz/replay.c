/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kept inputs of a target, without libFuzzer:
 *
 *   replay FOLDER...
 *   replay --seed >FILE     a good input, made by our own writers
 *
 * Every input must be refused or read twice in the same way, within MEMORY_MAX beside what the
 * process has at its start; one whose name begins with "good" must go all the way through. Then
 * calls are made to fail, one after another: a run that then says it is good must have read the
 * same bytes, and no run may leave a descriptor open.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Of one input's own; a cache of the default size is among it. */
#define MEMORY_MAX ((rlim_t)64 << 20)
#define INPUT_MAX (1 << 20)
/* How many calls of an input that is not good are made to fail. */
#define FAULTS_OTHER 24

static unsigned passed, refused, failing;

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

/* RLIMIT_DATA counts private writable memory, the process's own from before included. */
static void limit_memory(void)
{
#ifndef SANITIZED
	char line[256];
	unsigned long kib = 0;
	FILE *status = fopen("/proc/self/status", "re");
	while (status && !kib && fgets(line, sizeof(line), status))
		if (!strncmp(line, "VmData:", 7))
			kib = strtoul(line + 7, NULL, 10);
	if (status)
		(void)fclose(status);
	struct rlimit limit = { .rlim_cur = kib * 1024 + MEMORY_MAX, .rlim_max = RLIM_INFINITY };
	if (!kib || setrlimit(RLIMIT_DATA, &limit) < 0)
		fuzz_bug("no limit of memory");
#endif
}

static int lowest_descriptor(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd < 0 || close(fd) < 0)
		fuzz_bug("no descriptor left");
	return fd;
}

static void run(const uint8_t *data, size_t len, struct fuzz_outcome *ret)
{
	int before = lowest_descriptor();
	fuzz_once(data, len, ret);
	if (lowest_descriptor() != before)
		fuzz_bug("a descriptor was left open");
}

static void with_faults(const uint8_t *data, size_t len, bool good,
			const struct fuzz_outcome *plain)
{
	uint64_t most = good ? fuzz_faults : FAULTS_OTHER;
	uint64_t step = plain->calls / most + 1;
	for (uint64_t n = 0; n < plain->calls; n += step)
		for (int on = 0; on < 2; on++) {
			struct fuzz_outcome o;
			fault_arm(n, on);
			run(data, len, &o);
			fault_arm(UINT64_MAX, false);
			failing += o.result < 0;
			if (good && o.result == 0 && o.digest != plain->digest)
				fuzz_bug("call %llu of %llu failed, and other bytes were read",
					 (unsigned long long)n, (unsigned long long)plain->calls);
		}
}

static void replay(const char *folder, const char *name)
{
	char path[4096];
	struct buffer text CLEANUP_BUFFER = { 0 };
	struct error *err CLEANUP_ERROR = NULL;
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (fd_read_file(AT_FDCWD, path, INPUT_MAX, &text, &err) < 0)
		fuzz_bug("%s: %s", path, error_message(err));
	/* Memory of exactly its size, so that a byte too much is seen. */
	uint8_t *data = malloc(text.len ? text.len : 1);
	if (!data)
		fuzz_bug("out of memory");
	if (text.len)
		memcpy(data, text.data, text.len);
	(void)fprintf(stderr, "%s\n", path);
	bool good = !strncmp(name, "good", 4);
	struct fuzz_outcome first, second;
	run(data, text.len, &first);
	run(data, text.len, &second);
	if (first.result != second.result || first.digest != second.digest)
		fuzz_bug("two runs differ");
	if (good && first.result < 0)
		fuzz_bug("refused: %s", first.words);
	if (first.result < 0)
		refused++;
	else
		passed++;
	with_faults(data, text.len, good, &second);
	free(data);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int main(int argc, char **argv)
{
	log_set_level(LOG_FATAL - 1);
	fuzz_start();
	if (argc == 2 && !strcmp(argv[1], "--seed")) {
		struct buffer seed CLEANUP_BUFFER = { 0 };
		struct error *err CLEANUP_ERROR = NULL;
		if (fuzz_seed(&seed, &err) < 0)
			fuzz_bug("%s", error_message(err));
		return fd_write(STDOUT_FILENO, seed.data, seed.len) < 0;
	}
	limit_memory();
	for (int i = 1; i < argc; i++) {
		struct dirent **entries = NULL;
		int n = scandir(argv[i], &entries, NULL, by_name);
		if (n < 0)
			fuzz_bug("%s: %s", argv[i], strerror(errno));
		for (int k = 0; k < n; k++) {
			if (entries[k]->d_name[0] != '.')
				replay(argv[i], entries[k]->d_name);
			free(entries[k]);
		}
		free(entries);
	}
	(void)printf("%u read, %u refused, %u refused with a call that failed\n", passed, refused,
		     failing);
	/* A folder without good inputs, or whose faults never show, tests nothing. */
	return passed && failing ? 0 : 1;
}
