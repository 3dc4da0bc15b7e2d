/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_OCI_FORMAT_H
#define COFFER_OCI_FORMAT_H

/* Limits of what is read of an image layout. */
#define OCI_JSON_MAX ((size_t)4 << 20) /* of an index, a manifest, a configuration */
#define OCI_JSON_DEPTH 16
#define OCI_JSON_VALUES ((size_t)100000)
#define OCI_INDEX_DEPTH 4    /* indexes in indexes */
#define OCI_INDEXES_MAX 1000 /* that are read in search of one image */
#define OCI_LAYERS_MAX 1000
#define OCI_BLOB_MAX (UINT64_C(1) << 40)
#define OCI_WORDS_MAX 10000 /* of Entrypoint, Cmd, Env, Labels */

/* Of the layers of one image together. */
#define OCI_ENTRIES_MAX (UINT64_C(1) << 24)
#define OCI_TREE_MAX (UINT64_C(1) << 40) /* bytes of files, with holes; of what is unpacked */
/* Bytes of extended attributes, which a tree in memory keeps where nobody accounts for them. */
#define OCI_ATTRIBUTE_BYTES_MAX (UINT64_C(256) << 20)
#define OCI_ATTRIBUTE_COST 64 /* of one, besides name and value */

#define OCI_PATH_MAX ((size_t)4095) /* PATH_MAX without the NUL */
#define OCI_NAME_MAX ((size_t)255)
#define OCI_DEPTH_MAX 256 /* folders in folders */

/* pax(1): an extended header, and the attributes and holes of one entry. */
#define OCI_PAX_MAX ((size_t)1 << 20)
#define OCI_ATTRIBUTES_MAX 256
#define OCI_PIECES_MAX ((size_t)1 << 17)

#endif
