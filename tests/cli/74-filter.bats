#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The filter of a payload's system calls, from inside: what types on the caller's terminal for every
# program of an image that runs, and the default filter. What each call is answered with is in
# tests/unit/run/confine/test_filter.c.

load helper

setup_file() {
	make_work
	chmod 0755 "$WORK"
	make_tree tree
	cp "$COFFER_ROOT/bin/calls" tree/bin/calls
	make_definition image.def "$WORK/tree"
	cat >>image.def <<'END'

%post
    calls terminal default >/etc/calls-post
%test
    calls terminal default
%environment
    echo "$(calls terminal default)" >&2
%runscript
    calls terminal default
END
	coffer -q build plain.sif image.def >build.out 2>build.err || { cat build.err >&2; return 1; }
	coffer -q build --sandbox box plain.sif
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

terminal_is_closed() { # TEXT
	local entry
	for entry in tiocsti tiocsti-high tioclinux; do
		grep -qx "$entry EPERM" <<<"$1" || { echo "$entry: $1"; return 1; }
	done
	# What the kernel has not it does not have filtered.
	! grep '^tiocsti-' <<<"$1" | grep -vxE 'tiocsti-(high|32|x32) EPERM|tiocsti-32 no entry|tiocsti-x32 ENOSYS'
}
is_default() { # TEXT
	terminal_is_closed "$1"
	diff <(grep -v ^tioc <<<"$1") - <<'END'
keyctl ENOSYS
io_uring_setup ENOSYS
userfaultfd ENOSYS
bpf EPERM
perf_event_open EPERM
open_by_handle_at EPERM
page-zero EPERM
af_alg EAFNOSUPPORT
END
}

@test "run, exec, shell and test are filtered, for each user, as root inside and contained" {
	local options ways=("" --fakeroot --contain --containall "--pid --no-init")
	am_root && ways+=(--userns "--userns --fakeroot")
	for image in plain.sif box; do
		for options in "${ways[@]}"; do
			# shellcheck disable=SC2086
			run -0 --separate-stderr coffer -q exec $options $image calls terminal default
			is_default "$output"
		done
	done
	run -0 --separate-stderr coffer -q run plain.sif
	is_default "$(grep -v ^hello <<<"$output")"
	run -0 --separate-stderr coffer -q test plain.sif
	is_default "$output"
	run -0 --separate-stderr coffer -q shell plain.sif <<<'calls terminal default'
	is_default "$output"
}

@test "so are the environment scripts, and the sections of a build" {
	run -0 --separate-stderr coffer -q exec plain.sif true
	is_default "$stderr"
	run -0 --separate-stderr coffer -q exec plain.sif cat /etc/calls-post
	is_default "$output"
	# %test, as it ran in the build
	is_default "$(grep -vE '^(\+|GREETING)' build.out)"
}

@test "nothing that the payload does types on the caller's terminal" {
	run -0 terminal -- coffer -q exec plain.sif sh -c 'calls terminal; tty >/dev/null && echo on a terminal'
	output=$(tr -d '\r' <<<"$output")
	[[ $output == *"on a terminal"* ]]
	terminal_is_closed "$output"
}

@test "the filter stays for all that comes of the payload" {
	run -0 --separate-stderr coffer -q exec box sh -c 'sh -c "calls terminal default"'
	is_default "$output"
	run -0 --separate-stderr coffer -q exec plain.sif grep -E '^(Seccomp|Seccomp_filters):' /proc/self/status
	[ "${lines[0]}" = "Seccomp:	2" ]
}

@test "--security seccomp:unconfined leaves the terminal's rule alone; other words are refused" {
	local options ways=("" --fakeroot --containall) word
	am_root && ways+=(--userns)
	for options in "${ways[@]}"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer -q exec --security seccomp:unconfined $options plain.sif calls terminal page-zero
		terminal_is_closed "$output"
		grep -qx 'page-zero done' <<<"$output"
	done
	APPTAINER_SECURITY=seccomp:unconfined run -0 --separate-stderr coffer -q exec plain.sif calls page-zero
	[ "$output" = 'page-zero done' ]
	for word in seccomp: seccompx:unconfined unconfined uid:0 gid:0 apparmor:x selinux:x; do
		run -255 --separate-stderr coffer exec --security "$word" plain.sif true
		[[ $stderr == *"--security $word is not supported"* ]]
	done
	run -255 --separate-stderr coffer exec --security seccomp:unconfined,uid:0 plain.sif true
	# The way out that is named, for root.
	[[ $stderr == *'setpriv --reuid UID --regid GID --clear-groups coffer'* ]]
	! am_root || {
		run -0 --separate-stderr setpriv --reuid 1234 --regid 1235 --clear-groups coffer -q exec plain.sif sh -c 'echo $(id -u):$(id -g)'
		[ "$output" = 1234:1235 ]
	}
}

@test "--security seccomp:FILE: a profile in place of the default filter, for each user; the terminal's rule stays" {
	local options ways=("" --fakeroot --containall)
	am_root && ways+=(--userns)
	cp "$COFFER_ROOT/tests/cli/profile.json" list.json
	for options in "${ways[@]}"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer -q exec $options --security seccomp:list.json plain.sif calls terminal default
		terminal_is_closed "$output"
		grep -qx 'keyctl ENOSYS' <<<"$output"
		grep -qx 'io_uring_setup EPERM' <<<"$output"
		grep -qx 'page-zero EPERM' <<<"$output"
		# The environment scripts, too.
		grep -qx 'io_uring_setup EPERM' <<<"$stderr"
	done
	run -0 --separate-stderr coffer -v exec --security seccomp:list.json plain.sif sh -c 'echo ran'
	[ "$output" = ran ]
	[[ $stderr == *"list.json: call_of_a_later_kernel is no system call that this libseccomp knows: skipped"* ]]
	# What the default filter refuses, a profile may allow.
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errno":"EXDEV"}]}' >few.json
	APPTAINER_SECURITY=seccomp:few.json run -0 --separate-stderr coffer -q exec plain.sif calls terminal default
	grep -qx 'tiocsti EPERM' <<<"$output"
	grep -qx 'tiocsti-high EPERM' <<<"$output"
	grep -qx 'tioclinux EPERM' <<<"$output"
	grep -qx 'keyctl EXDEV' <<<"$output"
	grep -qx 'page-zero done' <<<"$output"
}

# A profile that allows socket() but for one family, as OTHER says it: libseccomp 2.5 lets the payload have it.
but_af_alg() { # OTHER: the conditions of the rule that allows
	local refuses='{"names":["socket"],"action":"SCMP_ACT_ERRNO","errno":"EXDEV","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]}'
	local allows='{"names":["socket"],"action":"SCMP_ACT_ALLOW"'"$1"'}'
	echo '{"defaultAction":"SCMP_ACT_LOG","syscalls":['"$refuses,$allows"']}' >one.json
	echo '{"defaultAction":"SCMP_ACT_LOG","syscalls":['"$allows,$refuses"']}' >two.json
}
@test "a profile that says two things of one call is refused, by rule; with conditions that exclude each other it holds" {
	local options ways=("" --fakeroot) profile
	am_root && ways+=(--userns)
	for options in "${ways[@]}"; do
		but_af_alg ''
		for profile in one two; do
			# shellcheck disable=SC2086
			run -255 --separate-stderr coffer exec $options --security seccomp:$profile.json plain.sif calls af_alg
			[[ $stderr == *"$profile.json: syscalls.1 contradicts syscalls.0: socket has another action by each"* ]]
			[ -z "$output" ]
		done
		but_af_alg ',"args":[{"index":0,"value":38,"op":"SCMP_CMP_NE"}]'
		for profile in one two; do
			# shellcheck disable=SC2086
			run -0 --separate-stderr coffer -q exec $options --security seccomp:$profile.json plain.sif calls af_alg
			[ "$output" = 'af_alg EXDEV' ]
		done
	done
	# What all calls have is no rule, and of two without conditions the first counts.
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["socket","keyctl"],"action":"SCMP_ACT_ALLOW"},
		{"names":["socket"],"action":"SCMP_ACT_ERRNO","errno":"EXDEV","args":[{"index":0,"value":38,"op":"SCMP_CMP_EQ"}]},
		{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errno":"EXDEV"},
		{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","errno":"ENOSYS"}]}' >first.json
	run -0 --separate-stderr coffer -v exec --security seccomp:first.json plain.sif calls default
	grep -qx 'af_alg EXDEV' <<<"$output"
	grep -qx 'keyctl EXDEV' <<<"$output"
	[[ $stderr == *"first.json: syscalls.3 is passed over for keyctl: syscalls.2 counts"* ]]
}

@test "a profile of which libseccomp makes another filter than it says is refused" {
	# Of these 2.5 makes a filter that allows 5.
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[
		{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":2,"op":"SCMP_CMP_LE"}]},
		{"names":["keyctl"],"action":"SCMP_ACT_ERRNO","args":[{"index":0,"value":4294967297,"op":"SCMP_CMP_LT"}]}]}' >merged.json
	run -255 --separate-stderr coffer exec --security seccomp:merged.json plain.sif true
	[[ $stderr == *"merged.json: syscalls.0 and others for keyctl: libseccomp makes a filter of them that does not do what they say"* ]]
}

@test "a profile that is not understood is refused, with the path of what is wrong; so are two" {
	run -255 --separate-stderr coffer exec --security seccomp:nowhere.json plain.sif true
	[[ $stderr == *"open nowhere.json: no such file or directory"* ]]
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["keyctl"],"action":"SCMP_ACT_NOTIFY"}]}' >notify.json
	run -255 --separate-stderr coffer exec --security seccomp:notify.json plain.sif true
	[[ $stderr == *'notify.json: syscalls.0.action "SCMP_ACT_NOTIFY" is not supported'* ]]
	echo '{"defaultAction":"SCMP_ACT_ALLOW","syscall":[]}' >typo.json
	run -255 --separate-stderr coffer exec --security seccomp:typo.json plain.sif true
	[[ $stderr == *'typo.json: syscall is not supported'* ]]
	run -255 --separate-stderr coffer exec --security seccomp:unconfined,seccomp:few.json plain.sif true
	mkfifo pipe.json
	run -255 --separate-stderr timeout 20 "$COFFER" exec --security seccomp:pipe.json plain.sif true
}
