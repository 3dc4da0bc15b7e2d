#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A build that is killed leaves nothing: no process of a section, no file.
load helper

setup() { make_work; }
teardown() { drop_work; }

running() { pgrep -u "$(id -u)" -f "sleep $1" >/dev/null; }

gone() { ! running "$1"; }

@test "kill -9 in any section leaves no process and no file" {
	local section number=$((RANDOM + 100000))
	make_tree tree
	for section in pre setup post; do
		# A child of the script's own, beside one that it left in the background.
		printf 'Bootstrap: localimage\nFrom: %s/tree\n%%%s\n  sleep %s & sh -c "sleep %s; true"\n  true\n' \
			"$WORK" "$section" "$number" "$number" >x.def
		coffer build out.sif x.def >log 2>&1 3>&- &
		local command=$!
		wait_for running "$number" || { cat log; false; }
		kill -9 "$command"
		wait_for gone "$number" || { pkill -9 -f "sleep $number"; echo "left by %$section"; false; }
		[ "$(echo *)" = 'log tree x.def' ]
	done
}

@test "signals that come together do not keep a tree from being removed" {
	make_tree tree
	mkdir big
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\n  sleep 100\n' "$WORK" >x.def
	coffer build --tmpdir big out.sif x.def >log 2>&1 3>&- &
	local command=$!
	wait_for grep -q '+ sleep' log || { cat log; false; }
	# Stopped, it finds both when it goes on.
	kill -STOP "$command"
	kill -INT "$command"
	kill -TERM "$command"
	kill -CONT "$command"
	wait "$command" || true
	ls -A big
	[ -z "$(ls -A big)" ]
	[ ! -e out.sif ]
}

descendants() { # PID
	local child
	for child in $(pgrep -P "$1"); do
		echo "$child"
		descendants "$child"
	done
}
packing() { grep -q 'Creating SIF' log; }
# A definition whose %post is long, and a tree that is not packed in a moment.
make_long() {
	make_tree tree
	head -c 60M /dev/urandom >tree/noise
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\n  sleep 100\n' "$WORK" >x.def
}
start_post() { # OPTIONS: leaves the build in $command
	: >log
	coffer build "$@" out.sif x.def >log 2>&1 3>&- &
	command=$!
	wait_for grep -q '+ sleep' log || { cat log; false; }
}
start_packing() { # KIND
	: >log
	APPTAINER_ENCRYPTION_PASSPHRASE=x coffer build --encryption="$1" --compression=xz out.sif tree >log 2>&1 3>&- &
	command=$!
	wait_for packing || { cat log; false; }
}
# All of the build's other processes are stopped: the command waits, and a signal ends it.
stopped_then_interrupted() {
	local stopped
	stopped=$(descendants "$1")
	[ -n "$stopped" ]
	# shellcheck disable=SC2086 # words
	kill -STOP $stopped
	sleep 1
	kill -0 "$1"
	kill -INT "$1"
	wait_for is_gone "$1"
	local status=0
	wait "$1" || status=$?
	[ "$status" -eq 130 ] || { cat log; echo "status $status"; false; }
	# shellcheck disable=SC2086 # words
	all_gone $stopped
	[ ! -e out.sif ]
}

@test "a build whose builder or packer is stopped waits, and a signal ends it" {
	make_long
	start_post
	stopped_then_interrupted $command
	for kind in luks2 gocryptfs; do
		start_packing $kind
		stopped_then_interrupted $command
	done
	[ "$(echo *)" = 'log tree x.def' ]
}

# The builder is the command's first child, the packer its last.
killed_is_said() { # COMMAND PROCESS
	kill -9 "$2"
	wait_for is_gone "$1"
	status=0
	wait "$1" || status=$?
	stderr=$(cat log)
	refused 255 "a process of the build was killed"
	no_processes
	[ "$(echo *)" = 'log tree x.def' ]
}

@test "a build whose builder or packer is killed says so" {
	make_long
	start_post
	killed_is_said $command "$(pgrep -o -P $command)"
	err_has '--tmpdir DIR'
	# There is no sense in it where the tree lies on disk.
	start_post --sandbox
	killed_is_said $command "$(pgrep -o -P $command)"
	[[ "$stderr" != *tmpdir* ]]
	for kind in luks2 gocryptfs; do
		start_packing $kind
		killed_is_said $command "$(pgrep -n -P $command)"
	done
}
