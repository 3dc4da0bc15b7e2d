#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Very many at once.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	for i in $(seq 20); do head -c 100000 /dev/urandom >tree/noise$i; done
	(cd tree && md5sum noise*) >sums
	cp sums tree/sums
	coffer -q build plain.sif tree
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }
teardown() { no_processes; }

@test "200 containers of one image at once, all alive together" {
	for image in luks2 gocryptfs; do
		rm -f ready.* go
		pids=()
		for i in $(seq 200); do
			# Each waits for the last one.
			coffer -s exec --pem-path=rsa_pri.pem -B "$WORK" $image.sif sh -c "
				cd $WORK; echo >ready.$i
				while [ ! -e go ]; do sleep 0.5; done
				cd / && md5sum -c sums >/dev/null && exit 7" >said.$i 2>&1 3>&- &
			pids+=($!)
		done
		for i in $(seq 1200); do
			[ "$(ls ready.* 2>/dev/null | wc -l)" -lt 200 ] || break
			sleep 0.1
		done
		[ "$(ls ready.* | wc -l)" -eq 200 ]
		[ "$(pgrep -c coffer-image)" -eq 200 ]
		echo >go
		for i in $(seq 200); do
			status=0
			wait "${pids[i - 1]}" || status=$?
			[ "$status" -eq 7 ] || { echo "$i: status $status: $(cat said.$i)"; false; }
		done
	done
}

@test "one container with 500 processes that read" {
	for image in plain luks2 gocryptfs; do
		# shellcheck disable=SC2046 # one word or none
		run -0 coffer -s exec $(key_of $image) $image.sif sh -c '
			cd /
			for i in $(seq 500 2>/dev/null || busybox seq 500); do
				{ busybox md5sum -c sums >/dev/null || echo "$i: wrong"; } &
			done
			wait
			echo all'
		[ "$output" = all ]
	done
}
