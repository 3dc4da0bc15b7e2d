/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COFFER_CLI_RUN_OPTIONS_H
#define COFFER_CLI_RUN_OPTIONS_H

/*
 * The options that run, exec, shell and test share: runtime.md 17. What needs a part that coffer
 * has not (cgroups, networks, GPUs, overlays, pulling) is listed so that it is refused by its name.
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

#define MISSING_NVCCLI_                                                         \
	{                                                                       \
		.name = "nvccli", .kind = OPTION_SWITCH, .variables = "NVCCLI", \
		.support = OPTION_UNSUPPORTED, .help = "not supported",         \
		.instead = "use --nv, which needs no nvidia-container-cli"      \
	}

/* What build and pull share: how an image is packed, and for whom it is sealed. */
#define OPTIONS_SEALING                                                                            \
	{ .name = "compression",                                                                   \
	  .kind = OPTION_TEXT,                                                                     \
	  .argument = "name[:level]",                                                              \
	  .choices = "gzip zstd xz lz4 lzo",                                                       \
	  .help = "gzip (the default), zstd, xz, lz4 or lzo" },                                    \
		SWITCH_("encrypt", 'e', NULL, "encrypt the root file system"),                     \
		{ .name = "encryption",                                                            \
		  .kind = OPTION_TEXT,                                                             \
		  .argument = "kind",                                                              \
		  .choices = "luks2 gocryptfs",                                                    \
		  .help = "luks2 (the default for root) or gocryptfs (for others); implies "       \
			  "--encrypt" },                                                           \
		SWITCH_("ignore-subuid", 0, "IGNORE_SUBUID",                                       \
			"leave the ids of /etc/subuid unused: all files are root's"),              \
		OPTIONS_KEY_SOURCES,                                                               \
		{ .name = "passphrase",                                                            \
		  .kind = OPTION_SWITCH,                                                           \
		  .no_value_ever = true,                                                           \
		  .help = "ask for a passphrase to encrypt with; implies --encrypt" },             \
		VALUE_("pem-path", 0, OPTION_TEXT, "file", NULL,                                   \
		       "the RSA public key (PEM) to encrypt for; implies --encrypt"),              \
		VALUE_("tmpdir", 0, OPTION_TEXT, "dir", NULL,                                      \
		       "keep the tree on disk there, NOT encrypted, when memory is too small for " \
		       "it")

#define RUN_OPTIONS_WORKING                                                                       \
	SWITCH_("allow-setuid", 0, "ALLOW_SETUID",                                                \
		"root only: let set-user-ID files and file capabilities of the image count"),     \
		VALUE_("app", 0, OPTION_TEXT, "name", "APP APPNAME",                              \
		       "run this app of the container"),                                          \
		{ .name = "bind",                                                                 \
		  .letter = 'B',                                                                  \
		  .kind = OPTION_ARRAY,                                                           \
		  .argument = "spec",                                                             \
		  .variables = "BIND BINDPATH",                                                   \
		  .add_variables = true,                                                          \
		  .help = "show a file or folder of this machine in the container: "              \
			  "src[:dest[:opts]], several with commas; opts: ro, rw" },               \
		SWITCH_("cleanenv", 'e', "CLEANENV", "begin with an empty environment"),          \
		SWITCH_("compat", 0, "COMPAT",                                                    \
			"be more like Docker: --containall --no-init --no-umask --no-eval "       \
			"--writable-tmpfs"),                                                      \
		SWITCH_("contain", 'c', "CONTAIN",                                                \
			"a small /dev, and an empty home, /tmp and /var/tmp"),                    \
		SWITCH_("containall", 'C', "CONTAINALL",                                          \
			"--contain --pid --ipc --cleanenv together"),                             \
		VALUE_("cwd", 0, OPTION_TEXT, "dir", "CWD TARGET_CWD",                            \
		       "start in this folder of the container"),                                  \
		{ .name = "pwd",                                                                  \
		  .kind = OPTION_TEXT,                                                            \
		  .argument = "dir",                                                              \
		  .variables = "PWD TARGET_PWD",                                                  \
		  .hidden = true,                                                                 \
		  .help = "the same as --cwd" },                                                  \
		VALUE_("env", 0, OPTION_MAP, "name=value", NULL,                                  \
		       "set a variable in the container"),                                        \
		VALUE_("env-file", 0, OPTION_LIST, "file", "ENV_FILE",                            \
		       "set the variables of this file"),                                         \
		SWITCH_("fakeroot", 'f', "FAKEROOT", "be root in the container"),                 \
		VALUE_("home", 'H', OPTION_TEXT, "src[:dest]", "HOME",                            \
		       "the folder that is home, and its place in the container"),                \
		VALUE_("hostname", 0, OPTION_TEXT, "name", "HOSTNAME",                            \
		       "the container's host name"),                                              \
		OPTION_MAX_KDF_MEMORY,                                                            \
		SWITCH_("ignore-subuid", 0, "IGNORE_SUBUID",                                      \
			"with --fakeroot: leave the ids of /etc/subuid unused"),                  \
		SWITCH_("ipc", 'i', "IPC UNSHARE_IPC", "in an IPC namespace of its own"),         \
		VALUE_("keep-fd", 0, OPTION_ARRAY, "n", NULL,                                     \
		       "with --contain: keep descriptor n, which is above 2, open"),              \
		{ .name = "mount",                                                                \
		  .kind = OPTION_ARRAY,                                                           \
		  .argument = "spec",                                                             \
		  .variables = "MOUNT",                                                           \
		  .add_variables = true,                                                          \
		  .help = "as --bind, in the form type=bind,source=/a,destination=/b; the word "  \
			  "\"kernel\" alone: let the kernel mount (root; plain or LUKS2)" },      \
		SWITCH_("net", 'n', "NET UNSHARE_NET", "in a network namespace of its own"),      \
		VALUE_("network", 0, OPTION_TEXT, "name", "NETWORK",                              \
		       "the network of --net; there is one, \"none\": lo alone"),                 \
		SWITCH_("no-eval", 0, "NO_EVAL", "leave $ and back quotes in variables alone"),   \
		SWITCH_("no-home", 0, "NO_HOME", "leave the home folder out"),                    \
		SWITCH_("no-init", 0, "NOSHIMINIT", "with --pid: no init process"),               \
		SWITCH_("no-luks2", 0, "NO_LUKS2",                                                \
			"refuse an image of the LUKS2 kind, which has no authentication"),        \
		VALUE_("no-mount", 0, OPTION_LIST, "what", "NO_MOUNT",                            \
		       "without this mount: proc, sys, dev, devpts, home, tmp, cwd, bind-paths, " \
		       "or "                                                                      \
		       "the place of one bind path"),                                             \
		SWITCH_("nv", 0, "NV",                                                            \
			"bring along this machine's libraries, programs and devices "             \
			"for NVIDIA GPUs"),                                                       \
		SWITCH_("no-umask", 0, "NO_UMASK", "umask 0022 in the container"),                \
		OPTIONS_KEY_SOURCES,                                                              \
		{ .name = "passphrase",                                                           \
		  .kind = OPTION_SWITCH,                                                          \
		  .no_value_ever = true,                                                          \
		  .help = "ask for the passphrase of the encrypted container" },                  \
		VALUE_("pem-path", 0, OPTION_TEXT, "file", NULL,                                  \
		       "the RSA private key (PEM) of the encrypted container"),                   \
		SWITCH_("pid", 'p', "PID UNSHARE_PID", "in a PID namespace of its own"),          \
		SWITCH_("require-encrypted", 0, "REQUIRE_ENCRYPTED",                              \
			"refuse an image that is not encrypted"),                                 \
		SWITCH_("rocm", 0, "ROCM", "the same for AMD GPUs (ROCm)"),                       \
		VALUE_("scratch", 'S', OPTION_LIST, "dir", "SCRATCH SCRATCHDIR",                  \
		       "an empty folder there that the container can write into, gone at its "    \
		       "end; "                                                                    \
		       "several with commas; kept with --workdir"),                               \
		VALUE_("security", 0, OPTION_LIST, "spec", "SECURITY",                            \
		       "seccomp:unconfined: without the default filter of system calls; "         \
		       "seccomp:FILE: with a profile in its place"),                              \
		SWITCH_("userns", 'u', "USERNS UNSHARE_USERNS",                                   \
			"in a user namespace of its own, root too"),                              \
		SWITCH_("uts", 0, "UTS UNSHARE_UTS", "in a UTS namespace of its own"),            \
		VALUE_("workdir", 'W', OPTION_TEXT, "dir", "WORKDIR",                             \
		       "keep the /tmp, /var/tmp and home of --contain, and --scratch, in this "   \
		       "folder"),                                                                 \
		SWITCH_("writable", 'w', "WRITABLE", "write into the container: sandboxes only"), \
		SWITCH_("writable-tmpfs", 0, "WRITABLE_TMPFS",                                    \
			"let the container write; what it writes is gone at its end")

#define RUN_OPTIONS_NOTHING                                                                        \
	NOTHING_("authfile", OPTION_TEXT, "file"), NOTHING_("cdi-dirs", OPTION_LIST, "dir"),       \
		NOTHING_("disable-cache", OPTION_SWITCH, NULL),                                    \
		NOTHING_("docker-host", OPTION_TEXT, "host"),                                      \
		NOTHING_("docker-username", OPTION_TEXT, "name"),                                  \
		NOTHING_("docker-password", OPTION_TEXT, "word"),                                  \
		NOTHING_("ignore-fakeroot-command", OPTION_SWITCH, NULL),                          \
		NOTHING_("ignore-userns", OPTION_SWITCH, NULL),                                    \
		NOTHING_("no-https", OPTION_SWITCH, NULL),                                         \
		NOTHING_("nohttps", OPTION_SWITCH, NULL), NOTHING_("no-nv", OPTION_SWITCH, NULL),  \
		NOTHING_("no-pid", OPTION_SWITCH, NULL), NOTHING_("no-rocm", OPTION_SWITCH, NULL), \
		NOTHING_("tmpdir", OPTION_TEXT, "dir"),                                            \
	{                                                                                          \
		.name = "underlay", .kind = OPTION_SWITCH, .support = OPTION_NO_EFFECT,            \
		.deprecated = "default overlay is preferred",                                      \
		.help = "taken for compatibility, without effect"                                  \
	}

#define RUN_OPTIONS_MISSING                                                                     \
	MISSING_("add-caps", 0, OPTION_TEXT, "list", "ADD_CAPS"),                               \
		MISSING_("apply-cgroups", 0, OPTION_TEXT, "file", "APPLY_CGROUPS"),             \
		MISSING_("blkio-weight", 0, OPTION_INT, "n", "BLKIO_WEIGHT"),                   \
		MISSING_("blkio-weight-device", 0, OPTION_LIST, "spec", "BLKIO_WEIGHT_DEVICE"), \
		MISSING_("compat32", 0, OPTION_SWITCH, NULL, "COMPAT32"),                       \
		MISSING_("containlibs", 0, OPTION_LIST, "file", "CONTAINLIBS"),                 \
		MISSING_("cpu-shares", 0, OPTION_INT, "n", "CPU_SHARES"),                       \
		MISSING_("cpus", 0, OPTION_TEXT, "n", NULL),                                    \
		MISSING_("cpuset-cpus", 0, OPTION_TEXT, "list", "CPUSET_CPUS"),                 \
		MISSING_("cpuset-mems", 0, OPTION_TEXT, "list", "CPUSET_MEMS"),                 \
		MISSING_("device", 0, OPTION_LIST, "name", NULL),                               \
		MISSING_("dns", 0, OPTION_TEXT, "list", "DNS"),                                 \
		MISSING_("docker-login", 0, OPTION_SWITCH, NULL, NULL),                         \
		MISSING_("drop-caps", 0, OPTION_TEXT, "list", "DROP_CAPS"),                     \
		MISSING_("fusemount", 0, OPTION_LIST, "spec", "FUSESPEC"),                      \
		MISSING_("intel-hpu", 0, OPTION_SWITCH, NULL, "INTEL_HPU"),                     \
		MISSING_("keep-privs", 0, OPTION_SWITCH, NULL, "KEEP_PRIVS"),                   \
		MISSING_("memory", 0, OPTION_TEXT, "bytes", "MEMORY"),                          \
		MISSING_("memory-reservation", 0, OPTION_TEXT, "bytes", "MEMORY_RESERVATION"),  \
		MISSING_("memory-swap", 0, OPTION_TEXT, "bytes", "MEMORY_SWAP"),                \
		MISSING_("netns-path", 0, OPTION_TEXT, "path", "NETNS_PATH"),                   \
		MISSING_("network-args", 0, OPTION_LIST, "args", "NETWORK_ARGS"),               \
		MISSING_("no-env", 0, OPTION_LIST, "name", "NOENV"),                            \
		MISSING_("no-privs", 0, OPTION_SWITCH, NULL, "NO_PRIVS"), MISSING_NVCCLI_,      \
		MISSING_("oom-kill-disable", 0, OPTION_SWITCH, NULL, "OOM_KILL_DISABLE"),       \
		MISSING_("overlay", 'o', OPTION_LIST, "image", "OVERLAY OVERLAYIMAGE"),         \
		MISSING_("pids-limit", 0, OPTION_INT, "n", "PIDS_LIMIT"),                       \
		MISSING_("sharens", 0, OPTION_SWITCH, NULL, "SHARENS"),                         \
		MISSING_("unsquash", 0, OPTION_SWITCH, NULL, "UNSQUASH")

#define RUN_OPTIONS RUN_OPTIONS_WORKING, RUN_OPTIONS_NOTHING, RUN_OPTIONS_MISSING

#endif
