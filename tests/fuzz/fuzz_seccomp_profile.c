/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile of system calls, made a program for a payload with capabilities and for one without:
 * one that the kernel's own rules take (its jumps lead forwards and end inside, the last
 * instruction returns), and the same each time.
 */
#include "fuzz.h"

#include <linux/filter.h>
#include <string.h>

#include "run/confine/confine.h"

/* What the kernel asks of a filter (its bpf_check_classic). */
static void check_program(const struct buffer *b)
{
	size_t len = b->len / sizeof(struct sock_filter);
	if (b->len % sizeof(struct sock_filter) || !len || len > BPF_MAXINSNS)
		fuzz_bug("a program of %zu bytes", b->len);
	for (size_t i = 0; i < len; i++) {
		struct sock_filter f;
		memcpy(&f, b->data + i * sizeof(f), sizeof(f));
		size_t left = len - i - 1, far = f.jt > f.jf ? f.jt : f.jf;
		if (BPF_CLASS(f.code) == BPF_JMP && BPF_OP(f.code) == BPF_JA)
			far = f.k;
		if (BPF_CLASS(f.code) == BPF_JMP ? far >= left
						 : !left && BPF_CLASS(f.code) != BPF_RET)
			fuzz_bug("instruction %zu of %zu leads out", i, len);
	}
}

int fuzz_run(const uint8_t *data, size_t len, struct error **err)
{
	for (int can = 0; can < 2; can++) {
		CLEANUP_BUFFER struct buffer program = { 0 };
		CLEANUP_STRINGS struct strings skipped = { 0 };
		if (run_profile_make((const char *)data, len, "profile", can, &program, &skipped,
				     err) < 0)
			return -1;
		check_program(&program);
		fuzz_saw(program.data, program.len);
		for (size_t i = 0; i < skipped.len; i++)
			fuzz_saw(skipped.items[i], strlen(skipped.items[i]));
	}
	return 0;
}
