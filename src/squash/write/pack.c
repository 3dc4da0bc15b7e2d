/* SPDX-License-Identifier: Apache-2.0 */
#include "squash/write/internal.h"

#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define READ_CAP (256u << 10)
#define BACKLOG_PER_THREAD 10

/* Superblock flags as mksquashfs sets them: duplicates were looked for, there is an export table.
 */
#define FLAGS (SQUASH_FLAG_DUPLICATES | SQUASH_FLAG_EXPORTABLE)

static unsigned count_cpus(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return (unsigned)CPU_COUNT(&set);
}

static int begin_image(struct squash_packer *p, struct error **err)
{
	static const uint8_t nothing[SQUASH_SUPER_LEN];
	const struct squash_write_options *o = p->options;
	p->block_size = o->block_size ? o->block_size : SQFS_DEFAULT_BLOCK_SIZE;
	if (p->block_size < SQFS_MIN_BLOCK_SIZE || p->block_size > SQFS_MAX_BLOCK_SIZE ||
	    (p->block_size & (p->block_size - 1)))
		return error_set(
			err, ERROR_USAGE,
			"the block size must be a power of two from 4096 to 1048576, not %u",
			p->block_size);
	if (p->out.sink->size)
		return error_set(err, ERROR_INTERNAL, "packing into an output that is not empty");
	if (squash_compressor(o->codec, o->level, p->block_size, &p->compressor, err) < 0)
		return -1;

	uint64_t now = o->clamp_time ? o->time : (uint64_t)time(NULL);
	int r = sqfs_super_init(&p->super, p->block_size,
				now > UINT32_MAX ? UINT32_MAX : (uint32_t)now,
				(SQFS_COMPRESSOR)o->codec);
	if (squash_check(&p->out, r, "begin the image", err) < 0)
		return -1;
	/* The real superblock comes last, so an image that was not finished is none. */
	if (sink_write(p->out.sink, nothing, sizeof(nothing), 0, err) < 0)
		return -1;
	r = p->compressor->write_options(p->compressor, &p->out.file);
	if (r > 0)
		p->super.flags |= SQUASH_FLAG_COMPRESSOR_OPTIONS;
	return squash_check(&p->out, r, "write the compressor's options", err);
}

static int begin_data(struct squash_packer *p, struct error **err)
{
	unsigned threads = p->options->threads ? p->options->threads : count_cpus();
	p->threads = threads < SQUASH_WRITE_THREADS_MAX ? threads : SQUASH_WRITE_THREADS_MAX;
	p->buffer_cap = p->block_size > READ_CAP ? p->block_size : READ_CAP;
	p->buffer = malloc(p->buffer_cap);
	p->fragments = sqfs_frag_table_create(0);
	p->blocks = p->fragments ? squash_block_writer(&p->out, p->fragments) : NULL;
	p->ids = sqfs_id_table_create(0);
	p->xattrs = sqfs_xattr_writer_create(0);
	if (!p->buffer || !p->blocks || !p->fragments || !p->ids || !p->xattrs)
		return error_no_memory(err);
	sqfs_block_processor_desc_t d = {
		.size = sizeof(d),
		.max_block_size = p->block_size,
		.num_workers = p->threads,
		.max_backlog = p->threads * BACKLOG_PER_THREAD,
		.cmp = p->compressor,
		.wr = p->blocks,
	};
	if (sqfs_block_processor_create_ex(&d, &p->processor) < 0) {
		p->processor = NULL;
		error_set(err, ERROR_MEMORY, "cannot start %u threads to compress with",
			  p->threads);
		return error_hint(err, "raise the limits of memory and processes (ulimit -v, -u)");
	}
	return squash_tails_new(p, err);
}

/*
 * libsquashfs loses blocks that are still on their way when it is taken down: after a failure
 * they are let through, with nothing written.
 */
static void drain(struct squash_packer *p)
{
	p->out.draining = true;
	for (unsigned i = 0; i < p->threads * BACKLOG_PER_THREAD + 8; i++)
		if (sqfs_block_processor_finish(p->processor) == 0)
			break;
}

/* The processor first: its threads use all the others. */
static void packer_done(struct squash_packer *p)
{
	sqfs_destroy(p->processor);
	sqfs_destroy(p->blocks);
	sqfs_destroy(p->fragments);
	sqfs_destroy(p->ids);
	sqfs_destroy(p->xattrs);
	sqfs_destroy(p->compressor);
	while (p->submitted) {
		struct squash_blocks *b = p->submitted;
		p->submitted = b->next;
		free(b->submitted);
		free(b);
	}
	squash_tails_free(p);
	squash_nodes_free(p->root);
	free(p->links);
	free(p->buffer);
	free(p->xattr_names);
	free(p->xattr_value);
	squash_output_done(&p->out);
}

/*
 * Data first, in the order of the walk; then the tables, which say where it came to lie; the
 * superblock last, so that an image whose making was cut off is none.
 */
static int pack(struct squash_packer *p, int directory, struct error **err)
{
	if (begin_image(p, err) < 0 || begin_data(p, err) < 0 ||
	    squash_scan(p, directory, err) < 0 || squash_flush_tails(p, err) < 0)
		return -1;
	if (squash_check(&p->out, sqfs_block_processor_finish(p->processor), "write the data",
			 err) < 0)
		return -1;
	uint16_t options = p->super.flags & SQUASH_FLAG_COMPRESSOR_OPTIONS;
	if (squash_write_metadata(p, err) < 0)
		return -1;
	p->super.flags = FLAGS | options;
	p->super.inode_count = p->inodes;
	p->super.bytes_used = p->out.sink->size;
	if (squash_output_pad(&p->out, err) < 0)
		return -1;
	return squash_check(&p->out, sqfs_super_write(&p->super, &p->out.file),
			    "write the superblock", err);
}

int squash_pack(int directory, struct sink *out, const struct squash_write_options *options,
		struct error **err)
{
	struct squash_packer p = { .options = options };
	if (squash_pack_load(options->codec, err) < 0)
		return -1;
	squash_output_init(&p.out, out);
	int r = pack(&p, directory, err);
	if (r < 0 && p.processor)
		drain(&p);
	packer_done(&p);
	return r < 0 ? error_wrap(err, "pack the tree") : 0;
}
