/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `sif list`, `header` and `info` print (sif.md 11.1 to 11.3). Scripts cut these tables at
 * their columns, so widths, blanks and roundings are Apptainer's, odd ones too. Names are
 * an image's, and go out as they are: cli/ puts them through base/screen.h.
 */
#include "sif/internal.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const hashes[] = { "SHA-256", "SHA-384", "SHA-512", "BLAKE2s-256",
				      "BLAKE2b-256" };

static int32_t extra_number(const struct sif_descriptor *d)
{
	struct bytes b = bytes_of(d->extra, sizeof(d->extra));
	return (int32_t)bytes_le32(&b);
}

static const char *hash_name(const struct sif_descriptor *d)
{
	int32_t n = extra_number(d);
	return n >= 1 && n <= 5 ? hashes[n - 1] : NULL;
}

static const char *message_format_name(const struct sif_descriptor *d)
{
	return d->message_format == 1		      ? "OpenPGP"
	       : d->message_format == SIF_MESSAGE_PEM ? "PEM"
						      : "Unknown";
}

static const char *message_kind_name(const struct sif_descriptor *d)
{
	return d->message_kind == 0x100			 ? "Clear Signature"
	       : d->message_kind == SIF_MESSAGE_RSA_OAEP ? "RSA-OAEP"
							 : "Unknown";
}

/* sif.md 11.1. A signature of an unknown kind ends its row without a newline, as the original. */
static int print_row(const struct sif_descriptor *d, struct buffer *ret, struct error **err)
{
	char group[16] = "NONE", link[24] = "NONE    ", range[64];
	if (d->group)
		snprintf(group, sizeof(group), "%u", d->group);
	if (d->link && d->link_is_group)
		snprintf(link, sizeof(link), "%-3u (G) ", d->link);
	else if (d->link)
		snprintf(link, sizeof(link), "%-7u ", d->link);
	snprintf(range, sizeof(range), "|%llu-%llu ", (unsigned long long)d->off,
		 (unsigned long long)(d->off + d->len));
	if (buffer_printf(ret, err, "%-4u |%-7s |%s%-26s ", d->id, group, link, range) < 0)
		return -1;
	const char *name = sif_type_name(d->type);
	switch (d->type) {
	case SIF_PARTITION:
		return buffer_printf(ret, err, "|%s (%s/%s/%s)\n", name,
				     sif_filesystem_name(d->filesystem),
				     sif_partition_name(d->partition), sif_arch_name(d->arch));
	case SIF_SIGNATURE:
		return hash_name(d) ? buffer_printf(ret, err, "|%s (%s)\n", name, hash_name(d)) : 0;
	case SIF_CRYPT_MESSAGE:
		return buffer_printf(ret, err, "|%s (%s/%s)\n", name, message_format_name(d),
				     message_kind_name(d));
	case SIF_SBOM:
		return buffer_printf(ret, err, "|%s (%s)\n", name, sif_sbom_name(extra_number(d)));
	default:
		return buffer_printf(ret, err, "|%s\n", name);
	}
}

int sif_print_list(const struct sif *s, struct buffer *ret, struct error **err)
{
	static const char rule[] = "------------------------------------------------------------"
				   "------------------\n";
	if (buffer_puts(ret, rule, err) < 0 ||
	    buffer_printf(ret, err, "%-4s %-8s %-8s %-26s %s\n", "ID", "|GROUP", "|LINK",
			  "|SIF POSITION (start-end)", "|TYPE") < 0 ||
	    buffer_puts(ret, rule, err) < 0)
		return -1;
	for (size_t i = 0; i < s->count; i++) {
		if (print_row(&s->descriptors[i], ret, err) < 0)
			return -1;
	}
	return 0;
}

/* Lines of "LABEL: value", the values in one column behind the longest label. */
struct table {
	struct strings labels, values;
};

static void table_free(struct table *t)
{
	strings_free(&t->labels);
	strings_free(&t->values);
}

static int table_add(struct table *t, const char *label, char *value, struct error **err)
{
	/* A name of the image's shall not look like the next line. */
	if (value)
		for (char *p = value; (p = strchr(p, '\n'));)
			*p = '?';
	/* strings_take owns value from here on, also when the first call fails. */
	if (strings_take(&t->values, value, err) < 0)
		return -1;
	return strings_add(&t->labels, label, err);
}

static int table_number(struct table *t, const char *label, uint64_t n, struct error **err)
{
	return table_add(t, label, text_printf(err, "%llu", (unsigned long long)n), err);
}

static int table_time(struct table *t, const char *label, int64_t seconds, struct error **err)
{
	time_t when = (time_t)seconds;
	struct tm tm;
	char text[64];
	if (seconds == SIF_ZERO_TIME)
		return 0;
	if (!gmtime_r(&when, &tm) ||
	    !strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S +0000 UTC", &tm))
		snprintf(text, sizeof(text), "%lld", (long long)seconds);
	return table_add(t, label, text_dup(text, err), err);
}

static int table_print(const struct table *t, const char *indent, size_t gap, struct buffer *ret,
		       struct error **err)
{
	size_t width = 0;
	for (size_t i = 0; i < t->labels.len; i++) {
		size_t len = strlen(t->labels.items[i]) + 1;
		width = len > width ? len : width;
	}
	for (size_t i = 0; i < t->labels.len; i++) {
		int pad = (int)(width + gap - strlen(t->labels.items[i]) - 1);
		if (buffer_printf(ret, err, "%s%s:%*s%s\n", indent, t->labels.items[i], pad, "",
				  t->values.items[i]) < 0)
			return -1;
	}
	return 0;
}

/* sif.md 11.2: integer steps choose the unit, then the true quotient is rounded. */
static char *readable_size(uint64_t size, struct error **err)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	if (size < 1024)
		return text_printf(err, "%llu B", (unsigned long long)size);
	size_t unit = 0;
	uint64_t divisor = 1024;
	for (uint64_t n = size / 1024; n >= 1024; n /= 1024) {
		divisor *= 1024;
		unit++;
	}
	uint64_t rounded = size / divisor + (size % divisor >= divisor / 2);
	return text_printf(err, "%llu %s", (unsigned long long)rounded, units[unit]);
}

static char *uuid_text(const uint8_t u[16], struct error **err)
{
	return text_printf(err,
			   "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
			   u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
			   u[12], u[13], u[14], u[15]);
}

int sif_print_header(const struct sif *s, struct buffer *ret, struct error **err)
{
	static const uint8_t nil[16] = { 0 };
	__attribute__((cleanup(table_free))) struct table t = { 0 };
	size_t launch = strlen(s->launch);
	if (launch && s->launch[launch - 1] == '\n')
		launch--;
	if ((s->launch[0] &&
	     table_add(&t, "Launch Script", text_dup_len(s->launch, launch, err), err) < 0) ||
	    table_add(&t, "Version", text_dup(s->version, err), err) < 0 ||
	    (strcmp(sif_arch_name(s->arch), "unknown") != 0 &&
	     table_add(&t, "Primary Architecture", text_dup(sif_arch_name(s->arch), err), err) <
		     0) ||
	    (memcmp(s->uuid, nil, sizeof(nil)) != 0 &&
	     table_add(&t, "ID", uuid_text(s->uuid, err), err) < 0) ||
	    table_time(&t, "Created At", s->created, err) < 0 ||
	    table_time(&t, "Modified At", s->modified, err) < 0)
		return -1;
	if (table_number(&t, "Descriptors Free", (uint64_t)s->descriptors_free, err) < 0 ||
	    table_number(&t, "Descriptors Total", (uint64_t)s->descriptors_total, err) < 0 ||
	    table_number(&t, "Descriptors Offset", s->descriptors_off, err) < 0 ||
	    table_add(&t, "Descriptors Size", readable_size(s->descriptors_len, err), err) < 0 ||
	    table_number(&t, "Data Offset", s->data_off, err) < 0 ||
	    table_add(&t, "Data Size", readable_size(s->data_len, err), err) < 0)
		return -1;
	return table_print(&t, "", 1, ret, err);
}

/* The lines that depend on the type: sif.md 11.3. */
static int table_extra(struct table *t, const struct sif_descriptor *d, struct error **err)
{
	switch (d->type) {
	case SIF_PARTITION:
		return table_add(t, "Filesystem Type",
				 text_dup(sif_filesystem_name(d->filesystem), err), err) < 0 ||
				       table_add(t, "Partition Type",
						 text_dup(sif_partition_name(d->partition), err),
						 err) < 0 ||
				       table_add(t, "Architecture",
						 text_dup(sif_arch_name(d->arch), err), err) < 0
			       ? -1
			       : 0;
	case SIF_CRYPT_MESSAGE:
		return table_add(t, "Format Type", text_dup(message_format_name(d), err), err) <
					       0 ||
				       table_add(t, "Message Type",
						 text_dup(message_kind_name(d), err), err) < 0
			       ? -1
			       : 0;
	case SIF_SBOM:
		return table_add(t, "Format", text_dup(sif_sbom_name(extra_number(d)), err), err);
	case SIF_OCI_INDEX:
	case SIF_OCI_BLOB:
		return table_add(t, "Digest",
				 text_dup_len((const char *)d->extra,
					      strnlen((const char *)d->extra, SIF_EXTRA_LEN), err),
				 err);
	case SIF_SIGNATURE: {
		char hex[41] = "";
		bool present = false;
		for (size_t i = 0; i < 20; i++) {
			snprintf(hex + 2 * i, 3, "%02X", d->extra[4 + i]);
			present |= d->extra[4 + i] != 0;
		}
		if (!hash_name(d))
			return error_set(err, ERROR_UNSUPPORTED, "hash algorithm unsupported");
		if (table_add(t, "Hash Type", text_dup(hash_name(d), err), err) < 0)
			return -1;
		return present ? table_add(t, "Entity", text_dup(hex, err), err) : 0;
	}
	default:
		return 0;
	}
}

int sif_print_info(const struct sif_descriptor *d, struct buffer *ret, struct error **err)
{
	__attribute__((cleanup(table_free))) struct table t = { 0 };
	char group[16] = "NONE", link[24] = "NONE";
	if (d->group)
		snprintf(group, sizeof(group), "%u", d->group);
	if (d->link)
		snprintf(link, sizeof(link), d->link_is_group ? "%u (G)" : "%u", d->link);
	if (table_add(&t, "Data Type", text_dup(sif_type_name(d->type), err), err) < 0 ||
	    table_number(&t, "ID", d->id, err) < 0 ||
	    table_add(&t, "Group ID", text_dup(group, err), err) < 0 ||
	    table_add(&t, "Linked ID", text_dup(link, err), err) < 0 ||
	    table_number(&t, "Offset", d->off, err) < 0 ||
	    table_number(&t, "Size", d->len, err) < 0 ||
	    table_time(&t, "Created At", d->created, err) < 0 ||
	    table_time(&t, "Modified At", d->modified, err) < 0 ||
	    (d->name[0] && table_add(&t, "Name", text_dup(d->name, err), err) < 0) ||
	    table_extra(&t, d, err) < 0)
		return -1;
	return table_print(&t, "  ", 2, ret, err);
}
