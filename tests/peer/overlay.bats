#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# overlay create: the same command lines on both sides, as sif.bats; and each side reads the other's.

bats_require_minimum_version 1.5.0
load lines

setup_file() {
	[ "$(id -u)" -eq 0 ] || { echo "run me as root" >&2; return 1; }
	"$BATS_TEST_DIRNAME/setup" >&2
	export X=/var/tmp/coffer-exchange-overlay
	rm -rf $X
	mkdir -p $X/here $X/there
	for side in here there; do
		echo text >$X/$side/text
		cp "$COFFER_FIXTURES"/gocryptfs-pass.sif "$COFFER_FIXTURES"/plain.sif $X/$side
	done
	chmod -R a+rwX $X/here $X/there
	chmod 0777 $X
}

teardown_file() {
	rm -rf /var/tmp/coffer-exchange-overlay
}

# The folders with modes and owners, where 1 is who has made it.
layout() { # FILE USER
	local folder
	for folder in / /upper /upper/a /work; do
		echo "$folder"
		debugfs -R "ls -l $folder" "$1" 2>/dev/null | awk -v me="$(id -u "$2")" \
			'NF { print $2, $4 == me ? 1 : $4, $5 == me ? 1 : $5, $9 }' | sort
	done
}
peers_id() { sed -n 's/^peer:[^:]*:\([0-9]*\):.*/\1/p' /var/lib/coffer-peer/etc/passwd; }

@test "the same words, statuses and layouts" {
	both '
		overlay create a.img
		overlay create a.img
		overlay create --fakeroot --sparse --size 65 root.img
		overlay create --create-dir /a/b,c --create-dir d dirs.img
		overlay create --size 63 b.img
		overlay create text
		overlay create .
		overlay create plain.sif
		overlay create plain.sif
		sif list plain.sif
		sif info 4 plain.sif
	'
	for f in a root dirs; do
		diff <(layout $X/there/$f.img "$(peers_id)") <(layout $X/here/$f.img coffer-test)
		[ "$(stat -c '%a %s' $X/there/$f.img)" = "$(stat -c '%a %s' $X/here/$f.img)" ]
		diff <(dumpe2fs -h $X/there/$f.img 2>/dev/null | grep -E '^(Filesystem features|Block|Inode count)') \
			<(dumpe2fs -h $X/here/$f.img 2>/dev/null | grep -E '^(Filesystem features|Block|Inode count)')
	done
}

@test "each side reads what the other made" {
	chmod 0666 $X/here/*.img $X/there/*.img
	# The peer writes to ours, by --overlay.
	chmod 0666 /dev/fuse
	cp $X/here/root.img $X/there/ours.img
	chmod 0666 $X/there/ours.img
	there 'apptainer exec --fakeroot --overlay ours.img plain.sif sh -c "echo kept >/by-the-peer" && e2fsck -fn ours.img >/dev/null'
	cp $X/there/ours.img $X/here/back.img
	chmod 0666 $X/here/back.img
	[ "$(here "$COFFER -q exec --overlay back.img:ro plain.sif cat /by-the-peer")" = kept ]
	# Its own is ours to read, and a partition of a SIF.
	[ "$(here "$COFFER -q exec --overlay ../there/dirs.img:ro plain.sif sh -c 'echo /a/* /d'")" = '/a/b /d' ]
	[ "$(there "apptainer -q exec --overlay ../here/dirs.img:ro plain.sif sh -c 'echo /a/* /d'")" = '/a/b /d' ]
	[ "$(there 'apptainer -q exec ../here/plain.sif echo in')" = in ]
}
