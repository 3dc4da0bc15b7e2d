/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_FUZZ_H
#define COFFER_TESTS_FUZZ_H

#include "io/io.h"

/*
 * One target a reader: fuzz_<reader>.c defines fuzz_run() and, when it needs one, fuzz_start().
 * Two programs drive it: libfuzzer.c, and replay.c, which runs the kept inputs in the ordinary
 * tests, with any compiler.
 *
 * A target keeps the rules of base/error.h: 0 when the input went all the way through, -1 with
 * *err where it was refused. What it read it gives to fuzz_saw(), so that two runs can be compared.
 */
int fuzz_run(const uint8_t *data, size_t len, struct error **err);
/* Once, before the first run. */
void fuzz_start(void);
/* Appends a good input, made by our own writers: `replay --seed`. */
int fuzz_seed(struct buffer *ret, struct error **err);

/* How many calls of a good input replay.c makes to fail; less where a run takes long. */
extern const unsigned fuzz_faults;

void fuzz_saw(const void *data, size_t len);
void fuzz_saw_number(uint64_t v);
/* What must not be: the program aborts with these words, and the input is a finding. */
_Noreturn void fuzz_bug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * Checks an error that the target goes on after (kind, words), keeps it in *first if that is the
 * first one, and frees it otherwise.
 */
void fuzz_note(struct error **first, struct error **err);

/* Memory as a source whose reads may fail as faults say. */
int fuzz_source(const void *data, size_t len, struct source **ret, struct error **err);

/* ------------------------------------------------------------------ driving (run.c) */

struct fuzz_outcome {
	int result;
	enum error_kind kind; /* when it was refused */
	char words[256];
	uint64_t digest;
	uint64_t calls; /* that could have failed */
};
/* Runs once and checks what holds for every input. */
void fuzz_once(const uint8_t *data, size_t len, struct fuzz_outcome *ret);

/* ------------------------------------------------------------------ faults (faults.c) */

/*
 * Calls that can fail (allocations, reads, writes, the crypto library) are counted while a target
 * runs, and the one of this number fails; with `on` all after it fail too. UINT64_MAX: none.
 */
void fault_arm(uint64_t number, bool on);
bool fault_armed(void);
void fault_count_begin(void);
uint64_t fault_count_end(void);
/* For a target's own calls: none fails between the two. */
void fault_pause(void);
void fault_resume(void);
/* For a function that stands in for another. */
bool fault_now(void);

#endif
