/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Starts the program of the portable archive with the libraries that lie beside it:
 *
 *	DIR/coffer        this, without a library
 *	DIR/lib/ld.so     the linker of the C library there
 *	DIR/lib/coffer    the program
 *
 * DIR is where this file really lies, so that it can be moved, and a link lead to it. The linker
 * takes no library of the machine's cache, and LD_LIBRARY_PATH counts for the programs that are
 * started later, not for this one.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static int fail(const char *what)
{
	fprintf(stderr, "coffer: %s: %s\n", what, strerror(errno));
	return 255;
}

int main(int argc, char **argv)
{
	char self[PATH_MAX], linker[PATH_MAX + 16], program[PATH_MAX + 16], path[PATH_MAX + 16];
	/* Without /proc, as it was started by. */
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *started = (const char *)getauxval(AT_EXECFN);
	if (len < 0 && started && strlen(started) < sizeof(self))
		len = (ssize_t)strlen(strcpy(self, started));
	if (len < 0)
		return fail("find this program");
	self[len] = '\0';
	char *end = strrchr(self, '/');
	if (!end || strchr(self, ':') || strchr(self, ';')) {
		errno = EINVAL;
		return fail("lie in a folder whose name the linker can take (no : or ;)");
	}
	*end = '\0';
	(void)snprintf(linker, sizeof(linker), "%s/lib/ld.so", self);
	(void)snprintf(program, sizeof(program), "%s/lib/coffer", self);
	(void)snprintf(path, sizeof(path), "%s/lib", self);
	const char **words = calloc((size_t)argc + 8, sizeof(*words));
	if (!words)
		return fail("begin");
	size_t n = 0;
	words[n++] = linker;
	words[n++] = "--inhibit-cache";
	words[n++] = "--library-path";
	words[n++] = path;
	words[n++] = "--argv0";
	words[n++] = argc > 0 ? argv[0] : "coffer";
	words[n++] = program;
	for (int i = 1; i < argc; i++)
		words[n++] = argv[i];
	(void)execv(linker, (char *const *)words);
	return fail(linker);
}
