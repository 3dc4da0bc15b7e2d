/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/commands/doctor/internal.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_FILE_MAX ((size_t)1 << 20)

void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->findings[i].found);
	free(d->findings);
	*d = (struct doctor){ 0 };
}

int doctor_add(struct doctor *d, const char *name, enum doctor_state state,
	       const struct doctor_cost *cost, struct error **err, const char *fmt, ...)
{
	char *found = NULL;
	va_list args;
	va_start(args, fmt);
	int len = vasprintf(&found, fmt, args);
	va_end(args);
	if (len < 0)
		return error_no_memory(err);
	struct doctor_finding *more = reallocarray(d->findings, d->count + 1, sizeof(*more));
	if (!more) {
		free(found);
		return error_no_memory(err);
	}
	d->findings = more;
	more[d->count++] = (struct doctor_finding){
		.name = name,
		.state = state,
		.found = found,
		.cost = cost ? *cost : (struct doctor_cost){ 0 },
	};
	return 0;
}

enum doctor_state doctor_worst(const struct doctor *d)
{
	enum doctor_state worst = DOCTOR_OK;
	for (size_t i = 0; i < d->count; i++) {
		if (d->findings[i].state > worst)
			worst = d->findings[i].state;
	}
	return worst;
}

char *doctor_read(const char *path)
{
	CLEANUP_ERROR struct error *ignored = NULL;
	CLEANUP_BUFFER struct buffer text = { 0 };
	if (fd_read_file(AT_FDCWD, path, SMALL_FILE_MAX, &text, &ignored) < 0)
		return NULL;
	if (text.len > 0 && text.data[text.len - 1] == '\n')
		text.data[--text.len] = 0;
	return buffer_steal(&text, &ignored);
}
