#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ext3 images above the image that is run, and bound into it (spec runtime.md 9, 10), by fuse2fs.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	mkdir -p tree/data/deep tree/low
	echo one >tree/data/one
	echo two >tree/data/deep/two
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	# One that was written to as an overlay, and one with data.
	mkdir -p over/upper/data over/work data/sub data/upper2
	echo over | tee over/upper/data/one >over/upper/new
	echo here >data/sub/here
	ln -s /etc/passwd data/absolute
	ln -s ../../../etc/passwd data/relative
	head -c 3000000 /dev/urandom >data/noise
	mkfs.ext3 -q -d over over.img 16M
	mkfs.ext3 -q -d data data.img 16M
	cp data.img write.img
	with_partition plain.sif overlaid.sif 2 4 over.img
	chmod 0777 .
}
teardown_file() { drop_work; }
setup() { cd "$WORK" && cp write.img w.img; }
teardown() {
	# Of a test that failed, the container that waits.
	[ -z "${command:-}" ] || kill -9 "$command" 2>/dev/null || true
	cd "$WORK" && rm -f w.img up
}

key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
sound() { e2fsck -fn "$1" >fsck 2>&1 || { cat fsck; return 1; }; }
@test "an ext3 overlay is read, over every kind of image" {
	local image
	for image in plain.sif luks2.sif gocryptfs.sif; do
		# shellcheck disable=SC2046
		run --separate-stderr coffer exec $(key_of "$image") --overlay over.img:ro "$image" \
			sh -c 'cat /data/one /data/deep/two /new; ls -d /upper; echo x >/x'
		[ "$status" -eq 1 ]
		[ "$output" = $'over\ntwo\nover' ]
		err_has "can't create /x: Read-only file system"
	done
	# Without a folder upper it is the tree itself.
	run -0 --separate-stderr coffer exec --overlay data.img:ro --overlay over.img:ro plain.sif cat /sub/here /new
	[ "$output" = $'here\nover' ]
	run -0 --separate-stderr coffer exec --writable-tmpfs --overlay over.img:ro plain.sif sh -c 'rm /new; echo y >/data/one; ls /; cat /data/one'
	[[ "$output" != *new* && "$output" == *y ]]
}

@test "that a container cannot write to one above the image is said, with what to do" {
	run --separate-stderr coffer exec --overlay over.img plain.sif true
	refused 255 "while loading overlay images: $WORK/over.img is an ext3 image, to which coffer does not let a container write"
	err_has "append ':ro'"
}

@test "what fuse-overlayfs has deleted in one is said to show again" {
	mkdir -p marked/upper/data marked/work
	: >marked/upper/data/.wh.one
	mkfs.ext3 -q -d marked marked.img 16M
	run -0 --separate-stderr coffer exec --overlay marked.img:ro plain.sif cat /data/one
	[ "$output" = one ]
	err_has "Overlay $WORK/marked.img was written to by fuse-overlayfs (Apptainer): what was deleted in it shows again"
	run -0 --separate-stderr coffer exec --overlay marked plain.sif true
	err_has "Overlay $WORK/marked was written to by fuse-overlayfs"
	# Each start waits for that look: it goes no deeper, and a folder is no mark.
	mkdir -p large/upper/data/.wh.folder large/upper/data/deep large/work
	: >large/upper/data/deep/.wh.two
	run -0 --separate-stderr coffer exec --overlay large plain.sif true
	[ -z "$stderr" ]
	run -0 --separate-stderr coffer exec --overlay over.img:ro plain.sif true
	[ -z "$stderr" ]
}

@test "an overlay partition of a SIF, of its own and of another's" {
	run -0 --separate-stderr coffer exec overlaid.sif cat /data/one
	[ "$output" = over ]
	run -0 --separate-stderr coffer exec --overlay overlaid.sif:ro plain.sif cat /new
	[ "$output" = over ]
}

@test "a part is bound and written to, and the image is sound after that" {
	run -0 --separate-stderr coffer exec -B w.img:/low:image-src=/sub plain.sif \
		sh -c 'cat /low/here; echo kept >/low/new; mkdir /low/dir; mv /low/here /low/dir/there'
	[ "$output" = here ]
	[ -z "$stderr" ]
	sound w.img
	run -0 --separate-stderr coffer exec -B w.img:/low:image-src=/sub,ro plain.sif cat /low/new /low/dir/there
	[ "$output" = $'kept\nhere' ]
	run -0 --separate-stderr coffer exec -B w.img:/low:image-src=/ plain.sif md5sum /low/noise
	[ "${output%% *}" = "$(md5sum <data/noise | cut -d' ' -f1)" ]
	run --separate-stderr coffer exec -B w.img:/low:image-src=/,ro plain.sif sh -c 'echo x >/low/x'
	[ "$status" -eq 1 ]
	err_has "can't create /low/x: Read-only file system"
	chmod 0444 w.img
	am_root || {
		run -1 --separate-stderr coffer exec -B w.img:/low:image-src=/ plain.sif sh -c 'echo x >/low/x'
		err_has "Data image $WORK/w.img is not writable, proceeding with read-only"
	}
	chmod 0644 w.img
}

@test "no link in it leads out of it" {
	local source
	for source in /absolute /relative /../../../../etc/passwd; do
		run --separate-stderr coffer exec -B "data.img:/low:image-src=$source,ro" plain.sif true
		refused 255 "$source doesn't exist in image $WORK/data.img"
	done
}

@test "one that is written to is nobody else's meanwhile" {
	run --separate-stderr coffer exec -B w.img:/a:image-src=/ -B w.img:/b:image-src=/ plain.sif true
	refused 255 "while locking ext3 partition from $WORK/w.img: can't open $WORK/w.img for writing, currently in use by another process"
	run --separate-stderr coffer exec -B w.img:/a:image-src=/,ro -B w.img:/b:image-src=/ plain.sif true
	refused 255 "can't open $WORK/w.img for writing"
	run --separate-stderr coffer exec -B w.img:/a:image-src=/ -B w.img:/b:image-src=/,ro plain.sif true
	refused 255 "can't open $WORK/w.img for reading, currently in use for writing by another process"
	run -0 --separate-stderr coffer exec -B w.img:/a:image-src=/,ro -B w.img:/b:image-src=/,ro plain.sif true
}

@test "with --fakeroot, --userns, --pid and --no-init" {
	local option
	chmod 0666 w.img
	for option in --fakeroot --userns '--pid --no-init'; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer exec $option --overlay over.img:ro -B w.img:/low:image-src=/sub,ro plain.sif cat /new /low/here
		[ "$output" = $'over\nhere' ]
	done
}

@test "what is damaged is refused by name" {
	head -c 2000 data.img >w.img
	run --separate-stderr coffer exec --overlay w.img:ro plain.sif true
	[ "$status" -eq 255 ]
	err_has w.img
	# Larger than the file.
	head -c 8M data.img >w.img
	run --separate-stderr coffer exec --overlay w.img:ro plain.sif true
	refused 255 'its ext file system is larger than its place'
	# Descriptors of block groups that make no sense.
	cp data.img w.img
	head -c 3000 /dev/urandom | dd of=w.img bs=1 seek=1100 conv=notrunc status=none
	run --separate-stderr coffer exec --overlay w.img:ro plain.sif true
	[ "$status" -eq 255 ]
	err_has w.img
}

@test "without the program its package is named" {
	am_root || return 0
	# shellcheck disable=SC2016
	run --separate-stderr unshare -m sh -c 'mount --bind /dev/null "$(command -v fuse2fs)" &&
		exec coffer exec --overlay over.img:ro plain.sif true'
	refused 255 'fuse2fs, which reads ext3 images, is not installed'
	err_has 'as root: apt-get install fuse2fs'
}

@test "the program is in a cell, with the image and no other file of anybody's" {
	local program i
	coffer exec --pid -B w.img:/low:image-src=/ -B "$WORK:/w" plain.sif sh -c 'touch /w/up; sleep 300' 2>err 3>&- &
	command=$!
	for i in $(seq 100); do [ ! -e up ] || break; sleep 0.1; done
	program=$(pgrep -P "$command" -x fuse2fs)
	grep -qx $'Seccomp:\t2' "/proc/$program/status"
	grep -qx $'NoNewPrivs:\t1' "/proc/$program/status"
	grep -qx $'CapEff:\t0000000000000000' "/proc/$program/status"
	grep -qx $'CapBnd:\t0000000000000000' "/proc/$program/status"
	[ "$(ls -A "/proc/$program/root/")" = $'bin\ndev\nimage\nlib\nlib64\nmnt\nusr' ]
	[ "$(ls -A "/proc/$program/root/usr")" = $'lib\nlib64' ]
	[ "$(ls -A "/proc/$program/root/dev")" = $'fuse\nnull' ]
	for i in user mnt pid net ipc uts; do
		[ "$(readlink "/proc/$program/ns/$i")" != "$(readlink "/proc/self/ns/$i")" ]
	done
	# It has the image, /dev/null, /dev/fuse and a pipe, and nothing else.
	for i in "/proc/$program/fd"/*; do readlink "$i"; done |
		grep -v -e '^/dev/null$' -e 'fuse$' -e '^/image$' -e '^pipe:' -e 'w\.img$' >others || true
	cat others
	[ ! -s others ]
	kill -9 "$command"
	wait "$command" || true
	all_gone "$program"
	sound w.img
	rm -f up
}

@test "the death of the program ends the container" {
	local program i status=0
	coffer exec --pid -B w.img:/low:image-src=/ -B "$WORK:/w" plain.sif sh -c 'touch /w/up; sleep 300' 2>err 3>&- &
	command=$!
	for i in $(seq 100); do [ ! -e up ] || break; sleep 0.1; done
	program=$(pgrep -P "$command" -x fuse2fs)
	kill -9 "$program"
	wait "$command" || status=$?
	[ "$status" -eq 255 ]
	grep -q 'was killed by signal 9: the container was ended' err
	all_gone "$program"
	rm -f up
}

@test "the site is asked for them, too" {
	am_root || return 0
	echo 'allow container extfs = no' >no.conf
	run --separate-stderr coffer --config no.conf exec --overlay over.img:ro plain.sif true
	refused 255 'configuration disallows users from running extFS containers'
	run --separate-stderr coffer --config no.conf exec -B data.img:/a:image-src=/ plain.sif true
	refused 255 'configuration disallows users from running extFS containers'
}
