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
	for word in seccomp: seccomp:/nowhere.json seccomp:unconfinedx unconfined uid:0 gid:0 apparmor:x selinux:x; do
		run -255 --separate-stderr coffer exec --security "$word" plain.sif true
		[[ $stderr == *"--security $word is not supported"* ]]
	done
	run -255 --separate-stderr coffer exec --security seccomp:unconfined,uid:0 plain.sif true
}
