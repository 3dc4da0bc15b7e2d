/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/agents/internal.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "tree/tree.h"

/* Where a tree comes from: spec deffile.md 4. The table of agents. */

/* A registry's password is no web server's. */
static bool takes_login(const struct definition *d)
{
	const struct fetch_transport *t = fetch_transport(definition_header(d, "bootstrap"));
	return t && fetch_asks_registry(t) && !fetch_by_web(t);
}

int bootstrap_log_in(const struct build *b, const char *from, struct error **err)
{
	struct fetch_options *o = &b->wish->fetch;
	/* The password itself is wiped in each process that is forked. */
	return o->password && takes_login(b->definition)
		       ? fetch_login(from, o->user, o->password, &o->login, err)
		       : 0;
}

void bootstrap_end_login(struct builder *b)
{
	const struct build *build = b->build;
	for (size_t i = build->definition->stages; i < build->last->stages; i++)
		if (takes_login(definition_stage(build->last, i)))
			return;
	fd_close(&b->build->wish->fetch.login);
}

static int nothing_check(const struct build *b, struct error **err)
{
	(void)b;
	(void)err;
	return 0;
}

static int nothing_run(struct builder *b, struct error **err)
{
	(void)b;
	(void)err;
	return 0;
}

static const struct agent {
	const char *name;
	int (*check)(const struct build *b, struct error **err);
	int (*run)(struct builder *b, struct error **err);
	bool keeps_metadata; /* what it has of the standard files stays */
} agents[] = {
	{ "localimage", bootstrap_local_check, bootstrap_unpack, true },
	{ "scratch", nothing_check, nothing_run, false },
	{ "debootstrap", bootstrap_debootstrap_check, bootstrap_debootstrap, false },
	{ "docker", bootstrap_oci_check, bootstrap_oci, true },
	{ "docker-daemon", bootstrap_oci_check, bootstrap_oci, true },
	{ "docker-archive", bootstrap_oci_check, bootstrap_oci, true },
	{ "oci", bootstrap_oci_check, bootstrap_oci, true },
	{ "oci-archive", bootstrap_oci_check, bootstrap_oci, true },
	{ "containers-storage", bootstrap_oci_check, bootstrap_oci, true },
	{ "oras", bootstrap_file_check, bootstrap_file, true },
	{ "library", bootstrap_file_check, bootstrap_file, true },
	{ "http", bootstrap_file_check, bootstrap_file, true },
	{ "https", bootstrap_file_check, bootstrap_file, true },
};

static const char *const other_agents[] = { "shub",    "yum",	 "dnf",	     "arch",
					    "busybox", "zypper", "buildkit", "dockerfile" };

static const struct agent *find_agent(const struct build *b)
{
	static const struct agent update = { "", nothing_check, bootstrap_unpack, true };
	if (bootstrap_is_update(b, b->definition))
		return &update;
	const char *name = definition_header(b->definition, "bootstrap");
	for (size_t i = 0; i < sizeof(agents) / sizeof(agents[0]); i++)
		if (!strcmp(agents[i].name, name))
			return &agents[i];
	return NULL;
}

int bootstrap_check(const struct build *b, struct error **err)
{
	const char *name = definition_header(b->definition, "bootstrap");
	const struct agent *agent = find_agent(b);
	if (agent)
		return agent->check(b, err);
	for (size_t i = 0; i < sizeof(other_agents) / sizeof(other_agents[0]); i++)
		if (!strcmp(other_agents[i], name)) {
			error_set(err, ERROR_UNSUPPORTED,
				  "the bootstrap agent %s is not supported by coffer yet", name);
			return error_hint(err, "coffer knows localimage, docker, docker-archive, "
					       "docker-daemon, oci, oci-archive, "
					       "containers-storage, oras, library, http, https, "
					       "debootstrap and scratch");
		}
	return error_set(err, ERROR_DAMAGED,
			 "unable to get conveyorpacker: invalid build source %s", name);
}

static int owner_may_write(int root, const char *path, struct error **err)
{
	struct stat st;
	if (fstat(root, &st) < 0)
		return error_errno(err, errno, "look at %s", path);
	if (st.st_mode & S_IWUSR)
		return 0;
	log_info("Adding owner write permission to build path: %s", path);
	return fchmod(root, (st.st_mode & 07777) | S_IWUSR) < 0
		       ? error_errno(err, errno, "change the mode of %s", path)
		       : 0;
}

int bootstrap_run(struct builder *b, struct error **err)
{
	const struct agent *agent = find_agent(b->build);
	if (agent->run(b, err) < 0 || owner_may_write(b->root, b->root_path, err) < 0)
		return -1;
	if (metadata_write_base(b->root, !agent->keeps_metadata, err) < 0)
		return error_wrap(err, "packer failed to pack: while inserting base environment");
	return agent->keeps_metadata ? 0 : metadata_reset_runscript(b->root, err);
}
