/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of mounts, as the container's process works it off (run/root/mounts.c), in Apptainer's
 * order (runtime.md 6.1).
 */
#include "run/plan/internal.h"

#include <arpa/inet.h>
#include <sched.h>
#include <string.h>

/* Takes copies of the texts. */
int run_add_mount(struct run_plan *plan, const struct run_mount *m, struct error **err)
{
	struct run_mount *grown = array_grow(plan->mounts, plan->mount_count, &plan->mount_cap,
					     sizeof(*plan->mounts), err);
	if (!grown)
		return -1;
	plan->mounts = grown;
	CLEANUP_TEXT char *source = text_dup(m->source ? m->source : "", err);
	CLEANUP_TEXT char *target = source ? path_absolute(m->target, err) : NULL;
	if (!target)
		return -1;
	struct run_mount *to = &plan->mounts[plan->mount_count++];
	*to = *m;
	to->source = source;
	to->target = target;
	source = target = NULL;
	return 0;
}

/*
 * A bind of something that somebody named. What is there now is remembered (witness.c): between
 * this look and the mount somebody else could put another object in its place.
 */
int run_add_bind(struct run_plan *plan, const char *source, const char *target, const char *phase,
		 struct error **err)
{
	struct run_mount m = {
		.kind = RUN_MOUNT_BIND,
		.source = (char *)source,
		.target = (char *)target,
		.phase = phase,
		.restricted = true,
		.layered = true,
		.witnessed = true,
	};
	run_witness_look(source, &m.witness);
	m.directory = m.witness.directory;
	return run_add_mount(plan, &m, err);
}

bool run_path_exists(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0;
}

/* A file of the system that nobody asked for: to be read, whoever is root inside. */
static int add_system_file(struct run_plan *plan, const char *source, const char *target,
			   const char *phase, struct error **err)
{
	if (run_add_bind(plan, source, target, phase, err) < 0)
		return -1;
	struct run_mount *m = &plan->mounts[plan->mount_count - 1];
	m->read_only = true;
	m->witnessed = false;
	return 0;
}

/* Whether --no-mount names it. */
bool run_no_mount(const struct run_plan *plan, const char *word)
{
	const struct strings *list = &plan->wish->no_mount;
	for (size_t i = 0; i < list->len; i++) {
		if (!strcmp(list->items[i], word))
			return true;
	}
	return false;
}

static void warn_no_mount(const struct run_plan *plan)
{
	static const char *const known[] = { "proc", "sys",    "dev", "devpts",	   "home",
					     "tmp",  "hostfs", "cwd", "bind-paths" };
	for (size_t i = 0; i < plan->wish->no_mount.len; i++) {
		const char *word = plan->wish->no_mount.items[i];
		bool found = *word == '/';
		for (size_t k = 0; k < sizeof(known) / sizeof(*known); k++)
			found |= !strcmp(word, known[k]);
		if (!found)
			log_warning("Ignoring unknown mount type '%s'", word);
	}
}

/* The host's /dev, or the minimal one, which dev.c fills. */
static int add_dev(struct run_plan *plan, struct error **err)
{
	if (plan->config->mount_dev == CONFIG_DEV_NO || run_no_mount(plan, "dev"))
		return 0;
	struct run_mount m = {
		.kind = plan->minimal_dev ? RUN_MOUNT_DEV : RUN_MOUNT_BIND,
		.source = (char *)"/dev",
		.target = (char *)"/dev",
		.phase = "dev",
		.directory = true,
		.needed = true,
		.layered = true,
	};
	return run_add_mount(plan, &m, err);
}

/* What the host calls others is of no use to a network that is lo alone (runtime.md 6). */
static int add_hosts(struct run_plan *plan, struct error **err)
{
	static const char text[] = "127.0.0.1\tlocalhost\n"
				   "::1\tlocalhost ip6-localhost ip6-loopback\n"
				   "ff02::1\tip6-allnodes\n"
				   "ff02::2\tip6-allrouters\n";
	struct run_mount m = {
		.kind = RUN_MOUNT_TEXT,
		.source = (char *)text,
		.target = (char *)"/etc/hosts",
		.phase = "binds",
		.restricted = true,
		.layered = true,
		.over_link = true,
	};
	return run_add_mount(plan, &m, err);
}

/*
 * `bind path` of the configuration. The usual ones, /etc/localtime and /etc/hosts, are there with
 * --contain too, read-only, and cover a link in the image instead of following it. What the site
 * has named besides is left out with --contain, and where its source is missing.
 */
static int add_bind_paths(struct run_plan *plan, struct error **err)
{
	const struct strings *list = &plan->config->bind_paths;
	for (size_t i = 0; !plan->wish->for_build && i < list->len; i++) {
		CLEANUP_TEXT char *source = text_dup(list->items[i], err);
		if (!source)
			return -1;
		char *target = strchr(source, ':');
		if (target)
			*target++ = '\0';
		else
			target = source;
		bool usual = !strcmp(target, "/etc/localtime") || !strcmp(target, "/etc/hosts");
		if (run_no_mount(plan, "bind-paths") || run_no_mount(plan, target) ||
		    (plan->contain && !usual))
			continue;
		if (!strcmp(target, "/etc/hosts") && plan->contain &&
		    plan->clone_flags & CLONE_NEWNET) {
			if (add_hosts(plan, err) < 0)
				return -1;
			continue;
		}
		if (!run_path_exists(source)) {
			if (!usual)
				log_warning("skipping mount of %s: it does not exist", source);
			continue;
		}
		if ((usual ? add_system_file : run_add_bind)(plan, source, target, "binds", err) <
		    0)
			return -1;
		plan->mounts[plan->mount_count - 1].over_link = usual;
	}
	return 0;
}

static int add_kernel(struct run_plan *plan, struct error **err)
{
	struct run_mount proc = {
		.kind = plan->pid_namespace ? RUN_MOUNT_PROC : RUN_MOUNT_BIND,
		.source = (char *)"/proc",
		.target = (char *)"/proc",
		.phase = "kernel",
		.directory = true,
		.restricted = true,
		.layered = true,
	};
	struct run_mount sys = proc;
	/* It shows the interfaces of the network that it was mounted in, and needs to own that. */
	bool own_net = plan->clone_flags & CLONE_NEWNET;
	sys.kind = plan->user_namespace && !own_net ? RUN_MOUNT_BIND : RUN_MOUNT_SYSFS;
	sys.source = sys.target = (char *)"/sys";
	if (plan->config->mount_proc && !run_no_mount(plan, "proc") &&
	    run_add_mount(plan, &proc, err) < 0)
		return -1;
	if (plan->config->mount_sys && !run_no_mount(plan, "sys") &&
	    run_add_mount(plan, &sys, err) < 0)
		return -1;
	return 0;
}

/* A folder in the session's memory: empty, and gone with the container. */
int run_add_session(struct run_plan *plan, const char *name, const char *target, mode_t mode,
		    const char *phase, struct error **err)
{
	struct run_mount m = {
		.kind = RUN_MOUNT_SESSION,
		.source = (char *)name,
		.target = (char *)target,
		.phase = phase,
		.directory = true,
		.restricted = true,
		.mode = mode,
	};
	return run_add_mount(plan, &m, err);
}

/* /tmp and /var/tmp: the host's, or with --contain empty ones, or those of --workdir. */
static int add_tmp(struct run_plan *plan, struct error **err)
{
	if (!plan->config->mount_tmp || run_no_mount(plan, "tmp"))
		return 0;
	static const struct {
		const char *path, *name;
	} places[] = { { "/tmp", "tmp" }, { "/var/tmp", "var_tmp" } };
	for (size_t i = 0; i < 2; i++) {
		int r = plan->contain
				? run_add_work(plan, places[i].name, places[i].path, 01777, "tmp",
					       err)
				: run_add_bind(plan, places[i].path, places[i].path, "tmp", err);
		if (r < 0)
			return -1;
		/* What lies below needs it, also where the image has none. */
		plan->mounts[plan->mount_count - 1].layered = run_home_in_tmp(plan);
		/* Some images have one as a link to the other. */
		plan->mounts[plan->mount_count - 1].twin = i ? places[0].path : NULL;
	}
	return 0;
}

/* --dns: a resolv.conf of the container's own (runtime.md 6.4). */
static int add_name_servers(struct run_plan *plan, struct error **err)
{
	CLEANUP_BUFFER struct buffer text = { 0 };
	const char *at = plan->wish->dns;
	do {
		unsigned char address[sizeof(struct in6_addr)];
		char word[INET6_ADDRSTRLEN];
		at += strspn(at, " ");
		size_t rest = strcspn(at, ","), len = rest;
		while (len && at[len - 1] == ' ')
			len--;
		if (len < sizeof(word))
			memcpy(word, at, len);
		word[len < sizeof(word) ? len : 0] = 0;
		if (inet_pton(AF_INET, word, address) != 1 &&
		    inet_pton(AF_INET6, word, address) != 1) {
			error_set(err, ERROR_USAGE,
				  "container creation failed: dns ip %.*s is not a "
				  "valid IP address",
				  (int)len, at);
			return error_hint(err,
					  "give the name servers' addresses, with commas between "
					  "them: --dns 9.9.9.9,149.112.112.112");
		}
		if (buffer_printf(&text, err, "nameserver %s\n", word) < 0)
			return -1;
		at += rest;
	} while (*at++ == ',');
	if (!plan->config->config_resolv_conf) {
		error_set(err, ERROR_POLICY, "configuration disallows a resolv.conf in containers");
		return error_hint(err, "`config resolv_conf = no` in the site configuration: leave "
				       "--dns out");
	}
	struct run_mount file = { .phase = "files", .restricted = true, .layered = true };
	file.kind = RUN_MOUNT_TEXT;
	file.source = text.data;
	file.target = (char *)"/etc/resolv.conf";
	return run_add_mount(plan, &file, err);
}

/* Single files below /etc that are made or bound for the container. */
static int add_files(struct run_plan *plan, struct error **err)
{
	const struct config *c = plan->config;
	if (plan->wish->dns && add_name_servers(plan, err) < 0)
		return -1;
	if (!plan->wish->dns && c->config_resolv_conf && !plan->wish->for_build &&
	    !run_no_mount(plan, "/etc/resolv.conf") && !run_no_mount(plan, "bind-paths") &&
	    run_path_exists("/etc/resolv.conf") &&
	    add_system_file(plan, "/etc/resolv.conf", "/etc/resolv.conf", "files", err) < 0)
		return -1;
	struct run_mount text = { .phase = "files", .restricted = true, .layered = true };
	if (plan->wish->hostname && plan->clone_flags & CLONE_NEWUTS) {
		CLEANUP_TEXT char *line = text_printf(err, "%s\n", plan->wish->hostname);
		text.kind = RUN_MOUNT_TEXT;
		text.source = line;
		text.target = (char *)"/etc/hostname";
		if (!line || run_add_mount(plan, &text, err) < 0)
			return -1;
	}
	if (plan->inside_uid == 0 && (plan->writable || run_plan_has_upper(plan)))
		return 0;
	text.layered = false;
	text.source = NULL;
	text.kind = RUN_MOUNT_PASSWD;
	text.target = (char *)"/etc/passwd";
	if (c->config_passwd && run_add_mount(plan, &text, err) < 0)
		return -1;
	text.kind = RUN_MOUNT_GROUP;
	text.target = (char *)"/etc/group";
	return c->config_group ? run_add_mount(plan, &text, err) : 0;
}

/*
 * In the order in which they are made: runtime.md 6.1. A home below /tmp comes after that, which
 * would cover it.
 */
int run_list_mounts(struct run_plan *plan, const char *home, struct error **err)
{
	bool tmp_first = run_home_in_tmp(plan);
	warn_no_mount(plan);
	if (add_dev(plan, err) < 0 || add_bind_paths(plan, err) < 0 || add_kernel(plan, err) < 0 ||
	    (tmp_first && add_tmp(plan, err) < 0) || run_add_home(plan, home, err) < 0 ||
	    (!tmp_first && add_tmp(plan, err) < 0) || run_add_scratch(plan, err) < 0 ||
	    run_add_gpus(plan, err) < 0 || add_files(plan, err) < 0 || run_add_binds(plan, err) < 0)
		return -1;
	return run_add_cwd(plan, err);
}
