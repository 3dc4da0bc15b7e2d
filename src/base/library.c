/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"

#include <dlfcn.h>
#include <string.h>

static bool no_more;

int library_load(struct library *l, struct error **err)
{
	if (l->loaded)
		return 0;
	if (no_more)
		return error_set(err, ERROR_INTERNAL, "%s is wanted too late", l->soname);
	/* All symbols now: a process that has locked itself in can resolve none. */
	void *handle = dlopen(l->soname, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		error_set(err, ERROR_SYSTEM, "load a library: %s", dlerror());
		return error_hint(err, "install the package that has %s", l->soname);
	}
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
