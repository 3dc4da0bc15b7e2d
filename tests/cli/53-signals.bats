#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Signals and violent ends (spec runtime.md 18): statuses, what is passed on, and that nothing stays.

load helper

setup_file() {
	make_work
	# With --fakeroot the machine's root is a stranger to its own folder.
	chmod 0777 "$WORK"
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -f ready late
	MOUNTS=$(cat /proc/self/mountinfo)
}
teardown() {
	no_processes && no_new_mounts
}

every_image=(plain.sif luks2.sif gocryptfs.sif)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
payload_gone() { ! pgrep -u "$(id -u)" -fx "/bin/sleep $1" >/dev/null; }
# A number of seconds to sleep that names this test's payload.
MARK=$((40000 + $$ % 20000))

begin() { # OPTIONS IMAGE SCRIPT: in the background, once it has made `ready`; its pid: $command
	# shellcheck disable=SC2086
	coffer exec $1 $(key_of "$2") "$2" sh -c "$3" 3>&- 2>err &
	command=$!
	wait_for test -e ready
}
ended() { # STATUS
	local got=0
	wait "$command" || got=$?
	[ "$got" -eq "$1" ] || { echo "status $got, not $1: $(cat err)"; false; }
}

@test "a payload that a signal ends: 128 and its number" {
	for signal in HUP:129 INT:130 KILL:137 USR1:138 PIPE:141 TERM:143; do
		for options in "" --pid; do
			run -${signal#*:} coffer exec $options plain.sif sh -c "kill -${signal%:*} \$\$"
		done
	done
	run -143 coffer exec --pem-path=rsa_pri.pem luks2.sif sh -c 'kill $$'
}

@test "signals are passed on in the background" {
	for options in "" --pid "--pid --no-init" --fakeroot; do
		for signal in USR1 TERM HUP USR2; do
			begin "$options" plain.sif "trap 'echo got $signal >late; exit 5' $signal; echo >ready; while :; do sleep 0.1; done"
			kill -$signal "$command"
			ended 5
			[ "$(cat late)" = "got $signal" ]
			rm -f ready late
		done
	done
}

# pid 1 has no handler: what it hears before it waits for it would be dropped by the kernel.
@test "a signal that comes while the container is made ends it, at any moment" {
	local i
	for options in "" --pid "--pid --fakeroot"; do
		for i in $(seq 1 3 40); do
			# shellcheck disable=SC2086 # words
			coffer exec $options plain.sif sleep 8 3>&- 2>err &
			command=$!
			sleep "0.0$(printf %02d $i)"
			kill -TERM "$command"
			ended 143
		done
	done
}

@test "TERM ends a payload that does nothing about it" {
	for image in "${every_image[@]}"; do
		begin "" $image "echo >ready; exec sleep $MARK"
		kill "$command"
		ended 143
		payload_gone $MARK
		rm ready
	done
}

@test "Ctrl-C in a terminal ends it with 130, and a payload that traps it goes on" {
	run terminal "ready" ^C -- coffer exec plain.sif sh -c 'echo ready; exec sleep 30'
	[ "$status" -eq 130 ]
	run terminal "ready" ^C -- coffer exec plain.sif sh -c 'trap "echo trapped; exit 6" INT; echo ready; while :; do sleep 0.1; done'
	[ "$status" -eq 6 ]
	grep -q trapped <<<"$output"
}

@test "a terminal that hangs up ends it" {
	for options in "" --pid; do
		for image in "${every_image[@]}"; do
			# shellcheck disable=SC2086 # words
			run terminal "ready" HANGUP -- coffer exec $options $(key_of $image) $image sh -c "echo ready; exec sleep $MARK"
			[ "$status" -eq 129 ]
			wait_for payload_gone $MARK
			no_processes
		done
	done
	run terminal "ready" HANGUP -- coffer exec plain.sif sh -c 'trap "echo heard >late; exit 6" HUP; echo ready; while :; do sleep 0.1; done'
	[ "$(cat late)" = heard ]
}

@test "Ctrl-Z in a shell suspends it, fg lets it go on" {
	for options in "" --pid; do
		for image in plain.sif gocryptfs.sif; do
			run terminal '$ ' "PS1='next> '; coffer exec $options $(key_of $image) $image sh -c 'echo re\\ady; sleep 1; cat /etc/secret.txt; exit 7'" \
				ready ^Z 'next> ' 'jobs; cat /proc/%/stat 2>/dev/null; echo listed' listed fg 'next> ' 'echo "status $?"; exit' \
				-- env PS1='$ ' bash --norc --noprofile -i
			echo "$output"
			grep -q Stopped <<<"$output"
			grep -q 'a marker that must stay hidden' <<<"$output"
			grep -q 'status 7' <<<"$output"
		done
	done
}

# Of a process: running, stopped ...
state() { sed -n 's/^State:\t\(.\).*/\1/p' "/proc/$1/status" 2>/dev/null; }
payload_is() { # STATE
	local pid
	pid=$(pgrep -u "$(id -u)" -fx "/bin/sh -c echo >ready; .*; exit 7" | head -n 1)
	[ -n "$pid" ] && [ "$(state "$pid")" = "$1" ]
}
# Runs a command in a group of its own below one that could let it go on: else the kernel would stop
# nobody. (bash's `wait -f` comes back, now and then, when the job is stopped.)
in_a_group() { # COMMAND...
	timeout 90 python3 -c '
import os, subprocess, sys
job = subprocess.Popen(sys.argv[1:], stderr=open("err", "w"), preexec_fn=os.setpgrp)
open("tracer", "w").write(str(job.pid))
status = job.wait()
sys.exit(status if status >= 0 else 128 - status)' "$@"
}
@test "a SIGCONT on the heels of a SIGTSTP is not lost" {
	for options in "" --pid; do
		# The payload has been told long before the command comes to stop itself.
		# shellcheck disable=SC2086 # words
		in_a_group strace -qq -o /dev/null -e trace=kill,pidfd_send_signal \
			--inject=kill,pidfd_send_signal:delay_exit=1500000 \
			"$COFFER" exec $options plain.sif sh -c 'echo >ready; while [ ! -e late ]; do sleep 0.1; done; exit 7' 3>&- &
		command=$!
		wait_for test -e ready
		coffer=$(pgrep -P "$(cat tracer)")
		kill -TSTP "$coffer"
		wait_for payload_is T
		kill -CONT "$coffer"
		touch late
		ended 7
		rm -f ready late
	done
}

@test "SIGTSTP stops command and payload, SIGCONT lets both go on" {
	for options in "" --pid; do
		# shellcheck disable=SC2086 # words
		in_a_group "$COFFER" exec $options plain.sif sh -c 'echo >ready; while [ ! -e late ]; do sleep 0.1; done; exit 7' 3>&- &
		command=$!
		wait_for test -e ready
		coffer=$(cat tracer)
		kill -TSTP "$coffer"
		wait_for payload_is T
		wait_for eval '[ "$(state "$coffer")" = T ]'
		touch late
		kill -CONT "$coffer"
		ended 7
		rm -f ready late
	done
}

@test "a child that stays behind keeps its image without --pid" {
	for image in "${every_image[@]}"; do
		rm -f late
		run -0 --separate-stderr coffer exec $(key_of $image) $image sh -c \
			'(sleep 1; md5sum </bin/busybox >late.new; mv late.new late) >/dev/null 2>&1 3>&- 4>&- & echo started'
		[ "$output" = started ]
		[ ! -e late ]
		wait_for test -e late
		[ "$(cat late)" = "$(md5sum </bin/busybox)" ]
	done
}

@test "a child that stays behind ends with --pid" {
	for image in plain.sif gocryptfs.sif; do
		run -0 coffer exec --pid $(key_of $image) $image sh -c "sleep $MARK >/dev/null 2>&1 3>&- 4>&- & echo started"
		[ "$output" = started ]
		wait_for payload_gone $MARK
	done
}

@test "orphans are reaped with --pid" {
	run -0 coffer exec --pid plain.sif sh -c '(sleep 0.1 & sleep 0.1 & true); sleep 0.6; grep -l "State:.Z" /proc/[0-9]*/status | wc -l'
	[ "$output" = 0 ]
}

@test "kill -9 of the command leaves nothing" {
	for image in "${every_image[@]}"; do
		for options in "" --pid "--pid --no-init" --fakeroot "--containall --writable-tmpfs --cwd $WORK -B $WORK"; do
			begin "$options" $image "echo >$WORK/ready; exec sleep $MARK"
			kill -9 "$command"
			ended 137
			wait_for payload_gone $MARK
			no_processes
			rm ready
		done
	done
}

@test "kill -9 of the image's server ends the container, with a word about it" {
	for image in "${every_image[@]}"; do
		for options in "" --pid; do
			begin "$options" $image "echo >ready; exec sleep $MARK"
			server=$(pgrep -P "$command" '^coffer-image')
			kill -9 "$server"
			ended 255
			grep -q '^FATAL: ' err
			wait_for payload_gone $MARK
			rm ready
		done
	done
}

@test "kill -9 of the init ends the container" {
	begin --pid gocryptfs.sif "echo >ready; exec sleep $MARK"
	kill -9 "$(pgrep -P "$command" '^appinit')"
	ended 137
	wait_for payload_gone $MARK
}

@test "a server that is stopped is given up, with a word about it" {
	for image in "${every_image[@]}"; do
		for options in "" --pid; do
			begin "$options" $image "echo >ready; while :; do ls -R / >/dev/null 2>&1; done"
			kill -STOP "$(pgrep -P "$command" '^coffer-image')"
			ended 255
			grep -q '^FATAL: .*stopped' err
			no_processes
			rm ready
		done
	done
}

@test "a server that is stopped before it serves is given up too" {
	for image in "${every_image[@]}"; do
		# The last that it does, and nobody before it, is to forbid itself system calls.
		run -255 --separate-stderr timeout -s KILL 60 strace -f -qq -o trace --inject=seccomp:signal=STOP \
			coffer exec $(key_of $image) $image echo started
		refused 255 'the process that serves the image was stopped'
		grep -q -- '--- stopped by SIGSTOP ---' trace
		[ -z "$output" ]
	done
}

@test "all of a container stopped, as a batch system does, goes on" {
	for options in "" --pid; do
		begin "$options" gocryptfs.sif "echo >ready; i=0; while [ ! -e late ]; do ls -R /etc >/dev/null; done; exit 7"
		all="$command $(pgrep -P "$command")"
		# shellcheck disable=SC2086 # words
		kill -STOP $all
		sleep 3
		kill -CONT "$command"
		sleep 0.3
		# shellcheck disable=SC2086 # words
		kill -CONT $all
		sleep 2.5
		kill -0 "$command"
		echo >late
		ended 7
		rm -f ready late
	done
}

@test "a caller who ignores SIGCHLD" {
	for options in "" --pid; do
		run -7 timeout -s KILL 60 env --ignore-signal=CHLD coffer exec $options plain.sif sh -c 'exit 7'
	done
	run -0 timeout -s KILL 60 env --ignore-signal=CHLD coffer -q build again.sif image.def
	rm again.sif
}

@test "a timer that was set before the exec is for the payload" {
	for options in "" --pid; do
		run -142 perl -e 'alarm 1; exec @ARGV' coffer exec $options plain.sif sleep 30
	done
}
