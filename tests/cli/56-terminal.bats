#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# With --contain a payload has a terminal of its own: what it is like, and that the caller's is
# out of its reach and as it was afterwards.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	local name
	for name in readlink stty cut tr sed stat head wc; do ln -sf busybox tree/bin/$name; done
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -f out
}
teardown() { no_processes; }

every_image=(plain.sif luks2.sif gocryptfs.sif)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
ways=(--contain --containall "--contain --fakeroot" "--contain --no-mount devpts")

@test "it is another one than the caller's, also as /dev/tty and /dev/console, and the caller's settings come back" {
	local look='stty size </dev/tty; exit 7'
	for options in "${ways[@]}"; do
		for image in "${every_image[@]}"; do
			# shellcheck disable=SC2046,SC2086 # words
			run terminal -- sh -c 'stty rows 31 cols 77; "$@"; echo "status $?"; tty' - \
				coffer -q exec $options $(key_of $image) $image sh -c "$look"
			[ "$status" -eq 0 ]
			grep -q '^31 77$' <<<"$output" && grep -q '^status 7$' <<<"$output" ||
				{ echo "$options $image: $output"; false; }
			refute grep -q 'MODES!' <<<"$output"
		done
	done
	for options in "-q exec --contain" "-q exec --contain --fakeroot"; do
		# shellcheck disable=SC2086 # words
		run terminal -- coffer $options plain.sif sh -c 'readlink /proc/self/fd/0; stat -c %t:%T /dev/console /dev/pts/0'
		[ "${lines[0]}" = /dev/pts/0 ]
		[ "${lines[1]}" = "${lines[2]}" ]
	done
}

@test "the caller's is out of reach also where one of 0 to 2 is it as /dev/tty, or another terminal" {
	for options in "${ways[@]}"; do
		for fd in 0 1 2; do
			# What is typed there is not to be read: the command's relay has it alone.
			# shellcheck disable=SC2086 # words
			run terminal -- sh -c 'fd=$1; shift; eval "\"\$@\" $fd<>/dev/tty"; echo "status $?"; stat -L -c "outside %D:%i" /proc/self/fd/0' - \
				$fd coffer -q exec $options plain.sif sh -c 'for fd in 0 1 2; do stat -L -c "inside %D:%i" /proc/self/fd/$fd; done >&2; stat -c "inside %D:%i" /dev/pts/0 >&2; exit 3'
			grep -q '^status 3$' <<<"$output"
			outside=$(sed -n 's/^outside //p' <<<"$output")
			[ -n "$outside" ]
			[ "$(grep -c '^inside' <<<"$output")" -ge 3 ]
			refute grep -q "^inside $outside\$" <<<"$output"
			refute grep -q 'MODES!' <<<"$output"
		done
	done
	# One that was named is left, and the caller's own is replaced all the same.
	run terminal -- python3 -c '
import os, pty, subprocess, sys
other = os.open(os.ttyname(pty.openpty()[1]), os.O_RDWR | os.O_NOCTTY)
look = "for fd in 0 1 2; do stat -L -c %D:%i /proc/self/fd/$fd; done >&2"
said = subprocess.run(["coffer", "-q", "exec", "--contain", "plain.sif", "sh", "-c", look], stdin=other)
for name, fd in ("named", other), ("outside", 0):
    st = os.fstat(fd)
    print(name, "%x:%d" % (st.st_dev, st.st_ino))
sys.exit(said.returncode)'
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$(sed -n 's/^named //p' <<<"$output")" ]
	[ "$(grep -c "$(sed -n 's/^outside //p' <<<"$output")" <<<"$output")" -eq 1 ]
}

@test "modes that are set inside are not the caller's" {
	run terminal -- sh -c 'coffer exec --contain plain.sif stty -echo -icanon; stty -a | tr ";" "\n"'
	[ "$status" -eq 0 ]
	refute grep -q -- '-icanon' <<<"$output"
	refute grep -q 'MODES!' <<<"$output"
	# Nor those of a payload that is killed in the midst of it.
	for options in --contain --containall; do
		run terminal -- coffer exec $options plain.sif sh -c 'stty -echo -icanon; kill -9 $$'
		[ "$status" -eq 137 ]
		refute grep -q 'MODES!' <<<"$output"
	done
}

@test "Ctrl-C ends the payload with 130, one that traps it goes on, Ctrl-Z changes nothing outside" {
	for options in "${ways[@]}"; do
		# shellcheck disable=SC2086 # words
		run terminal ready ^C -- coffer -q exec $options plain.sif sh -c 'echo ready; exec sleep 30'
		[ "$status" -eq 130 ]
		refute grep -q 'MODES!' <<<"$output"
		# shellcheck disable=SC2086 # words
		run terminal ready ^C -- coffer -q exec $options plain.sif sh -c 'trap "echo trapped; exit 6" INT; echo ready; while :; do sleep 0.1; done'
		[ "$status" -eq 6 ]
		grep -q trapped <<<"$output"
	done
	run terminal ready ^Z '^Z' again -- coffer exec --contain plain.sif sh -c 'echo ready; read x; exit 8'
	[ "$status" -eq 8 ]
}

@test "what is typed arrives, an end of file too, and a megabyte comes out whole" {
	run terminal ready 'a line' 'a line' ^D -- coffer exec --contain plain.sif sh -c 'echo ready; cat; echo end; exit 4'
	[ "$status" -eq 4 ]
	[ "$output" = $'ready\na line\na line\nend' ]
	for image in "${every_image[@]}"; do
		# shellcheck disable=SC2046 # words
		run -0 sh -c '"$@" | tr -cd x | wc -c' - "$COFFER_ROOT/tests/cli/terminal" -- \
			coffer exec --containall $(key_of $image) $image sh -c 'dd if=/dev/zero bs=1024 count=1024 2>/dev/null | tr "\000" x'
		[ "$output" -eq 1048576 ]
	done
}

@test "in a pipeline what is no terminal passes as it is, and others may use the caller's" {
	run terminal say 'typed' -- sh -c 'coffer exec --contain plain.sif sh -c "echo say >&2; read x; echo got \$x; [ -t 1 ] || echo pipe >&2" | cat'
	[ "$status" -eq 0 ]
	# Once by the caller's echo, and no more.
	[ "$(grep -c '^typed' <<<"$output")" -eq 1 ]
	grep -q '^got typed' <<<"$output"
	grep -q '^pipe' <<<"$output"
	# One at the end of the pipe that reads single keys has them.
	run terminal press 'key' -- bash -c 'coffer exec --contain plain.sif sh -c "sleep 1; echo x" | { stty -icanon </dev/tty; echo press; read -r -n 3 k </dev/tty; stty icanon </dev/tty; echo "has $k"; cat; }'
	grep -q 'has key' <<<"$output"
	# Nothing of a word that is asked for without echo is seen.
	run terminal 'word: ' hidden -- sh -c 'coffer exec --contain plain.sif sh -c "stty -echo; echo -n word:\" \" >&2; read x; stty echo; echo length \${#x}" | cat'
	grep -q 'length 6' <<<"$output"
	refute grep -q hidden <<<"$output"
	run terminal -- sh -c 'echo text | coffer exec --contain plain.sif cat >out'
	[ "$(cat out)" = text ]
}

@test "without a terminal among 0 to 2 the caller's is not the controlling one either, and Ctrl-C still ends it" {
	for options in --contain --containall; do
		run terminal -- sh -c 'coffer exec "$@" </dev/null 2>&1 | cat' - $options plain.sif sh -c 'echo x >/dev/tty || echo none'
		grep -q '^none' <<<"$output"
		# Only once it runs: a shell may lose the signal between its fork and its exec.
		run terminal ready ^C -- bash -c 'coffer exec "$@" </dev/null > >(cat) 2>&1' - $options plain.sif sh -c 'echo ready; sleep 20; echo late'
		[[ "$output" != *late* ]]
		[ "$status" -eq 130 ]
	done
}

@test "a terminal that hangs up ends it" {
	for options in --contain --containall; do
		for image in plain.sif gocryptfs.sif; do
			# shellcheck disable=SC2046 # words
			run terminal ready HANGUP -- coffer exec $options $(key_of $image) $image sh -c 'echo ready; exec sleep 30'
			[ "$status" -eq 129 ]
			no_processes
		done
	done
}

@test "in the background it neither stops nor takes the terminal" {
	run terminal '$ ' 'coffer exec --contain plain.sif sh -c "echo ba\ck; exit 3" & wait $!; echo st""atus $?' 'status 3' exit \
		-- env PS1='$ ' bash --norc --noprofile -i
	[ "$status" -eq 0 ]
	grep -q back <<<"$output"
}

@test "a job that is suspended, by Ctrl-Z in a pipeline too, leaves the terminal to the shell and goes on where it was" {
	local payload='echo ready >&2; read x; echo "got $x" >&2; exit 5'
	for options in "${ways[@]}"; do
		# shellcheck disable=SC2086 # words
		run -5 job 'see ready' raw stop cooked 'still 0.5' fg raw 'type more' 'see got more' -- \
			coffer -q exec $options plain.sif sh -c "$payload"
		# shellcheck disable=SC2086 # words
		run -5 job 'see ready' 'key ^Z' stopped cooked fg 'type more' 'see got more' -- \
			bash -o pipefail -c '"$@" | cat' - coffer -q exec $options plain.sif sh -c "$payload"
	done
	# The payload stands still, too.
	run -0 job 'see ready' stop 'still 0.5' fg 'see end' -- \
		coffer -q exec --contain plain.sif sh -c 'echo ready; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo end'
}

@test "a job that is put in the background while it waits for a key is not ended by what others read" {

	run -5 job 'see ready' raw away 'type early' 'still 0.5' fg raw 'see got early' 'type more' 'see got more' -- \
		coffer -q exec --contain plain.sif sh -c 'echo ready; read x; echo "got $x"; read x; echo "got $x"; exit 5'
	refute grep -q 'MODES!' <<<"$output"
}

@test "the terminal inside has the size of the caller's, also when that changes" {
	for options in "${ways[@]}"; do
		# shellcheck disable=SC2086 # words
		run -6 job 'size 24 80' 'see ready' 'size 11 33' 'see 11 33' 'type x' 'see 11 33' -- \
			coffer -q exec $options plain.sif sh -c 'trap "stty size" WINCH; echo ready; until read x; do :; done; stty size; exit 6'
	done
}

@test "what is typed ahead of a payload that does not read waits, costs nothing and arrives whole" {
	run -0 job 'see ready' raw 'flood 200000' 'still 1' fg 'see 200000' -- \
		coffer -q exec --contain plain.sif sh -c 'stty raw -echo; trap go=1 CONT; echo ready; while [ -z "$go" ]; do sleep 0.1; done; head -c 200000 | wc -c'
}
