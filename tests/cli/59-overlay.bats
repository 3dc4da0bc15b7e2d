#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Folders above the image, which keep what the container changes: --overlay (spec runtime.md 9).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	ln -sf busybox tree/bin/touch
	ln -sf busybox tree/bin/rmdir
	ln -sf busybox tree/bin/ln
	mkdir -p tree/data/deep tree/many tree/shut
	echo one >tree/data/one
	echo two >tree/data/deep/two
	touch tree/many/{1..300}
	ln -s data/one tree/led
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --sandbox box plain.sif
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	# What is root inside is a stranger to root's folders.
	chmod 0777 .
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	mkdir over low high
}
teardown() { cd "$WORK" && chmod -R u+rwX over low high && rm -rf over low high other; }

every_image=(plain.sif luks2.sif gocryptfs.sif box)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
# In an image, with the overlay `over`.
over() { run -0 --separate-stderr coffer exec --overlay over plain.sif "$@"; }
whiteout() { [ -c "$1" ] && [ "$(stat -c %t,%T "$1")" = 0,0 ]; }

@test "an empty folder gets upper and work, and keeps what is written, over every kind of image" {
	local image
	for image in "${every_image[@]}"; do
		# shellcheck disable=SC2046
		run -0 --separate-stderr coffer exec $(key_of "$image") --overlay over "$image" \
			sh -c 'echo kept >/new; echo more >>/data/one'
		[ "$(ls over)" = $'upper\nwork' ]
		[ "$(stat -c '%a %u' over/upper)" = "755 $(id -u)" ]
		[ "$(cat over/upper/new over/upper/data/one)" = $'kept\none\nmore' ]
		# shellcheck disable=SC2046
		run -0 --separate-stderr coffer exec $(key_of "$image") --overlay over "$image" cat /new /data/one
		[ "$output" = $'kept\none\nmore' ]
		# shellcheck disable=SC2046
		run -0 --separate-stderr coffer exec $(key_of "$image") "$image" cat /data/one
		[ "$output" = one ]
		chmod -R u+rwX over
		rm -r over/upper over/work
	done
	[ "$(cat box/data/one)" = one ]
}

@test "an encrypted image with an overlay that is not is warned of once" {
	local image
	for image in luks2.sif gocryptfs.sif; do
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem --overlay over $image true
		[ "$(grep -c "WARNING: .*$image is encrypted, and the overlay $WORK/over is not" <<<"$stderr")" -eq 1 ]
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem --overlay over:ro $image true
		[[ "$stderr" != *'is encrypted'* ]]
	done
	over true
	[ -z "$stderr" ]
}

@test "what is deleted stays deleted, and can be made anew" {
	over sh -c 'rm /data/one; rm -r /data/deep'
	whiteout over/upper/data/one
	whiteout over/upper/data/deep
	over sh -c 'ls /data; echo new >/data/one; mkdir /data/deep'
	[ -z "$output" ]
	over sh -c 'cat /data/one; ls /data/deep'
	# A folder made in the place of another hides what that has.
	[ "$output" = new ]
	run -0 --separate-stderr coffer exec --overlay over:ro plain.sif sh -c 'cat /data/one; ls /data/deep'
	[ "$output" = new ]
}

@test "the image's folders and links are renamed, and its links replaced" {
	over sh -c 'mv /data /moved && mv /led /led2 && ln -s /moved/deep /data'
	over sh -c 'cat /moved/one /data/two; test -L /led || test -L /led2 && echo /led2'
	[ "$output" = $'one\ntwo\n/led2' ]
	[ -L over/upper/data ]
}

@test "modes, times and many files" {
	over sh -c 'chmod 0700 /data/deep; touch -d @1000000000 /data/one; rm /many/*; i=0
		while [ $i -lt 400 ]; do echo $i >/many/n$i; i=$((i + 1)); done'
	over sh -c 'stat -c %a /data/deep; stat -c %Y /data/one; ls /many | wc -l; cat /many/n399'
	[ "$output" = $'700\n1000000000\n400\n399' ]
}

@test ":ro refuses writes, and is a tree of its own or what was written once" {
	echo low >low/plain-tree
	mkdir low/data
	echo other >low/data/one
	run --separate-stderr coffer exec --overlay low:ro plain.sif sh -c 'cat /plain-tree /data/one /data/deep/two; echo x >/new'
	[ "$status" -eq 1 ]
	[ "$output" = $'low\nother\ntwo' ]
	err_has "can't create /new: Read-only file system"
	[ "$(ls low)" = $'data\nplain-tree' ]
	over sh -c 'echo up >/up'
	run --separate-stderr coffer exec --overlay over:ro plain.sif sh -c 'cat /up; ls /upper /work 2>&1; rm /up'
	[ "$status" -eq 1 ]
	[[ "$output" == $'up\n'*'/upper: No such file'* ]]
	[ -e over/upper/up ]
	run -0 --separate-stderr coffer exec --overlay high:ro plain.sif cat /data/one
	[ "$output" = one ]
	[ -z "$(ls -A high)" ]
}

@test "several: the last one lies uppermost, and one is written to" {
	echo low | tee low/both >low/low
	echo high | tee high/both >high/high
	for list in "--overlay low:ro --overlay high:ro --overlay over" "--overlay low:ro,high:ro,over"; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer exec $list plain.sif sh -c 'cat /both /low /high; echo over >/both; cat /both'
		[ "$output" = $'high\nlow\nhigh\nover' ]
		[ "$(cat low/both high/both over/upper/both)" = $'low\nhigh\nover' ]
		rm over/upper/both
	done
	run -0 --separate-stderr coffer exec --overlay high:ro,low:ro plain.sif cat /both
	[ "$output" = low ]
	# As with the peer the upper layer is uppermost, wherever it is named.
	run -0 --separate-stderr coffer exec --overlay over --overlay low:ro plain.sif sh -c 'echo x >/both; cat /both'
	[ "$output" = x ]
	local many=
	for i in $(seq 17); do many=$many,low:ro; done
	run --separate-stderr coffer exec --overlay "${many#,}" plain.sif true
	refused 255 'there are more than 16'
}

@test "at most one is written to" {
	run --separate-stderr coffer exec --overlay over --overlay low plain.sif true
	refused 255 "while loading overlay images: you can't specify more than one writable overlay, $WORK/over contains a writable overlay, requires to use '--overlay $WORK/low:ro'"
	run --separate-stderr coffer exec --overlay over,over plain.sif true
	refused 255 "requires to use '--overlay $WORK/over:ro'"
	[ -z "$(ls -A over low)" ] || ls -A over low | grep -v :
}

@test "with --writable-tmpfs and --writable" {
	run --separate-stderr coffer exec --writable-tmpfs --overlay over plain.sif true
	refused 255 "while loading overlay images: you can't specify --writable-tmpfs with another writable overlay image ($WORK/over)"
	run --separate-stderr coffer exec --compat --overlay over plain.sif true
	refused 255 "you can't specify --writable-tmpfs"
	run --separate-stderr coffer exec --writable --overlay over box true
	refused 255 'cannot use --overlay in conjunction with --writable'
	run --separate-stderr coffer exec --writable --overlay over:ro plain.sif true
	refused 255 'cannot use --overlay in conjunction with --writable'
	echo low >low/low
	run -0 --separate-stderr coffer exec --writable-tmpfs --overlay low:ro plain.sif sh -c 'echo x >>/low; cat /low'
	[ "$output" = $'low\nx' ]
	[ "$(cat low/low)" = low ]
}

@test "what it cannot be" {
	run --separate-stderr coffer exec --overlay nowhere plain.sif true
	refused 255 "while loading overlay images: failed to open overlay image nowhere: failed to retrieve path for nowhere: lstat $WORK/nowhere: no such file or directory"
	err_has "mkdir $WORK/nowhere"
	run --separate-stderr coffer exec --overlay nowhere:ro plain.sif true
	refused 255 'failed to open overlay image nowhere'
	for words in over:rx :ro over:ro:ro; do
		run --separate-stderr coffer exec --overlay "$words" plain.sif true
		refused 255 "$words is not understood"
	done
	run --separate-stderr coffer exec --overlay image.def plain.sif true
	refused 255 'failed to open overlay image image.def: '
}

@test "upper and work are folders, not links, and no link leads out" {
	mkdir other
	for name in upper work; do
		ln -s ../other over/$name
		run --separate-stderr coffer exec --overlay over plain.sif touch /x
		refused 255 "setup of overlay upper dir failed: $WORK/over/$name is not a directory"
		rm -rf over/upper over/work
		echo file >over/$name
		run --separate-stderr coffer exec --overlay over plain.sif touch /x
		refused 255 "$WORK/over/$name is not a directory"
		rm -rf over/upper over/work
	done
	ln -s ../other over/upper
	run --separate-stderr coffer exec --overlay over:ro plain.sif true
	refused 255 "$WORK/over/upper is not a directory"
	rm over/upper
	[ -z "$(ls -A other)" ]
	# A link in it means what it would in the container.
	echo secret >other/secret
	mkdir over/upper
	ln -s "$WORK/other" over/upper/absolute
	ln -s ../../other over/upper/relative
	run -0 --separate-stderr coffer exec --no-mount tmp --no-mount cwd --no-home --overlay over plain.sif \
		sh -c 'ls /absolute /relative 2>&1; true'
	[[ "$output" != *secret* ]]
}

@test "a folder that cannot be written to says so" {
	if am_root; then
		# Root may write everywhere but where nobody may.
		run -0 --separate-stderr unshare -m sh -c "mount --bind over over && mount -o remount,bind,ro over &&
			exec coffer exec --overlay over plain.sif sh -c 'echo x 2>/dev/null >/x || echo no'"
		[ "$output" = no ]
		err_has "WARNING: Overlay image $WORK/over is not writable, proceeding with read-only"
		mkdir over/upper over/work
		chmod 0755 "$WORK" over/upper over/work
		run --separate-stderr setpriv --reuid 65533 --regid 65533 --clear-groups env HOME=/tmp \
			coffer exec --overlay over plain.sif true
		chmod 0777 "$WORK"
		refused 255 "$WORK/over/upper is not writable: permission denied"
	else
		run --separate-stderr coffer exec --overlay /usr plain.sif true
		refused 255 'setup of overlay upper dir failed: failed to create /usr/upper directory: mkdir /usr/upper: permission denied'
		err_has "append ':ro'"
		run -0 --separate-stderr coffer exec --overlay /usr:ro plain.sif test -d /share
	fi
}

@test "nothing is made before the image is known to open" {
	run -255 --separate-stderr coffer exec --pem-path=other_pri.pem --overlay over luks2.sif true
	[ -z "$(ls -A over)" ]
	run -255 --separate-stderr coffer exec --overlay over nowhere.sif true
	[ -z "$(ls -A over)" ]
}

@test "set-user-ID bits and devices in it have no effect" {
	over sh -c 'cp /bin/busybox /id; chmod 4755 /id; test -u /id'
	over grep ' / ' /proc/self/mounts
	[[ "$output" == *overlay*nosuid,nodev* ]]
	am_root || return 0
	mknod over/upper/null c 1 3
	chmod 0666 over/upper/null
	run -1 --separate-stderr coffer exec --overlay over plain.sif cat /null
	err_has 'Permission denied'
	mv over/upper low
	chmod 0755 low
	for id in '' --fakeroot; do
		run --separate-stderr coffer exec $id --overlay low:ro plain.sif cat /null
		[ "$status" -eq 1 ]
	done
}

@test "attributes in it lead the overlay nowhere" {
	mkdir -p low/upper/alias low/upper/data
	setfattr -n user.overlay.redirect -v /many low/upper/alias
	run coffer exec --overlay low:ro plain.sif sh -c 'ls /alias/1'
	[[ "$status" -eq 1 && "$output" == *'/alias/1: '* ]]
	am_root || return 0
	setfattr -n trusted.overlay.redirect -v /many low/upper/alias
	run coffer exec --overlay low:ro plain.sif sh -c 'ls /alias/1'
	[[ "$status" -eq 1 && "$output" == *'/alias/1: '* ]]
}

@test "--fakeroot: what root makes inside is one's own outside, or root's as root" {
	chmod 0700 over
	run -0 --separate-stderr coffer exec --fakeroot --overlay over plain.sif \
		sh -c 'echo r >/r; chmod 0600 /r; rm /data/one; mkdir /d; stat -c %u /r'
	[ "$output" = 0 ]
	[ "$(stat -c '%a %u' over/upper/r)" = "600 $(id -u)" ]
	run -0 --separate-stderr coffer exec --fakeroot --overlay over plain.sif sh -c 'cat /r; ls /data; echo more >>/r'
	[ "$output" = $'r\ndeep' ]
	[ "$(cat over/upper/r)" = $'r\nmore' ]
	am_root || { have_subids || return 0; }
	run -0 --separate-stderr coffer exec --fakeroot --overlay over plain.sif sh -c 'chown 7:8 /r'
	run -0 --separate-stderr coffer exec --fakeroot --overlay over plain.sif stat -c %u:%g /r
	[ "$output" = 7:8 ]
	# So that this user can remove it.
	coffer exec --fakeroot --overlay over plain.sif chown 0:0 /r
}

@test "--userns, --contain, --containall and --pid" {
	local option
	chmod 0777 over
	for option in --userns --contain --containall --pid; do
		run -0 --separate-stderr coffer exec $option --overlay over plain.sif sh -c "echo $option >>/new; cat /new"
		[ "${lines[-1]}" = "$option" ]
	done
	[ "$(wc -l <over/upper/new)" -eq 4 ]
}

@test "mount points that the image lacks, and binds into folders that were made" {
	mkdir other
	echo bound >other/x
	run -0 --separate-stderr coffer exec --overlay over -B "$WORK/other:/not/there" plain.sif cat /not/there/x
	[ "$output" = bound ]
	# They are not of the overlay's.
	[ ! -e over/upper/not ]
	over mkdir -p /made/here
	run -0 --separate-stderr coffer exec --overlay over -B "$WORK/other:/made/here" plain.sif cat /made/here/x
	[ "$output" = bound ]
	[ -z "$(ls -A over/upper/made/here)" ]
	run -0 --separate-stderr coffer exec --overlay low:ro -S /scr plain.sif sh -c 'echo x >/scr/x; cat /scr/x'
	[ "$output" = x ]
}

@test "the variables, and run, shell and test" {
	export APPTAINER_OVERLAY=over
	run -0 --separate-stderr coffer exec plain.sif sh -c 'echo v >/v'
	[ "$(cat over/upper/v)" = v ]
	unset APPTAINER_OVERLAY
	APPTAINER_OVERLAYIMAGE=over:ro run -0 --separate-stderr coffer exec plain.sif cat /v
	[ "$output" = v ]
	SINGULARITY_OVERLAY=over:ro run -0 --separate-stderr coffer exec plain.sif cat /v
	[ "$output" = v ]
	# The command line stands in their place.
	APPTAINER_OVERLAY=over run -1 --separate-stderr coffer exec --overlay low plain.sif cat /v
	run -0 --separate-stderr coffer run -o over plain.sif x
	[ "$output" = 'hello, args: x' ]
	over rm /etc/post.txt
	run -1 coffer test --overlay over plain.sif
	run -0 --separate-stderr coffer shell --overlay over plain.sif <<<'cat /v'
	[ "$output" = v ]
}

@test "a folder is what it was when the run was planned" {
	# By its own name, whatever the working folder is called by then.
	mkdir other
	cd other
	run -0 --separate-stderr coffer exec --overlay ../over "$WORK/plain.sif" sh -c 'echo x >/x'
	[ -e ../over/upper/x ]
	ln -s ../over link
	run -0 --separate-stderr coffer exec --overlay link "$WORK/plain.sif" cat /x
	[ "$output" = x ]
}

@test "an overlay of another image, and of a changed one" {
	over sh -c 'echo x >/data/one'
	run -0 --separate-stderr coffer exec --overlay over box cat /data/one /data/deep/two
	[ "$output" = $'x\ntwo' ]
}

@test "what a killed container leaves is taken up again" {
	run coffer exec --overlay over plain.sif sh -c 'echo x >/x; kill -9 $$'
	[ "$status" -eq 137 ]
	over cat /x
	[ "$output" = x ]
}

@test "a file system that cannot be an upper layer is named" {
	am_root || return 0
	mkdir other
	run --separate-stderr unshare -m sh -c 'mkdir -p high/u high/w && mount -t overlay -o lowerdir=low,upperdir=high/u,workdir=high/w o other &&
		exec coffer exec --overlay other plain.sif true'
	refused 255 "while creating the overlay that writes to $WORK/other"
	err_has 'not NFS, FUSE or another overlay'
}
