#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The server from the payload's side: nobody who is not the machine's root looks into it or into the
# command, whoever he is in his container; killing it ends that container and nothing else; and all
# that it does for a container it does with the system calls that it may make (another one kills it,
# which ends the container with 255). Memory for keys that is not locked is spoken of.

load helper

setup_file() {
	make_work
	chmod 0755 "$WORK"
	make_keys
	make_tree tree
	cp "$COFFER_ROOT/bin/pry" tree/bin/pry
	head -c 3000000 /dev/urandom >tree/noise
	seq 300000 >tree/numbers
	truncate -s 3M tree/sparse
	echo end >>tree/sparse
	mkdir -p tree/wide tree/deep/a/b/c
	(cd tree/wide && seq 700 | sed 's/^/a-rather-long-name-of-a-file-/' | xargs touch)
	echo small >tree/deep/a/b/c/small
	ln tree/numbers tree/deep/hard
	ln -s "$(head -c 2000 /dev/zero | tr '\0' l)" tree/deep/long-link
	mkfifo tree/fifo
	(cd tree && md5sum noise numbers sparse deep/hard deep/a/b/c/small) >sums
	for kind in luks2 gocryptfs; do
		for codec in gzip zstd xz lz4 lzo; do
			coffer -q build --encryption=$kind --pem-path=rsa_pub.pem --compression=$codec $kind-$codec.sif tree
		done
	done
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -f ready go go.setup
}
teardown() {
	touch go go.setup
	[ -z "${stopped:-}" ] || kill -CONT "$stopped" 2>/dev/null || true
	no_processes
}
K=--pem-path=rsa_pri.pem

# The files of a process that hides are owned by the machine's root. Its user id is still that of a
# payload with --userns; without capabilities it gets no further than these, which show no content.
not_by_owner() {
	if am_root; then grep -vxE 'CAN (list fd|list map_files|write to clear_refs)'; else grep .; fi
}

@test "the payload, root in its namespace too, looks neither into the server nor into the command" {
	# Real root in a container is the machine's root, and no stranger.
	local options ways=("" --fakeroot "--userns --contain")
	if am_root; then ways=(--userns "--userns --fakeroot"); fi
	for kind in luks2 gocryptfs; do
		for options in "${ways[@]}"; do
			# shellcheck disable=SC2086
			run coffer exec $K $options $kind-gzip.sif sh -c 'pry server $PPID; pry $PPID'
			[ "$(grep -c '^tried to look into .* ways open' <<<"$output")" -eq 2 ]
			output=$(grep '^CAN' <<<"$output" | not_by_owner) || continue
			echo "$options: $output"
			false
		done
	done
}

@test "nor does a process beside the container; and the tool finds an open door" {
	if ! am_root; then
		coffer exec $K luks2-gzip.sif sh -c 'echo $PPID >ready.new; mv ready.new ready; while [ ! -e go ]; do sleep 0.1; done' 3>&- &
		wait_for test -e ready
		run -0 "$COFFER_ROOT/bin/pry" server "$(cat ready)"
		run -0 "$COFFER_ROOT/bin/pry" "$(cat ready)"
		touch go
		wait
	fi
	sleep 100 3>&- &
	run -1 "$COFFER_ROOT/bin/pry" $!
	kill $!
	[ "$(grep -c ^CAN <<<"$output")" -gt 20 ]
}

# A process may be looked into only if there is nothing to see: it has none of the caller's variables.
shows_nothing() { # PID
	local out
	if out=$("$COFFER_ROOT/bin/pry" "$1"); then return 0; fi
	[ "$(tr -d '\0' <"/proc/$1/environ" 2>/dev/null)" = "" ] || { echo "$1 shows variables: $out"; false; }
	[ "$(ls -A "/proc/$1/fd" 2>/dev/null)" = "" ] || { echo "$1 has descriptors: $out"; false; }
	refute grep -qaF "$BESIDE" "/proc/$1/environ"
}

@test "nor into the container's process, from its fork on" {
	local child member seen=0 options
	if am_root; then return 0; fi
	export BESIDE=beside-$RANDOM$RANDOM
	for options in "" --fakeroot "" --fakeroot "" --fakeroot "" --fakeroot; do
		# shellcheck disable=SC2086 # words
		APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer exec $options "$FIXTURES/luks-pass.sif" true >log 2>&1 3>&- &
		stopped=$!
		# The image's keyslot takes the command a second, in which the container's process waits.
		while [ -e "/proc/$stopped" ] && ! pgrep -P $stopped >/dev/null; do :; done
		kill -STOP $stopped
		for child in $(pgrep -P $stopped '^coffer$'); do
			seen=$((seen + 1))
			run -0 "$COFFER_ROOT/bin/pry" "$child"
			for member in $(pgrep -P "$child"); do shows_nothing "$member"; done
		done
		kill -CONT $stopped
		wait $stopped
	done
	[ $seen -gt 0 ]
}

@test "nor do the sections of a build, or a process beside it, look into its builder or its command" {
	local command builder pid go
	# Root's sections are the machine's root.
	if am_root; then return 0; fi
	cat >pry.def <<END
Bootstrap: localimage
From: $WORK/tree

%setup
    cd $WORK
    touch ready
    while [ ! -e go.setup ]; do sleep 0.1; done
    for pid in 1 \$(cat numbers); do $COFFER_ROOT/bin/pry \$pid >>setup || true; done

%post
    cd $WORK
    pry 1 >post || true
    cat /proc/[0-9]*/comm >names
    touch ready
    while [ ! -e go ]; do sleep 0.1; done
END
	coffer build --encryption=gocryptfs --pem-path=rsa_pub.pem --bind "$WORK" new.sif pry.def >log 2>&1 3>&- &
	command=$!
	for go in go.setup go; do
		wait_for test -e ready
		rm ready
		builder=$(pgrep -P $command '^coffer$')
		echo $command "$builder" >numbers
		for pid in $command "$builder"; do
			run -0 "$COFFER_ROOT/bin/pry" "$pid"
		done
		touch $go
	done
	wait $command
	# By the numbers of its own namespace, the first of which is the builder's, and of ours.
	[ "$(grep -c '^tried to look into .*: 0 ways open' setup)" -eq 3 ]
	# There is less to see from within the container.
	[ "$(cat post)" = 'tried to look into 1: 0 ways open' ]
	grep -qx appinit names
	refute grep coffer names
	rm new.sif
}

@test "with a pid namespace of its own the payload sees no server" {
	run -0 coffer exec --pid $K gocryptfs-gzip.sif pry seen
	run -0 coffer exec --containall $K luks2-gzip.sif pry seen
	# The eye that is tried: without, it is seen.
	run -1 coffer exec $K luks2-gzip.sif pry seen
	# Whatever it kills there, the server is not among it.
	run --separate-stderr coffer exec --pid $K luks2-gzip.sif sh -c 'kill -9 -1; md5sum /noise'
	[ "${output%% *}" = "$(sed -n 's/  noise$//p' sums)" ]
}

@test "a payload that kills its server ends its container, and no other" {
	for kind in luks2 gocryptfs; do
		rm -f ready go
		coffer exec $K $kind-gzip.sif sh -c 'cat /noise >/dev/null; echo >ready; while [ ! -e go ]; do sleep 0.1; done; cat /numbers /sparse | md5sum >after' 3>&- &
		wait_for test -e ready
		run --separate-stderr coffer exec $K $kind-gzip.sif sh -c \
			'for p in /proc/[0-9]*; do read -r pid name state parent rest <$p/stat; [ "$name" = "(coffer-image)" ] && [ $parent = $PPID ] && kill -9 $pid; done; sleep 5; echo still here'
		[ "$status" -eq 255 ]
		err_has "was killed by signal 9"
		# Nor has a payload an end of its own that ends at once.
		for i in 1 2 3 4 5; do
			run --separate-stderr coffer exec $K $kind-gzip.sif sh -c \
				'for p in /proc/[0-9]*; do read -r pid name state parent rest <$p/stat; [ "$name" = "(coffer-image)" ] && [ $parent = $PPID ] && kill -9 $pid; done; exit 0'
			[ "$status" -eq 255 ]
			err_has "was killed by signal 9"
		done
		touch go
		wait
		[ "$(cat after)" = "$(cat tree/numbers tree/sparse | md5sum)" ]
	done
}

# All that a payload can ask of its file system; for attributes, which busybox does not ask for, see
# tests/unit/serve/test_ops.c, which works with the same server.
everything='cd / && md5sum -c $WORK/sums >/dev/null && find . -xdev | wc -l && ls -laR wide deep | wc -l &&
	stat fifo noise >/dev/null && df / >/dev/null && ls -l deep/long-link >/dev/null &&
	! cat nothing 2>/dev/null && ! touch noise 2>/dev/null && ! mkdir x 2>/dev/null && ! ln noise y 2>/dev/null &&
	! rm -f numbers 2>/dev/null && ! cat wide 2>/dev/null && [ "$(tail -c 4 sparse)" = end ] &&
	{ for i in 1 2 3 4 5 6; do md5sum noise numbers sparse >/dev/null & done; wait; } && echo complete'

@test "no allowed road needs a call that kills: each kind and codec, each operation" {
	for kind in luks2 gocryptfs; do
		for codec in gzip zstd xz lz4 lzo; do
			for options in "" --pid; do
				# shellcheck disable=SC2086
				run --separate-stderr coffer exec $K $options --env WORK="$WORK" $kind-$codec.sif busybox sh -c "${everything//df /busybox df }"
				[ "$status" -eq 0 ] || { echo "$kind $codec $options: $stderr"; false; }
				[ "$(tail -n 1 <<<"$output")" = complete ]
			done
		done
	done
}

@test "nor do errors, nor memory that is not enough" {
	local at size
	for kind in luks2 gocryptfs; do
		for codec in gzip zstd xz lz4 lzo; do
			# Damage in the midst of the noise, and of the metadata at the end.
			at=$(($(stat -c %s $kind-$codec.sif) / 2))
			"$COFFER_ROOT/tests/images/fault" $kind-$codec.sif bad.sif flip $at
			for size in "" $((RANDOM % 4000 + 500)); do
				[ -z "$size" ] || "$COFFER_ROOT/tests/images/fault" $kind-$codec.sif bad.sif flip $(($(stat -c %s $kind-$codec.sif) - size))
				run --separate-stderr coffer exec $K bad.sif sh -c 'cat /noise /numbers /sparse | wc -c; find / -xdev | wc -l; ls -laR /wide /deep'
				refute grep -q "by signal" <<<"$stderr"
			done
		done
		for size in 4000 6000 8000 10000 12000 16000 24000 32000 48000; do
			# With very little the loader ends it, with 127.
			run --separate-stderr sh -c "ulimit -d $size; coffer exec $K $kind-xz.sif sh -c 'for i in 1 2 3 4; do cat /noise /numbers /sparse >/dev/null & done; wait; find / -xdev'; true"
			refute grep -q "by signal" <<<"$stderr"
		done
	done
	rm -f bad.sif
}

# With a limit to the memory that may be locked. Root has none, unless it gives that up.
limited() { # KIB COMMAND...
	local giving=()
	if am_root; then giving=(setpriv --inh-caps=-ipc_lock --bounding-set=-ipc_lock); fi
	# shellcheck disable=SC2016
	"${giving[@]}" bash -c 'ulimit -l "$0"; exec "$@"' "$@"
}
unlocked_is_said() { # TIMES STATUS COMMAND...
	run --separate-stderr "${@:3}"
	[ "$status" -eq "$2" ]
	[ "$(grep -c '^WARNING: Not all memory for keys could be locked' <<<"$stderr")" -eq "$1" ] ||
		{ echo "not $1 times: $*: $stderr"; false; }
}

@test "memory for keys that cannot be locked is said so, once" {
	local size build="coffer build --force --encryption=gocryptfs new.sif"
	make_tree small
	export APPTAINER_ENCRYPTION_PASSPHRASE=a-passphrase
	unlocked_is_said 0 0 coffer build --encryption=gocryptfs said.sif small
	unlocked_is_said 0 0 coffer exec said.sif true
	# None; and enough for a passphrase, or two, but not for what is made of it.
	for size in 0 16; do
		unlocked_is_said 1 0 limited $size coffer exec said.sif true
		# shellcheck disable=SC2086
		unlocked_is_said 1 0 limited $size $build small
		# A base with a key, for an image with another and for one without.
		# shellcheck disable=SC2086
		unlocked_is_said 1 0 limited $size $build said.sif
		unlocked_is_said 1 0 limited $size coffer build --force new.sif said.sif
	done
	# Before it is known what comes of the key.
	APPTAINER_ENCRYPTION_PASSPHRASE=another unlocked_is_said 1 255 limited 0 coffer exec said.sif true
	rm said.sif new.sif
}
