/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/internal.h"

/* getpriority stands for any call here that nothing else needs. */
#define ALLOWS(rules) "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[" rules "]}"
#define RULE(more) "{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_ERRNO\"" more "}"

static int make(const char *text, bool root, struct buffer *program, struct error **err)
{
	CLEANUP_STRINGS struct strings skipped = { 0 };
	return run_profile_make(text, strlen(text), "p", root, program, &skipped, err);
}

/* What getpriority(which, who) is answered with under a profile: 0, an errno, or 1000 + a signal.
 */
static int answer(const char *text, bool root, int which, int who)
{
	CLEANUP_BUFFER struct buffer program = { 0 };
	assert_ok(make(text, root, &program, err));
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct error *err = NULL;
		const struct run_plan plan = { .profile = program };
		(void)signal(SIGSYS, SIG_DFL); /* cmocka's is for its own tests */
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || run_filter_load(&plan, &err) < 0)
			_exit(200);
		/* Whatever the profile says. */
		if (syscall(SYS_ioctl, -1, TIOCSTI, "x") == 0 || errno != EPERM)
			_exit(201);
		/* The call itself: a sanitizer's _exit makes others, which the profile may refuse.
		 */
		long code = syscall(SYS_getpriority, which, who) < 0 ? errno : 0;
		(void)syscall(SYS_exit_group, code);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void actions(void **state)
{
	(void)state;
#define ONE(action) ALLOWS("{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_" action "\"}")
	assert_int_equal(answer(ONE("ALLOW"), false, 0, 0), 0);
	assert_int_equal(answer(ONE("LOG"), false, 0, 0), 0);
	assert_int_equal(answer(ONE("ERRNO"), false, 0, 0), EPERM);
	assert_int_equal(answer(ONE("KILL"), false, 0, 0), 1000 + SIGSYS);
	assert_int_equal(answer(ONE("KILL_THREAD"), false, 0, 0), 1000 + SIGSYS);
	assert_int_equal(answer(ONE("KILL_PROCESS"), false, 0, 0), 1000 + SIGSYS);
	assert_int_equal(answer(ONE("TRAP"), false, 0, 0), 1000 + SIGSYS);
	assert_int_equal(answer(ALLOWS(RULE(",\"errnoRet\":38")), false, 0, 0), ENOSYS);
	assert_int_equal(answer(ALLOWS(RULE(",\"errno\":\"ENOSYS\",\"errnoRet\":38")), false, 0, 0),
			 ENOSYS);
	assert_int_equal(answer(ALLOWS("{\"name\":\"getpriority\",\"action\":\"SCMP_ACT_ERRNO\"}"),
				false, 0, 0),
			 EPERM);
	CLEANUP_BUFFER struct buffer program = { 0 };
	assert_ok(make("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4094}", false,
		       &program, err));
	assert_int_equal(answer("{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":22,"
				"\"syscalls\":[{\"names\":[\"exit_group\",\"ioctl\"],"
				"\"action\":\"SCMP_ACT_ALLOW\"}]}",
				false, 0, 0),
			 EINVAL);
}

static void arguments(void **state)
{
	(void)state;
#define ARG(index, op, value) "{\"index\":" index ",\"op\":\"SCMP_CMP_" op "\",\"value\":" value "}"
	static const char both[] =
		ALLOWS(RULE(",\"args\":[" ARG("0", "EQ", "0") "," ARG("1", "GT", "5") "]"));
	assert_int_equal(answer(both, false, 0, 6), EPERM);
	assert_int_not_equal(answer(both, false, 0, 5), EPERM);
	assert_int_not_equal(answer(both, false, 1, 6), EPERM);
	/* Of one argument: either. */
	static const char either[] =
		ALLOWS(RULE(",\"args\":[" ARG("0", "EQ", "7") "," ARG("0", "EQ", "8") "]"));
	assert_int_equal(answer(either, false, 7, 0), EPERM);
	assert_int_equal(answer(either, false, 8, 0), EPERM);
	assert_int_equal(answer(either, false, 9, 0), EINVAL);
	static const char masked[] =
		ALLOWS(RULE(",\"args\":[{\"index\":0,\"value\":12,\"valueTwo\":8,"
			    "\"op\":\"SCMP_CMP_MASKED_EQ\"}]"));
	assert_int_equal(answer(masked, false, 9, 0), EPERM);
	assert_int_equal(answer(masked, false, 12, 0), EINVAL);
}

static void conditions(void **state)
{
	(void)state;
#define IF(what) ALLOWS(RULE("," what))
	assert_int_equal(answer(IF("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), false, 0, 0), 0);
	assert_int_equal(answer(IF("\"includes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), true, 0, 0),
			 EPERM);
	assert_int_equal(answer(IF("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), false, 0, 0),
			 EPERM);
	assert_int_equal(answer(IF("\"excludes\":{\"caps\":[\"CAP_SYS_ADMIN\"]}"), true, 0, 0), 0);
	assert_int_equal(answer(IF("\"includes\":{\"minKernel\":\"4.8\"}"), false, 0, 0), EPERM);
	assert_int_equal(answer(IF("\"includes\":{\"minKernel\":\"99.0\"}"), false, 0, 0), 0);
	assert_int_equal(answer(IF("\"excludes\":{\"minKernel\":\"4.8\"}"), false, 0, 0), 0);
	assert_int_equal(answer(IF("\"includes\":{\"arches\":[\"pdp11\"]}"), false, 0, 0), 0);
	assert_int_equal(
		answer(IF("\"excludes\":{\"arches\":[\"pdp11\"]},\"includes\":{}"), false, 0, 0),
		EPERM);
#if defined(__x86_64__)
	assert_int_equal(answer(IF("\"includes\":{\"arches\":[\"s390x\",\"amd64\"]}"), false, 0, 0),
			 EPERM);
	assert_int_equal(answer(IF("\"excludes\":{\"arches\":[\"amd64\"]}"), false, 0, 0), 0);
#endif
}

/* Each is a profile with one fault; the message names the place. */
static void faults(void **state)
{
	(void)state;
	static const struct {
		const char *text, *words;
		enum error_kind kind;
	} cases[] = {
		{ "", "does not parse", ERROR_DAMAGED },
		{ "[]", "is not an object", ERROR_DAMAGED },
		{ "{}", "defaultAction is missing", ERROR_DAMAGED },
		{ "{\"defaultAction\":7}", "defaultAction is not a text", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"ALLOW\"}", "defaultAction \"ALLOW\"", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_NOTIFY\"}", "SCMP_ACT_NOTIFY", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_TRACE\"}", "SCMP_ACT_TRACE", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultErrnoRet\":1}",
		  "defaultErrnoRet is of no use", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ERRNO\",\"defaultErrnoRet\":4095}",
		  "defaultErrnoRet is over the limit", ERROR_LIMIT },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"listenerPath\":\"/x\"}",
		  "listenerPath is not supported", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"defaultAction\":\"SCMP_ACT_ALLOW\"}",
		  "member twice", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[\"SCMP_ARCH_PDP11\"]}",
		  "architectures.0 \"SCMP_ARCH_PDP11\"", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"architectures\":[],\"archMap\":[]}",
		  "archMap stands beside", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":\"x\"}]}",
		  "archMap.0.architecture", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[\"SECCOMP_FILTER_FLAG_X\"]}",
		  "flags.0", ERROR_UNSUPPORTED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"flags\":[7]}", "flags.0 is not a text",
		  ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[7]}",
		  "archMap.0 is not an object", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":"
		  "\"SCMP_ARCH_X86_64\",\"subArchitectures\":7}]}",
		  "subArchitectures is not a list", ERROR_DAMAGED },
		{ "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"archMap\":[{\"architecture\":"
		  "\"SCMP_ARCH_X86_64\",\"other\":7}]}",
		  "archMap.0.other", ERROR_UNSUPPORTED },
		{ ALLOWS("7"), "syscalls.0 is not an object", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"args\":[" ARG(
			  "0", "EQ", "1") "]") ",{\"names\":[\"getpriority\"],"
					       "\"action\":\"SCMP_ACT_KILL\",\"args\":[" ARG(
						       "0", "EQ", "1") "]}"),
		  "syscalls.1 contradicts another rule", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"includes\":{\"caps\":[7]}")), "includes.caps.0 is not a text",
		  ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"includes\":{\"arches\":{}}")), "includes.arches is not a list",
		  ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"includes\":{\"minKernel\":\"4\"}")), "includes.minKernel is no",
		  ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"args\":[7]")), "syscalls.0.args.0 is not an object",
		  ERROR_DAMAGED },
		{ ALLOWS("{\"action\":\"SCMP_ACT_ERRNO\"}"), "syscalls.0.names is missing",
		  ERROR_DAMAGED },
		{ ALLOWS("{\"names\":[\"read\"]}"), "syscalls.0.action is missing", ERROR_DAMAGED },
		{ ALLOWS("{\"names\":[7],\"action\":\"SCMP_ACT_ERRNO\"}"),
		  "syscalls.0.names.0 is not", ERROR_DAMAGED },
		{ ALLOWS("{\"names\":[\"re ad\"],\"action\":\"SCMP_ACT_ERRNO\"}"),
		  "syscalls.0.names has", ERROR_DAMAGED },
		{ ALLOWS("{\"names\":[],\"name\":\"read\",\"action\":\"SCMP_ACT_ERRNO\"}"),
		  "stands beside names", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"priority\":1")), "syscalls.0.priority is not supported",
		  ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"errnoRet\":-1")), "syscalls.0.errnoRet is too small",
		  ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"errno\":\"EVERY\"")), "syscalls.0.errno \"EVERY\"",
		  ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"errno\":\"EPERM\",\"errnoRet\":2")), "another than its number",
		  ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"args\":{}")), "syscalls.0.args is not a list", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"args\":[{\"index\":6,\"value\":0,\"op\":\"SCMP_CMP_EQ\"}]")),
		  "syscalls.0.args.0.index", ERROR_LIMIT },
		{ ALLOWS(RULE(",\"args\":[{\"index\":0,\"value\":99999999999999999999,\"op\":"
			      "\"SCMP_CMP_EQ\"}]")),
		  "syscalls.0.args.0.value", ERROR_LIMIT },
		{ ALLOWS(RULE(",\"args\":[{\"index\":0,\"value\":1.5,\"op\":\"SCMP_CMP_EQ\"}]")),
		  "syscalls.0.args.0.value", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"args\":[{\"index\":0,\"value\":0,\"op\":\"EQ\"}]")),
		  "syscalls.0.args.0.op", ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\","
			      "\"valueTwo\":1}]")),
		  "valueTwo is of no use", ERROR_DAMAGED },
		{ ALLOWS(RULE(
			  ",\"args\":[{\"index\":0,\"value\":0,\"op\":\"SCMP_CMP_EQ\",\"x\":1}]")),
		  "syscalls.0.args.0.x", ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"includes\":{\"caps\":[\"CAP_ANY\"]}")),
		  "syscalls.0.includes.caps.0", ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"excludes\":{\"minKernel\":\"new\"}")),
		  "syscalls.0.excludes.minKernel", ERROR_DAMAGED },
		{ ALLOWS(RULE(",\"excludes\":{\"user\":\"root\"}")), "syscalls.0.excludes.user",
		  ERROR_UNSUPPORTED },
		{ ALLOWS(RULE(",\"includes\":7")), "syscalls.0.includes is not an object",
		  ERROR_DAMAGED },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		CLEANUP_BUFFER struct buffer program = { 0 };
		struct error *err CLEANUP_ERROR = NULL;
		if (make(cases[i].text, false, &program, &err) >= 0)
			fail_msg("%s: taken", cases[i].text);
		if (error_kind(err) != cases[i].kind || !strstr(error_message(err), cases[i].words))
			fail_msg("%s: %s", cases[i].text, error_message(err));
	}
}

/* Newer kernels' calls, and those of other processors, are in every engine's profile. */
static void names_of_others(void **state)
{
	(void)state;
	static const char text[] =
		ALLOWS("{\"names\":[\"not_yet_made\",\"sync_file_range2\",\"s390_runtime_instr\","
		       "\"getpriority\"],\"action\":\"SCMP_ACT_ERRNO\"}");
	CLEANUP_BUFFER struct buffer program = { 0 };
	CLEANUP_STRINGS struct strings skipped = { 0 };
	assert_ok(run_profile_make(text, strlen(text), "p", false, &program, &skipped, err));
	assert_int_equal(skipped.len, 1);
	assert_string_equal(skipped.items[0], "not_yet_made");
	assert_int_equal(answer(text, false, 0, 0), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(actions),	   cmocka_unit_test(arguments),
		cmocka_unit_test(conditions),	   cmocka_unit_test(faults),
		cmocka_unit_test(names_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
