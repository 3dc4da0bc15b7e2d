/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_COMMANDS_RUN_OPTIONS_H
#define COFFER_CLI_COMMANDS_RUN_OPTIONS_H

/*
 * The options that run, exec, shell and test share: runtime.md 17. What needs a part that coffer
 * has not (control groups, programs of FUSE) is listed so that it is refused by its name.
 */

#define SWITCH_(n, l, v, h)                                                                      \
	{                                                                                        \
		.name = (n), .letter = (l), .kind = OPTION_SWITCH, .variables = (v), .help = (h) \
	}
#define VALUE_(n, l, k, a, v, h)                                                            \
	{                                                                                   \
		.name = (n), .letter = (l), .kind = (k), .argument = (a), .variables = (v), \
		.help = (h)                                                                 \
	}
/* The same, into a member of the wish that the command makes. */
#define SWITCH_TO_(n, l, v, w, m, h)                                                              \
	{                                                                                         \
		.name = (n), .letter = (l), .kind = OPTION_SWITCH, .variables = (v), .help = (h), \
		.into = OPTION_INTO(w, m, bool)                                                   \
	}
#define TEXT_TO_(n, l, a, v, w, m, h)                                                  \
	{                                                                              \
		.name = (n), .letter = (l), .kind = OPTION_TEXT, .argument = (a),      \
		.variables = (v), .help = (h), .into = OPTION_INTO(w, m, const char *) \
	}
#define LIST_TO_(n, l, k, a, v, w, m, h)                                                    \
	{                                                                                   \
		.name = (n), .letter = (l), .kind = (k), .argument = (a), .variables = (v), \
		.help = (h), .into = OPTION_INTO(w, m, struct strings)                      \
	}
#define NOTHING_(n, k, a)                                                               \
	{                                                                               \
		.name = (n), .kind = (k), .argument = (a), .support = OPTION_NO_EFFECT, \
		.help = "taken for compatibility, without effect"                       \
	}
#define MISSING_(n, l, k, a, v)                                                             \
	{                                                                                   \
		.name = (n), .letter = (l), .kind = (k), .argument = (a), .variables = (v), \
		.support = OPTION_UNSUPPORTED, .help = "not supported"                      \
	}
/* The same, with what does it in another way. */
#define INSTEAD_(n, k, a, v, i)                                                        \
	{                                                                              \
		.name = (n), .kind = (k), .argument = (a), .variables = (v),           \
		.support = OPTION_UNSUPPORTED, .help = "not supported", .instead = (i) \
	}
/* Limits of systemd's: its own words for what a flag of a control group means. */
#define LIMIT_(n, k, a, v, property)                                                       \
	INSTEAD_(n, k, a, v,                                                               \
		 "limit the command from outside, where systemd runs: systemd-run --user " \
		 "--scope -p " property " coffer ...; root without --user")

#define MISSING_NVCCLI_                                                         \
	{                                                                       \
		.name = "nvccli", .kind = OPTION_SWITCH, .variables = "NVCCLI", \
		.support = OPTION_UNSUPPORTED, .help = "not supported",         \
		.instead = "use --nv, which needs no nvidia-container-cli"      \
	}

/* What build and pull share: how an image is packed, and for whom it is sealed. */
#define OPTIONS_SEALING                                                                           \
	{ .name = "compression",                                                                  \
	  .kind = OPTION_TEXT,                                                                    \
	  .argument = "name[:level]",                                                             \
	  .choices = "gzip zstd xz lz4 lzo",                                                      \
	  .help = "gzip (the default), zstd, xz, lz4 or lzo" },                                   \
		SWITCH_("encrypt", 'e', NULL, "encrypt the root file system"),                    \
		{ .name = "encryption",                                                           \
		  .kind = OPTION_TEXT,                                                            \
		  .argument = "kind",                                                             \
		  .choices = "luks2 gocryptfs",                                                   \
		  .help = "luks2 (the default for root) or gocryptfs (for others); implies "      \
			  "--encrypt" },                                                          \
		SWITCH_TO_("ignore-subuid", 0, "IGNORE_SUBUID", struct build_wish, ignore_subuid, \
			   "leave the ids of /etc/subuid unused: all files are root's"),          \
		OPTIONS_KEY_SOURCES, OPTIONS_RECIPIENTS,                                          \
		{ .name = "passphrase",                                                           \
		  .kind = OPTION_SWITCH,                                                          \
		  .no_value_ever = true,                                                          \
		  .help = "ask for a passphrase to encrypt with; implies --encrypt" },            \
		VALUE_("pem-path", 0, OPTION_TEXT, "file", NULL,                                  \
		       "the RSA public key (PEM) to encrypt for; implies --encrypt"),             \
		TEXT_TO_("tmpdir", 0, "dir", NULL, struct build_wish, tmpdir,                     \
			 "keep the tree on disk there, NOT encrypted, when memory is too small "  \
			 "for "                                                                   \
			 "it")

#define RUN_OPTIONS_WORKING                                                                        \
	TEXT_TO_("add-caps", 0, "list", "ADD_CAPS", struct run_wish, add_caps,                     \
		 "root: capabilities that the container has, where the site takes them away"),     \
		SWITCH_TO_("allow-setuid", 0, "ALLOW_SETUID", struct run_wish, allow_setuid,       \
			   "root only: let set-user-ID files and file capabilities of the image "  \
			   "count"),                                                               \
		TEXT_TO_("app", 0, "name", "APP APPNAME", struct run_wish, app,                    \
			 "run this app of the container"),                                         \
		{ .name = "bind",                                                                  \
		  .letter = 'B',                                                                   \
		  .kind = OPTION_ARRAY,                                                            \
		  .argument = "spec",                                                              \
		  .variables = "BIND BINDPATH",                                                    \
		  .into = OPTION_INTO(struct run_wish, bind, struct strings),                      \
		  .add_variables = true,                                                           \
		  .help = "show a file or folder of this machine in the container: "               \
			  "src[:dest[:opts]], several with commas; opts: ro, rw" },                \
		SWITCH_TO_("cleanenv", 'e', "CLEANENV", struct run_wish, cleanenv,                 \
			   "begin with an empty environment"),                                     \
		SWITCH_("compat", 0, "COMPAT",                                                     \
			"be more like Docker: --containall --no-init --no-umask --no-eval "        \
			"--writable-tmpfs"),                                                       \
		SWITCH_TO_("contain", 'c', "CONTAIN", struct run_wish, contain,                    \
			   "a small /dev, and an empty home, /tmp and /var/tmp"),                  \
		SWITCH_TO_("containall", 'C', "CONTAINALL", struct run_wish, containall,           \
			   "--contain --pid --ipc --cleanenv together"),                           \
		TEXT_TO_("cwd", 0, "dir", "CWD TARGET_CWD", struct run_wish, cwd,                  \
			 "start in this folder of the container"),                                 \
		{ .name = "pwd",                                                                   \
		  .kind = OPTION_TEXT,                                                             \
		  .argument = "dir",                                                               \
		  .variables = "PWD TARGET_PWD",                                                   \
		  .help = "the same as --cwd" },                                                   \
		TEXT_TO_("dns", 0, "list", "DNS", struct run_wish, dns,                            \
			 "ask these name servers, by their addresses, with commas between them"),  \
		TEXT_TO_("drop-caps", 0, "list", "DROP_CAPS", struct run_wish, drop_caps,          \
			 "root: capabilities that the container shall not have, or \"all\""),      \
		LIST_TO_("env", 0, OPTION_MAP, "name=value", NULL, struct run_wish, env,           \
			 "set a variable in the container"),                                       \
		LIST_TO_("env-file", 0, OPTION_LIST, "file", "ENV_FILE", struct run_wish,          \
			 env_file, "set the variables of this file"),                              \
		SWITCH_TO_("fakeroot", 'f', "FAKEROOT", struct run_wish, fakeroot,                 \
			   "be root in the container"),                                            \
		TEXT_TO_("home", 'H', "src[:dest]", "HOME", struct run_wish, home,                 \
			 "the folder that is home, and its place in the container"),               \
		TEXT_TO_("hostname", 0, "name", "HOSTNAME", struct run_wish, hostname,             \
			 "the container's host name"),                                             \
		OPTION_IDENTITY, OPTION_MAX_KDF_MEMORY,                                            \
		SWITCH_TO_("ignore-subuid", 0, "IGNORE_SUBUID", struct run_wish, ignore_subuid,    \
			   "with --fakeroot: leave the ids of /etc/subuid unused"),                \
		SWITCH_TO_("ipc", 'i', "IPC UNSHARE_IPC", struct run_wish, ipc,                    \
			   "in an IPC namespace of its own"),                                      \
		LIST_TO_("keep-fd", 0, OPTION_ARRAY, "n", NULL, struct run_wish, keep_fd,          \
			 "with --contain: keep descriptor n, which is above 2, open"),             \
		SWITCH_("disable-cache", 0, "DISABLE_CACHE",                                       \
			"keep nothing of an image that a registry has"),                           \
		SWITCH_TO_("keep-privs", 0, "KEEP_PRIVS", struct run_wish, keep_privs,             \
			   "root only: all capabilities, whatever the site's default is"),         \
		{ .name = "mount",                                                                 \
		  .kind = OPTION_ARRAY,                                                            \
		  .argument = "spec",                                                              \
		  .variables = "MOUNT",                                                            \
		  .add_variables = true,                                                           \
		  .help = "as --bind, in the form type=bind,source=/a,destination=/b; the word "   \
			  "\"kernel\" alone: let the kernel mount (root; plain or LUKS2)" },       \
		SWITCH_TO_("net", 'n', "NET UNSHARE_NET", struct run_wish, net,                    \
			   "in a network namespace of its own"),                                   \
		TEXT_TO_("network", 0, "name", "NETWORK", struct run_wish, network,                \
			 "the network of --net; there is one, \"none\": lo alone"),                \
		SWITCH_TO_("no-eval", 0, "NO_EVAL", struct run_wish, no_eval,                      \
			   "leave $ and back quotes in variables alone"),                          \
		SWITCH_TO_("no-home", 0, "NO_HOME", struct run_wish, no_home,                      \
			   "leave the home folder out"),                                           \
		SWITCH_TO_("no-init", 0, "NOSHIMINIT", struct run_wish, no_init,                   \
			   "with --pid: no init process"),                                         \
		SWITCH_("no-luks2", 0, "NO_LUKS2",                                                 \
			"refuse an image of the LUKS2 kind, which has no authentication"),         \
		LIST_TO_(                                                                          \
			"no-mount", 0, OPTION_LIST, "what", "NO_MOUNT", struct run_wish, no_mount, \
			"without this mount: proc, sys, dev, devpts, home, tmp, cwd, bind-paths, " \
			"or "                                                                      \
			"the place of one bind path"),                                             \
		SWITCH_TO_("no-privs", 0, "NO_PRIVS", struct run_wish, no_privs,                   \
			   "root: no capabilities in the container, nor ways to one"),             \
		SWITCH_TO_("nv", 0, "NV", struct run_wish, nv,                                     \
			   "bring along this machine's libraries, programs and devices "           \
			   "for NVIDIA GPUs"),                                                     \
		SWITCH_TO_("no-umask", 0, "NO_UMASK", struct run_wish, no_umask,                   \
			   "umask 0022 in the container"),                                         \
		OPTIONS_KEY_SOURCES,                                                               \
		LIST_TO_(                                                                          \
			"overlay", 'o', OPTION_LIST, "path[:ro]", "OVERLAY OVERLAYIMAGE",          \
			struct run_wish, overlay,                                                  \
			"lay this folder or image over the container: what the container writes "  \
			"is kept in a folder; images and :ro are only read; several with commas"), \
		{ .name = "passphrase",                                                            \
		  .kind = OPTION_SWITCH,                                                           \
		  .no_value_ever = true,                                                           \
		  .help = "ask for the passphrase of the encrypted container" },                   \
		VALUE_("pem-path", 0, OPTION_TEXT, "file", NULL,                                   \
		       "the RSA private key (PEM) of the encrypted container"),                    \
		SWITCH_TO_("pid", 'p', "PID UNSHARE_PID", struct run_wish, pid,                    \
			   "in a PID namespace of its own"),                                       \
		SWITCH_("require-encrypted", 0, "REQUIRE_ENCRYPTED",                               \
			"refuse an image that is not encrypted"),                                  \
		SWITCH_TO_("rocm", 0, "ROCM", struct run_wish, rocm,                               \
			   "the same for AMD GPUs (ROCm)"),                                        \
		LIST_TO_("scratch", 'S', OPTION_LIST, "dir", "SCRATCH SCRATCHDIR",                 \
			 struct run_wish, scratch,                                                 \
			 "an empty folder there that the container can write into, gone at its "   \
			 "end; "                                                                   \
			 "several with commas; kept with --workdir"),                              \
		LIST_TO_("security", 0, OPTION_LIST, "spec", "SECURITY", struct run_wish,          \
			 security,                                                                 \
			 "seccomp:unconfined: without the default filter of system calls; "        \
			 "seccomp:FILE: with a profile in its place"),                             \
		VALUE_("tmpdir", 0, OPTION_TEXT, "dir", "TMPDIR",                                  \
		       "where the image lies that is made of a URI and not kept"),                 \
		SWITCH_TO_("userns", 'u', "USERNS UNSHARE_USERNS", struct run_wish, userns,        \
			   "in a user namespace of its own, root too"),                            \
		SWITCH_TO_("uts", 0, "UTS UNSHARE_UTS", struct run_wish, uts,                      \
			   "in a UTS namespace of its own"),                                       \
		TEXT_TO_("workdir", 'W', "dir", "WORKDIR", struct run_wish, workdir,               \
			 "keep the /tmp, /var/tmp and home of --contain, and --scratch, in this "  \
			 "folder"),                                                                \
		SWITCH_TO_("writable", 'w', "WRITABLE", struct run_wish, writable,                 \
			   "write into the container: sandboxes only"),                            \
		SWITCH_TO_("writable-tmpfs", 0, "WRITABLE_TMPFS", struct run_wish, writable_tmpfs, \
			   "let the container write; what it writes is gone at its end")

#define RUN_OPTIONS_NOTHING                                                                      \
	NOTHING_("cdi-dirs", OPTION_LIST, "dir"),                                                \
		NOTHING_("ignore-fakeroot-command", OPTION_SWITCH, NULL),                        \
		NOTHING_("ignore-userns", OPTION_SWITCH, NULL),                                  \
		NOTHING_("no-nv", OPTION_SWITCH, NULL), NOTHING_("no-pid", OPTION_SWITCH, NULL), \
		NOTHING_("no-rocm", OPTION_SWITCH, NULL),                                        \
	{                                                                                        \
		.name = "underlay", .kind = OPTION_SWITCH, .support = OPTION_NO_EFFECT,          \
		.deprecated = "default overlay is preferred",                                    \
		.help = "taken for compatibility, without effect"                                \
	}

#define RUN_OPTIONS_MISSING                                                                        \
	LIMIT_("apply-cgroups", OPTION_TEXT, "file", "APPLY_CGROUPS", "NAME=VALUE"),               \
		LIMIT_("blkio-weight", OPTION_INT, "n", "BLKIO_WEIGHT", "IOWeight=N"),             \
		LIMIT_("blkio-weight-device", OPTION_LIST, "spec", "BLKIO_WEIGHT_DEVICE",          \
		       "'IODeviceWeight=DEVICE N'"),                                               \
		MISSING_("compat32", 0, OPTION_SWITCH, NULL, "COMPAT32"),                          \
		INSTEAD_("containlibs", OPTION_LIST, "file", "CONTAINLIBS",                        \
			 "bind each into the folder where programs look for libraries: --bind "    \
			 "FILE:/.singularity.d/libs/NAME"),                                        \
		LIMIT_("cpu-shares", OPTION_INT, "n", "CPU_SHARES", "CPUWeight=N"),                \
		LIMIT_("cpus", OPTION_TEXT, "n", NULL, "CPUQuota=PERCENT%"),                       \
		INSTEAD_("cpuset-cpus", OPTION_TEXT, "list", "CPUSET_CPUS",                        \
			 "what coffer is started on, the container stays on: taskset -c LIST "     \
			 "coffer ..."),                                                            \
		INSTEAD_("cpuset-mems", OPTION_TEXT, "list", "CPUSET_MEMS",                        \
			 "what coffer is started with, the container stays with: numactl "         \
			 "--membind=LIST coffer ..."),                                             \
		MISSING_("device", 0, OPTION_LIST, "name", NULL),                                  \
		INSTEAD_("fusemount", OPTION_LIST, "spec", "FUSESPEC",                             \
			 "mount it on this machine first, and show that in the container: --bind " \
			 "FOLDER:PLACE"),                                                          \
		MISSING_("intel-hpu", 0, OPTION_SWITCH, NULL, "INTEL_HPU"),                        \
		LIMIT_("memory", OPTION_TEXT, "bytes", "MEMORY", "MemoryMax=BYTES"),               \
		LIMIT_("memory-reservation", OPTION_TEXT, "bytes", "MEMORY_RESERVATION",           \
		       "MemoryLow=BYTES"),                                                         \
		LIMIT_("memory-swap", OPTION_TEXT, "bytes", "MEMORY_SWAP", "MemorySwapMax=BYTES"), \
		MISSING_("netns-path", 0, OPTION_TEXT, "path", "NETNS_PATH"),                      \
		MISSING_("network-args", 0, OPTION_LIST, "args", "NETWORK_ARGS"),                  \
		INSTEAD_("no-env", OPTION_LIST, "name", "NOENV",                                   \
			 "take it out of the environment before: env -u NAME coffer ..., or "      \
			 "begin with an empty one: --cleanenv"),                                   \
		MISSING_NVCCLI_,                                                                   \
		INSTEAD_("oom-kill-disable", OPTION_SWITCH, NULL, "OOM_KILL_DISABLE",              \
			 "leave it out: control groups of version 2 do not know it"),              \
		LIMIT_("pids-limit", OPTION_INT, "n", "PIDS_LIMIT", "TasksMax=N"),                 \
		INSTEAD_("sharens", OPTION_SWITCH, NULL, "SHARENS",                                \
			 "start one container, and let all join it: coffer instance start IMAGE "  \
			 "NAME, then coffer exec instance://NAME ..."),                            \
		INSTEAD_("unsquash", OPTION_SWITCH, NULL, "UNSQUASH",                              \
			 "leave it out, images need not be unpacked; or have a folder: coffer "    \
			 "build --sandbox FOLDER IMAGE")

#define RUN_OPTIONS RUN_OPTIONS_WORKING, RUN_OPTIONS_NOTHING, RUN_OPTIONS_MISSING

#endif
