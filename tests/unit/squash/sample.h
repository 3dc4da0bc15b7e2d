/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_TESTS_SQUASH_SAMPLE_H
#define COFFER_TESTS_SQUASH_SAMPLE_H

#include <sys/types.h>

#include "base/base.h"

/* Trees of files to pack: made from a seed, described as text, compared. All assert success. */

#define SAMPLE_PATH 64

/* The seed of this run, printed; COFFER_SEED repeats one. */
uint64_t sample_seed(void);
/* Fills with bytes that do not compress, the same ones for the same seed. */
void sample_noise(uint64_t seed, void *data, size_t len);

/* A new empty directory that everybody can enter. */
void sample_make_directory(char path[SAMPLE_PATH]);
void sample_remove(const char *path);
void sample_file(const char *dir, const char *name, const void *data, size_t len);
void sample_file_at(int dir, const char *name, const void *data, size_t len);
int sample_chmod(const char *dir, const char *name, mode_t mode);

/*
 * A new tree: all kinds of files (devices where we are root), odd names, sizes round the block
 * size, holes, copies, hard links, extended attributes, odd times and modes.
 */
void sample_random(const char *path, uint64_t seed);

/*
 * A line for each file below, the root included: kind, mode, owner (as root), links, time, size,
 * device, target, a hash of the data (holes and zeros are the same), attributes.
 */
void sample_describe(const char *path, struct buffer *ret);
/* The first lines that are not in both. */
void sample_print_difference(const char *a, const char *b);

/* Runs a program that must end with status 0. out: NULL, or its standard output. */
void sample_run(const char *const *argv, struct buffer *out);
/* How often what is in text. */
unsigned sample_count(const char *text, const char *what);

#endif
