#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Disks that are full, over a quota, or read-only.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	cp -r tree larger
	head -c 6000000 /dev/urandom >larger/noise
	mkdir -m 1777 said
	printf 'Bootstrap: localimage\nFrom: %s/larger\n%%setup\n\techo begun >>%s/said/begun\n' "$WORK" "$WORK" >larger.def
	chmod -R a+rX "$WORK"
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	mkdir -p disk
	rm -f said/begun
}
teardown() {
	! mountpoint -q disk || umount disk
	no_processes
}

disk() { # OPTIONS
	mount -t tmpfs -o "mode=1777,$1" tmpfs disk
}
kinds() { printf '%s\n' "" "--encryption=luks2 --pem-path=rsa_pub.pem" "--encryption=gocryptfs --pem-path=rsa_pub.pem"; }

@test "a disk that is full from the start is found before anything is done" {
	disk size=64k
	run --separate-stderr coffer build disk/new.sif larger.def
	refused 255 "o space left on device"
	[ ! -e said/begun ]
	[ "$(ls -A disk)" = "" ]
}

@test "a disk that fills up: no new file, the old one as it was" {
	while read -r options; do
		disk size=5m
		cp plain.sif disk/old.sif
		# shellcheck disable=SC2086 # words
		run --separate-stderr coffer build $options disk/new.sif larger.def
		refused 255 "o space left on device"
		# shellcheck disable=SC2086 # words
		run --separate-stderr coffer build --force $options disk/old.sif larger.def
		refused 255 "o space left on device"
		[ "$(ls -A disk)" = "old.sif" ]
		cmp plain.sif disk/old.sif
		# All of its space is there again.
		[ "$(df --output=used disk | tail -1)" -eq "$(du -k disk/old.sif | cut -f1)" ]
		umount disk
	done < <(kinds)
}

@test "a quota that is used up: no new file, the old one as it was" {
	# Neither tmpfs nor ext4 has quotas on each kernel.
	truncate -s 200M btrfs.img
	mkfs.btrfs -q btrfs.img 2>/dev/null
	mount -o loop btrfs.img disk
	btrfs quota enable disk
	btrfs -q subvolume create disk/sub
	chmod 1777 disk/sub
	cp plain.sif disk/sub/old.sif
	sync
	btrfs qgroup limit 4M disk/sub
	while read -r options; do
		# shellcheck disable=SC2086 # words
		run --separate-stderr as_user coffer build $options disk/sub/new.sif larger
		refused 255 "uota exceeded"
		# shellcheck disable=SC2086 # words
		run --separate-stderr coffer build --force $options disk/sub/old.sif larger
		refused 255 "uota exceeded"
		[ "$(ls -A disk/sub)" = "old.sif" ]
		cmp plain.sif disk/sub/old.sif
	done < <(kinds)
}

@test "a limit on the size of files: no new file, and a word about it" {
	disk size=100m
	while read -r options; do
		# shellcheck disable=SC2016,SC2086 # words
		run --separate-stderr env --default-signal=XFSZ bash -c 'ulimit -f 2048; coffer build "$@"' - $options disk/new.sif larger.def
		refused 255 "ile too large"
		[ "$(ls -A disk)" = "" ]
	done < <(kinds)
}

@test "a tree that does not fit on the disk of --tmpdir is removed from it" {
	disk size=3m
	run --separate-stderr coffer build --tmpdir disk new.sif larger.def
	refused 255 "o space left on device"
	err_has "--tmpdir"
	[ "$(ls -A disk)" = "" ]
	[ ! -e new.sif ]
}

@test "a read-only disk is found before anything is done, and images on it run" {
	disk size=20m
	cp plain.sif gocryptfs.sif luks2.sif disk
	mount -o remount,ro disk
	run --separate-stderr coffer build disk/new.sif larger.def
	refused 255 "ead-only file system"
	run --separate-stderr coffer build --force disk/plain.sif larger.def
	refused 255 "ead-only file system"
	[ ! -e said/begun ]
	for image in plain luks2 gocryptfs; do
		# shellcheck disable=SC2046 # one word or none
		run -0 coffer -s exec $(key_of $image) disk/$image.sif cat /etc/post.txt
		[ "$output" = "made in post" ]
	done
}

@test "a folder that is another's is found before anything is done" {
	disk mode=0755
	run --separate-stderr as_user coffer build disk/new.sif larger.def
	refused 255 "ermission denied"
	[ ! -e said/begun ]
}

@test "containers run where every folder for temporary files is full" {
	# shellcheck disable=SC2016
	run -0 unshare --mount bash -c '
		for d in /tmp /run /dev/shm; do mount -t tmpfs -o size=4k tmpfs $d; head -c 4096 /dev/zero >$d/full; done
		for image in plain luks2 gocryptfs; do
			key=--pem-path=rsa_pri.pem
			[ $image != plain ] || key=
			coffer -s exec $key $image.sif cat /etc/post.txt || exit
			coffer -s exec --containall --writable-tmpfs $key $image.sif cat /etc/post.txt || exit
		done'
	[ "$(sort -u <<<"$output")" = "made in post" ]
	[ "$(wc -l <<<"$output")" -eq 6 ]
}
