#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Memory, processes and descriptors that run out: it works or says why it does not, it never hangs,
# and nothing is left.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	ln -sf busybox tree/bin/dd
	head -c 4000000 /dev/urandom >tree/noise
	coffer -q build plain.sif tree
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	chmod -R a+rX "$WORK"
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	MOUNTS=$(cat /proc/self/mountinfo)
	ls -A >before
}
teardown() {
	local status=0
	no_processes || status=1
	drop_group
	no_new_mounts && ls -A | diff before - && return $status
}

every_image=(plain luks2 gocryptfs)

# It works, or fails with a cause; a signal does not end it. `also`: what the loader or the shell in
# the container end with where the limit meets them.
works_or_says() { # COMMAND...
	local status=0
	"$@" >said 2>&1 || status=$?
	if [ "$status" -eq 0 ]; then
		grep -qx 'all is well' said || { echo "status 0: $(cat said)"; return 1; }
		worked=$((worked + 1))
	else
		{ [ "$status" -eq 255 ] && grep -q '^FATAL: ' said; } || [[ " ${also:-} " = *" $status "* ]] ||
			{ echo "status $status of $*: $(cat said)"; return 1; }
		failed=$((failed + 1))
	fi
	rm -f said new.sif
}
begin() { worked=0 failed=0; }
both() { # Some limits let it work, some do not.
	echo "$worked worked, $failed failed"
	[ "$worked" -gt 0 ]
	[ "$failed" -gt 0 ]
}

@test "too few descriptors" {
	for options in "plain.sif" "--pid luks2.sif" "gocryptfs.sif"; do
		begin
		for n in $(seq 5 3 40); do
			also='2 127' works_or_says timeout 60 bash -c \
				"ulimit -n $n; exec coffer -s exec $(key_of "${options##* }") $options /bin/echo all is well"
		done
		both
	done
}

@test "too few descriptors for a build" {
	begin
	for n in $(seq 5 3 40); do
		also=127 works_or_says timeout 60 bash -c \
			"ulimit -n $n; coffer -s build --encryption=gocryptfs --pem-path=rsa_pub.pem new.sif tree && echo all is well"
	done
	both
}

@test "too few processes" {
	for options in "plain.sif" "--pid luks2.sif" "gocryptfs.sif"; do
		begin
		for n in $(seq 1 9); do
			make_group pids pids.max pids.max "$n"
			# shellcheck disable=SC2086 # words
			works_or_says in_group coffer -s exec $(key_of "${options##* }") $options /bin/echo all is well
			drop_group
		done
		both
	done
}

@test "too few processes for a build" {
	begin
	for n in $(seq 2 10); do
		make_group pids pids.max pids.max "$n"
		works_or_says in_group sh -c 'coffer -s build --encryption=luks2 --pem-path=rsa_pub.pem new.sif tree && echo all is well'
		drop_group
	done
	both
}

@test "too little address space" {
	begin
	for image in "${every_image[@]}"; do
		for mib in 20 24 28 32 40 48 64 128 512; do
			# With less than its libraries need, it does not come to a word of its own.
			bash -c "ulimit -v $((mib * 1024)); exec coffer version" >/dev/null 2>&1 || continue
			also=127 works_or_says timeout 60 bash -c \
				"ulimit -v $((mib * 1024)); exec coffer -s exec $(key_of $image) $image.sif /bin/echo all is well"
		done
	done
	[ "$worked" -gt 0 ]
}

@test "a lack of memory is not taken for a wrong key or a damaged image" {
	failed=0
	for image in luks2 gocryptfs; do
		for kib in $(seq 8000 36 14000); do
			bash -c "ulimit -v $kib; exec coffer version" >/dev/null 2>&1 || continue
			! timeout 60 bash -c "ulimit -v $kib; exec coffer -s exec --pem-path=rsa_pri.pem $image.sif /bin/echo all is well" \
				>said 2>&1 || continue
			failed=$((failed + 1))
			if grep -iE 'decryption error|private key that|damaged|tampered|no key|JSON|install' said; then
				echo "with $kib KiB: $(cat said)"
				return 1
			fi
		done
	done
	rm -f said
	[ "$failed" -gt 20 ]
}

@test "no memory can be locked: it works" {
	for image in "${every_image[@]}"; do
		run -0 as_user bash -c "ulimit -l 0; exec coffer -s exec $(key_of $image) $image.sif /bin/echo all is well"
		[ "$output" = "all is well" ]
	done
}

@test "a payload that takes more memory than its group has is killed, alone" {
	for image in "${every_image[@]}"; do
		make_group memory memory.limit_in_bytes memory.max 64M
		# The child is killed; the shell, the command and the server go on.
		run --separate-stderr in_group coffer -s exec $(key_of $image) $image.sif \
			sh -c 'dd if=/dev/zero of=/dev/null bs=100M count=1; echo "status $?"; md5sum </noise'
		[ "$status" -eq 0 ]
		[ "${lines[0]}" = "status 137" ]
		[ "${lines[1]}" = "$(md5sum <tree/noise)" ]
		drop_group
	done
}

@test "a server that the kernel kills for memory ends the container with a word about it" {
	for image in luks2 gocryptfs; do
		# Just about enough to start in.
		make_group memory memory.limit_in_bytes memory.max 64M
		run --separate-stderr in_group bash -c '
			coffer -s exec --pem-path=rsa_pri.pem '$image'.sif sh -c "echo >ready; exec sleep 30" &
			while [ ! -e ready ]; do sleep 0.05; done
			echo 1000 >/proc/$(pgrep -P $! "^coffer-image")/oom_score_adj
			head -c 100M /dev/zero | tail -n 1 >/dev/null 2>&1
			wait $!; status=$?; rm ready; exit $status'
		echo "$status: $stderr"
		[ "$status" -eq 255 ]
		err_has "the process that serves the image was killed by signal 9"
		err_has "look for a memory limit or an out-of-memory kill"
		drop_group
	done
}

@test "a build that takes more memory than its group has says how to go on" {
	mkdir large
	head -c 220M /dev/urandom >large/noise
	# A folder alone would be packed where it lies.
	printf 'Bootstrap: localimage\nFrom: large\n%%setup\n\ttrue\n' >large/def
	make_group memory memory.limit_in_bytes memory.max 200M
	run --separate-stderr in_group coffer build new.sif large/def
	rm -r large
	refused 255 "o space left on device"
	err_has "the container does not fit into memory: let it lie on disk while it is built with --tmpdir DIR"
	[ ! -e new.sif ]
}
