/* SPDX-License-Identifier: Apache-2.0 */
/* What is to be had by the kernel's files, of which a folder holds others. */
#include "folder.h"

#define MIB ((uint64_t)1 << 20)

static const char *const root = folder;

static void put(const char *path, const char *text)
{
	char *command CLEANUP_TEXT = NULL;
	assert_true(asprintf(&command, "mkdir -p $(dirname %s)", path) > 0);
	folder_shell(command);
	folder_save(path, text, strlen(text));
}

static int begin(void **state)
{
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	return folder_make(state);
}

static void the_machine(void **state)
{
	(void)state;
	assert_true(memory_available(root) == 1024 * MIB);
	put("proc/meminfo", "MemTotal:  8388608 kB\nMemFree: 1 kB\nMemAvailable:  3145728 kB\n");
	assert_true(memory_available(root) == 3072 * MIB);
	put("proc/self/cgroup", "0::/\n");
	assert_true(memory_available(root) == 3072 * MIB);
	assert_true(memory_available("/nonexistent") == 1024 * MIB);
}

static void groups_of_version_2(void **state)
{
	(void)state;
	put("proc/meminfo", "MemAvailable:  3145728 kB\n");
	put("proc/self/cgroup", "0::/user/job/step\n");
	put("sys/fs/cgroup/user/job/step/memory.max", "max\n");
	assert_true(memory_available(root) == 3072 * MIB);
	/* one above it */
	put("sys/fs/cgroup/user/memory.max", "1073741824\n");
	put("sys/fs/cgroup/user/memory.current", "536870912\n");
	assert_true(memory_available(root) == 512 * MIB);
	/* files are given up for it */
	put("sys/fs/cgroup/user/memory.stat",
	    "anon 1\ninactive_file 134217728\nactive_file 134217728\n");
	assert_true(memory_available(root) == 768 * MIB);
	/* its own is the least; and with nothing left */
	put("sys/fs/cgroup/user/job/step/memory.max", "268435456\n");
	assert_true(memory_available(root) == 256 * MIB);
	put("sys/fs/cgroup/user/job/step/memory.current", "268435457\n");
	assert_true(memory_available(root) == 0);
}

static void groups_of_version_1(void **state)
{
	(void)state;
	put("proc/meminfo", "MemAvailable:  3145728 kB\n");
	put("proc/self/cgroup", "9:pids:/other\n4:memory:/job\n0::/\n");
	put("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
	put("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "1073741824\n");
	put("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "805306368\n");
	put("sys/fs/cgroup/memory/job/memory.stat", "total_inactive_file 268435456\n");
	assert_true(memory_available(root) == 512 * MIB);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_machine, begin, folder_remove),
		cmocka_unit_test_setup_teardown(groups_of_version_2, begin, folder_remove),
		cmocka_unit_test_setup_teardown(groups_of_version_1, begin, folder_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
