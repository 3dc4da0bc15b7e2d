/* SPDX-License-Identifier: Apache-2.0 */
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <seccomp.h>
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
		  "syscalls.1 contradicts syscalls.0", ERROR_DAMAGED },
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

#define KILLS(more) "{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_KILL\"" more "}"
#define ARGS(list) ",\"args\":[" list "]"
#define MASK(index, mask, bits)                                                                    \
	"{\"index\":" index ",\"op\":\"SCMP_CMP_MASKED_EQ\",\"value\":" mask ",\"valueTwo\":" bits \
	"}"

/* libseccomp keeps one of two such rules, and says nothing of the other. */
static void contradictions(void **state)
{
	(void)state;
	static const char *const refused[] = {
		/* Refused for one argument, allowed whatever they are: in both orders. */
		ALLOWS(RULE("") "," KILLS(ARGS(ARG("0", "EQ", "1")))),
		ALLOWS(KILLS(ARGS(ARG("0", "EQ", "1"))) "," RULE("")),
		/* Beside the default action, which needs no rule. */
		ALLOWS("{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_ALLOW\"" ARGS(
			ARG("0", "EQ", "1")) "}," RULE("")),
		/* Where the conditions of both hold. */
		ALLOWS(RULE(ARGS(ARG("0", "LE", "5"))) "," KILLS(ARGS(ARG("0", "GE", "5")))),
		ALLOWS(RULE(ARGS(ARG("0", "NE", "5"))) "," KILLS(ARGS(ARG("0", "NE", "6")))),
		ALLOWS(RULE(ARGS(ARG("0", "EQ", "5"))) "," KILLS(ARGS(ARG("1", "EQ", "5")))),
		ALLOWS(RULE(ARGS(MASK("0", "12", "8"))) "," KILLS(ARGS(MASK("0", "3", "1")))),
		ALLOWS(RULE(ARGS(MASK("0", "12", "8"))) "," KILLS(ARGS(ARG("0", "GT", "7")))),
		ALLOWS(RULE(ARGS(ARG("0", "EQ", "1") "," ARG("0", "EQ", "2"))) "," KILLS(
			ARGS(ARG("0", "EQ", "2")))),
		/* One of them among the names of two lists. */
		ALLOWS("{\"names\":[\"read\",\"getpriority\",\"write\"],\"action\":\"SCMP_ACT_"
		       "LOG\"}," RULE(ARGS(ARG("0", "EQ", "1")))),
	};
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		CLEANUP_BUFFER struct buffer program = { 0 };
		struct error *err CLEANUP_ERROR = NULL;
		if (make(refused[i], false, &program, &err) >= 0)
			fail_msg("%s: taken", refused[i]);
		if (error_kind(err) != ERROR_DAMAGED ||
		    !strstr(error_message(err),
			    "p: syscalls.1 contradicts syscalls.0: getpriority"))
			fail_msg("%s: %s", refused[i], error_message(err));
	}
	/* Without conditions the first counts, as with engines, and the default action is no rule.
	 */
	assert_int_equal(answer(ALLOWS(RULE("") "," KILLS("")), false, 0, 0), EPERM);
	assert_int_equal(answer(ALLOWS(KILLS("") "," RULE("")), false, 0, 0), 1000 + SIGSYS);
	static const char none[] =
		ALLOWS("{\"names\":[\"getpriority\"],\"action\":\"SCMP_ACT_ALLOW\"}," RULE(
			ARGS(ARG("0", "EQ", "7"))));
	assert_int_equal(answer(none, false, 7, 0), EPERM);
	assert_int_equal(answer(none, false, 8, 0), EINVAL);
	/* One action is none, and neither are conditions that exclude each other. */
	static const char one[] = ALLOWS(RULE("") "," RULE(ARGS(ARG("0", "EQ", "1"))));
	assert_int_equal(answer(one, false, 1, 0), EPERM);
	assert_int_equal(answer(one, false, 2, 0), EPERM);
	static const char apart[] =
		ALLOWS(RULE(ARGS(ARG("0", "EQ", "0"))) "," KILLS(ARGS(ARG("0", "NE", "0"))));
	assert_int_equal(answer(apart, false, 0, 0), EPERM);
	assert_int_equal(answer(apart, false, 1, 0), 1000 + SIGSYS);
	static const char bits[] =
		ALLOWS(RULE(ARGS(MASK("0", "3", "1"))) "," KILLS(ARGS(MASK("0", "1", "0"))));
	assert_int_equal(answer(bits, false, 5, 0), EPERM);
	assert_int_equal(answer(bits, false, 4, 0), 1000 + SIGSYS);
	/* What does not stand contradicts nothing. */
	static const char user[] = ALLOWS(RULE(",\"excludes\":{\"caps\":[\"CAP_BPF\"]}") "," KILLS(
		",\"includes\":{\"caps\":[\"CAP_BPF\"]}"));
	assert_int_equal(answer(user, false, 0, 0), EPERM);
	assert_int_equal(answer(user, true, 0, 0), 1000 + SIGSYS);
}

/*
 * Any rules for one call: what is taken does what they say. libseccomp 2.5 makes another filter of
 * about one in seventy of these than their words are, and those have to be refused.
 */
static const struct {
	const char *word;
	enum scmp_compare op;
} compares[] = {
	{ "NE", SCMP_CMP_NE },
	{ "LT", SCMP_CMP_LT },
	{ "LE", SCMP_CMP_LE },
	{ "EQ", SCMP_CMP_EQ },
	{ "GE", SCMP_CMP_GE },
	{ "GT", SCMP_CMP_GT },
	{ "MASKED_EQ", SCMP_CMP_MASKED_EQ },
};
static const uint64_t numbers[] = {
	0, 1, 2, 5, 0x80000000, 0x100000001, 0x100000003, UINT64_MAX - 1
};

struct said {
	int number; /* the errno */
	unsigned count;
	struct scmp_arg_cmp args[2];
};

static bool holds(const struct scmp_arg_cmp *c, uint64_t v)
{
	return c->op == SCMP_CMP_NE   ? v != c->datum_a
	       : c->op == SCMP_CMP_LT ? v < c->datum_a
	       : c->op == SCMP_CMP_LE ? v <= c->datum_a
	       : c->op == SCMP_CMP_EQ ? v == c->datum_a
	       : c->op == SCMP_CMP_GE ? v >= c->datum_a
	       : c->op == SCMP_CMP_GT ? v > c->datum_a
				      : (v & c->datum_a) == c->datum_b;
}

static uint64_t pick(uint64_t *state, uint64_t n)
{
	*state = *state * 6364136223846793005 + 1442695040888963407;
	return (*state >> 33) % n;
}

static void make_rule(uint64_t *seed, struct said *rule, struct buffer *text)
{
	static const char *const names[] = { "EPERM", "EXDEV" };
	size_t which = pick(seed, 2);
	rule->number = which ? EXDEV : EPERM;
	rule->count = (unsigned)pick(seed, 3);
	assert_ok(buffer_printf(text, err,
				"%s{\"name\":\"getpriority\",\"action\":"
				"\"SCMP_ACT_ERRNO\",\"errno\":\"%s\",\"args\":[",
				text->len ? "," : "", names[which]));
	for (unsigned i = 0; i < rule->count; i++) {
		size_t op = pick(seed, sizeof(compares) / sizeof(*compares));
		unsigned arg = i ? (rule->args[0].arg + 1) % 3 : (unsigned)pick(seed, 3);
		uint64_t a = numbers[pick(seed, 8)], b = numbers[pick(seed, 8)];
		rule->args[i] =
			(struct scmp_arg_cmp){ arg, compares[op].op, a, op == 6 ? b & a : 0 };
		assert_ok(buffer_printf(text, err,
					"%s{\"index\":%u,\"op\":\"SCMP_CMP_%s\","
					"\"value\":%" PRIu64 ",\"valueTwo\":%" PRIu64 "}",
					i ? "," : "", arg, compares[op].word, a,
					rule->args[i].datum_b));
	}
	assert_ok(buffer_puts(text, "]}", err));
}

/* In a process that has loaded the filter: 0, or 1 where a call is answered otherwise. */
static int try_calls(const struct said *rules, unsigned n)
{
	for (unsigned turn = 0; turn < 8 * 8 * 8 * 2; turn++) {
		uint64_t args[3], rest = turn / 2;
		int wanted = 0;
		for (unsigned i = 0; i < 3; i++, rest /= 8)
			args[i] = numbers[rest % 8] + turn % 2;
		for (unsigned i = 0; i < n; i++) {
			bool all = true;
			for (unsigned k = 0; k < rules[i].count; k++)
				all &= holds(&rules[i].args[k], args[rules[i].args[k].arg]);
			if (all && (!wanted || rules[i].count))
				wanted = rules[i].number;
		}
		/* The kernel itself may say EINVAL or ESRCH. */
		int got = syscall(SYS_getpriority, args[0], args[1], args[2]) < 0 ? errno : 0;
		if ((got == EPERM || got == EXDEV ? got : 0) != wanted)
			return 1;
	}
	return 0;
}

static void any_rules(void **state)
{
	(void)state;
	uint64_t seed = 14;
	unsigned taken = 0, refused = 0;
	for (unsigned turn = 0; turn < 400; turn++) {
		CLEANUP_BUFFER struct buffer list = { 0 }, text = { 0 }, program = { 0 };
		struct error *fault CLEANUP_ERROR = NULL;
		struct said rules[3];
		unsigned n = 1 + (unsigned)pick(&seed, 3);
		for (unsigned i = 0; i < n; i++)
			make_rule(&seed, &rules[i], &list);
		assert_ok(buffer_printf(&text, err,
					"{\"defaultAction\":\"SCMP_ACT_ALLOW\","
					"\"syscalls\":[%.*s]}%c",
					(int)list.len, list.data, 0));
		if (make(text.data, false, &program, &fault) < 0) {
			refused += error_kind(fault) == ERROR_UNSUPPORTED;
			continue;
		}
		taken++;
		pid_t pid = fork();
		assert_true(pid >= 0);
		if (pid == 0) {
			const struct run_plan plan = { .profile = program };
			if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			    run_filter_load(&plan, &fault) < 0)
				_exit(200);
			(void)syscall(SYS_exit_group, try_calls(rules, n));
		}
		int status = 0;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		if (status)
			fail_msg("%s: another filter (status %d)", text.data, status);
	}
	if (taken < 100 || !refused)
		fail_msg("%u profiles were taken, %u refused for what libseccomp makes", taken,
			 refused);
}

/* What an engine ships is taken, for root and for others. */
static void of_an_engine(void **state)
{
	(void)state;
	const char *source = getenv("COFFER_SOURCE_ROOT");
	assert_non_null(source);
	for (int root = 0; root < 2; root++) {
		CLEANUP_BUFFER struct buffer text = { 0 }, program = { 0 };
		char path[4096];
		(void)snprintf(path, sizeof(path), "%s/tests/cli/profile.json", source);
		assert_ok(fd_read_file(AT_FDCWD, path, 1 << 20, &text, err));
		assert_ok(buffer_append(&text, "", 1, err));
		assert_ok(make(text.data, root, &program, err));
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
		cmocka_unit_test(names_of_others), cmocka_unit_test(contradictions),
		cmocka_unit_test(any_rules),	   cmocka_unit_test(of_an_engine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
