/* SPDX-License-Identifier: Apache-2.0 */
#include "sif/internal.h"

#include <string.h>

/* The words of sif.md, sections 4 and 5. */
struct name {
	int32_t value;
	const char *text;
};

static const char *find(const struct name *names, int32_t value, const char *otherwise)
{
	for (; names->text; names++) {
		if (names->value == value)
			return names->text;
	}
	return otherwise;
}

const char *sif_type_name(int32_t type)
{
	static const struct name names[] = {
		{ SIF_DEFFILE, "Def.FILE" },	{ SIF_ENVIRONMENT, "Env.Vars" },
		{ SIF_LABELS, "JSON.Labels" },	{ SIF_PARTITION, "FS" },
		{ SIF_SIGNATURE, "Signature" }, { SIF_JSON, "JSON.Generic" },
		{ SIF_GENERIC, "Generic/Raw" }, { SIF_CRYPT_MESSAGE, "Cryptographic Message" },
		{ SIF_SBOM, "SBOM" },		{ SIF_OCI_INDEX, "OCI.RootIndex" },
		{ SIF_OCI_BLOB, "OCI.Blob" },	{ 0, NULL },
	};
	return find(names, type, "Unknown");
}

const char *sif_filesystem_name(int32_t filesystem)
{
	static const struct name names[] = {
		{ SIF_SQUASHFS, "Squashfs" },
		{ SIF_EXT3, "Ext3" },
		{ SIF_ARCHIVE, "Archive" },
		{ SIF_RAW, "Raw" },
		{ SIF_ENCRYPTED_SQUASHFS, "Encrypted squashfs" },
		{ SIF_GOCRYPTFS_SQUASHFS, "Gocryptfs squashfs" },
		{ 0, NULL },
	};
	return find(names, filesystem, "Unknown");
}

const char *sif_partition_name(int32_t partition)
{
	static const struct name names[] = {
		{ SIF_SYSTEM, "System" },
		{ SIF_PRIMARY, "*System" },
		{ SIF_DATA, "Data" },
		{ SIF_OVERLAY, "Overlay" },
		{ 0, NULL },
	};
	return find(names, partition, "Unknown");
}

static const struct name sbom_formats[] = {
	{ 1, "cyclonedx-json" }, { 2, "cyclonedx-xml" }, { 3, "github-json" },
	{ 4, "spdx-json" },	 { 5, "spdx-rdf" },	 { 6, "spdx-tag-value" },
	{ 7, "spdx-yaml" },	 { 8, "syft-json" },	 { 0, NULL },
};

const char *sif_sbom_name(int32_t format)
{
	return find(sbom_formats, format, "unknown");
}

int32_t sif_sbom_format(const char *name)
{
	/* Apptainer takes it for github-json. */
	if (!strcmp(name, "github"))
		return 3;
	for (const struct name *n = sbom_formats; n->text; n++)
		if (!strcmp(n->text, name))
			return n->value;
	return 0;
}

static const struct {
	const char *code, *name;
} archs[] = {
	{ "01", "386" },     { "02", "amd64" },	   { "03", "arm" },   { "04", "arm64" },
	{ "05", "ppc64" },   { "06", "ppc64le" },  { "07", "mips" },  { "08", "mipsle" },
	{ "09", "mips64" },  { "10", "mips64le" }, { "11", "s390x" }, { "12", "riscv64" },
	{ "13", "loong64" },
};

const char *sif_arch_name(const char *code)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(*archs); i++) {
		if (!strcmp(archs[i].code, code))
			return archs[i].name;
	}
	return "unknown";
}

const char *sif_arch_native(void)
{
#if defined(__x86_64__)
	return "02";
#elif defined(__i386__)
	return "01";
#elif defined(__aarch64__)
	return "04";
#elif defined(__arm__)
	return "03";
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return "06";
#elif defined(__powerpc64__)
	return "05";
#elif defined(__s390x__)
	return "11";
#elif defined(__riscv) && __riscv_xlen == 64
	return "12";
#elif defined(__loongarch64)
	return "13";
#else
#error "no SIF architecture code is known for this machine (sif.md 5.3)"
#endif
}
