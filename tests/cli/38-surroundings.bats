#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits and file systems as the machines of a site have them: small limits on the size of files, scratch
# space that is mounted noexec, file systems that keep no owners.

load helper

setup_file() {
	make_work
	make_tree tree
	head -c 200000 /dev/urandom >tree/etc/noise
	coffer -q build plain.sif tree
	for kind in luks2 gocryptfs; do
		echo secret | cheaply coffer -q build --encryption=$kind --passphrase $kind.sif tree
	done
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\n    true\n' "$WORK/tree" >d.def
	mksquashfs tree owned.sqfs -quiet -no-progress -p 'etc/shadow f 640 0 42 echo x' >/dev/null
}
teardown_file() {
	fusermount3 -u "$WORK/mounted" 2>/dev/null || true
	drop_work
}
setup() { cd "$WORK"; rm -rf out.sif sandbox; }

limited() { # KIB COMMAND...
	local limit=$1
	shift
	(ulimit -f "$limit" && exec "$@")
}

@test "a small limit on the size of files keeps no image from running" {
	local limit
	for limit in 1 16 64; do
		[ "$(limited $limit coffer exec plain.sif echo started)" = started ]
		[ "$(echo secret | limited $limit coffer exec --passphrase gocryptfs.sif echo started)" = started ]
	done
	# A header that is unlocked with Argon2 takes more; then that is said.
	echo secret >passphrase
	run --separate-stderr limited 1 coffer exec --key-fd 3 luks2.sif true 3<passphrase
	refused 255 "file too large"
	err_has "ulimit -f"
	limited 33000 coffer exec --key-fd 3 luks2.sif true 3<passphrase
	# The payload has the limit and the signal as its caller has them.
	run limited 1 coffer exec --bind "$WORK" plain.sif sh -c "head -c 5000 /bin/busybox >$WORK/large; echo \$?"
	[ "${lines[-1]}" -eq 153 ]
	rm large
	trap '' XFSZ
	run limited 1 coffer exec --bind "$WORK" plain.sif sh -c "head -c 5000 /bin/busybox >$WORK/large; echo \$?"
	[ "${lines[-1]}" -eq 1 ]
	rm large
}
@test "a small limit on the size of files keeps the server's keys out of hidden memory, which -v tells" {
	local told='Keys are kept in locked memory, and not hidden from the kernel: File too large (ulimit -f)'
	echo secret >passphrase
	run -0 --separate-stderr limited 1 coffer -v exec --key-fd 3 gocryptfs.sif true 3<passphrase
	grep -qF "$told" <<<"$stderr"
	run -0 --separate-stderr limited 1 coffer exec --key-fd 3 gocryptfs.sif true 3<passphrase
	refute grep -qF "$told" <<<"$stderr"
	run -0 --separate-stderr coffer -v exec --key-fd 3 gocryptfs.sif true 3<passphrase
	refute grep -qF "$told" <<<"$stderr"
}
@test "a build that meets the limit on the size of files says so, and leaves nothing" {
	local limit
	for limit in 16 100; do
		run --separate-stderr limited $limit coffer build out.sif tree
		refused 255 "file too large"
		err_has "raise the limit of the size of files (ulimit -f)"
		[ ! -e out.sif ]
	done
}
@test "scratch space that is mounted noexec is named before anything is done" {
	local how=(unshare -m --propagation private)
	am_root || how=(unshare -Urm --propagation private)
	mkdir -p scratch
	printf 'Bootstrap: localimage\nFrom: %s\n%%pre\n    touch %s\n%%post\n    true\n' "$WORK/tree" "$WORK/begun" >pre.def
	run --separate-stderr "${how[@]}" sh -c 'mount -t tmpfs -o noexec scratch scratch && exec "$@"' sh \
		coffer build --tmpdir scratch out.sif pre.def
	refused 255 "scratch is on a file system that is mounted noexec"
	err_has "--tmpdir"
	[ ! -e begun ]
	[ ! -e out.sif ]
	# As the hint says.
	coffer -q build out.sif d.def
}
@test "a file system that keeps no owners is named, and --ignore-subuid goes on" {
	mkdir -p sealed mounted
	[ -e sealed/gocryptfs.conf ] || gocryptfs -q -init -extpass 'echo pw' sealed
	gocryptfs -q -extpass 'echo pw' sealed mounted
	run --separate-stderr coffer build --sandbox mounted/sandbox owned.sqfs
	if ! am_root && have_subids; then
		refused 255 "operation not permitted"
		err_has "this file system keeps no owners of other numbers"
		# As the hint says.
		run -0 coffer build --ignore-subuid --sandbox mounted/other owned.sqfs
	else
		[ "$status" -eq 0 ]
	fi
	fusermount3 -u mounted
}
