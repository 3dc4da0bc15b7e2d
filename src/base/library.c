/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dlfcn.h>
#include <string.h>

static bool no_more;

/* The linker's words begin with the file that was in its way: the library, or one that it needs. */
static int not_loaded(const char *words, struct error **err)
{
	int name_len = (int)strcspn(words, ":");
	if (strstr(words, "No such file")) {
		error_set(err, ERROR_SYSTEM, "load a library: %s", words);
		return error_hint(err, "install the package that has %.*s", name_len, words);
	}
	if (strstr(words, "map segment") || strstr(words, "allocate")) {
		error_set(err, ERROR_MEMORY, "load a library: %s", words);
		return error_hint(err, "raise the limit on memory (ulimit -v)");
	}
	return error_set(err, ERROR_SYSTEM, "load a library: %s", words);
}

int library_load(struct library *l, struct error **err)
{
	if (l->loaded)
		return 0;
	if (no_more)
		return error_set(err, ERROR_INTERNAL, "%s is wanted too late", l->soname);
	/* All symbols now: a process that has locked itself in can resolve none. */
	void *handle = dlopen(l->soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return not_loaded(dlerror(), err);
	char *to = l->table;
	for (size_t i = 0; i < l->count; i++, to += sizeof(void *)) {
		void *function = dlsym(handle, l->names[i]);
		if (!function) {
			error_set(err, ERROR_SYSTEM, "load a library: %s", dlerror());
			return error_hint(err, "install a newer %s", l->soname);
		}
		memcpy(to, &function, sizeof(function));
	}
	l->loaded = true;
	return 0;
}

void library_load_no_more(void)
{
	no_more = true;
}
