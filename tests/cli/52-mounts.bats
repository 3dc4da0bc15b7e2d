#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What of this machine a container sees, and where (spec runtime.md 6 to 10).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	mkdir -p tree/data/deep
	echo one >tree/data/deep/one
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem pem.sif plain.sif
	mkdir -p given/sub second
	echo given >given/file
	echo below >given/sub/file
	echo second >second/file
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

home() { getent passwd "$(id -u)" | cut -d: -f6; }
mounts='cut -d" " -f5 /proc/self/mountinfo'

@test "--bind: same place, another place, comma list, repeated" {
	run -0 --separate-stderr coffer exec --no-mount tmp,cwd -B "$WORK/given" plain.sif cat "$WORK/given/sub/file"
	[ "$output" = below ]
	run -0 coffer exec -B "$WORK/given:/a,$WORK/second:/b/c" plain.sif sh -c 'cat /a/file /b/c/file; echo $APPTAINER_BIND'
	[ "$output" = $'given\nsecond\n/a,/b/c' ]
	run -0 coffer exec -B "$WORK/given/file:/f" --bind "$WORK/second:/b" plain.sif cat /f /b/file
	[ "$output" = $'given\nsecond' ]
	run -0 coffer exec -B given:/a plain.sif cat /a/file
	[ "$output" = given ]
}

@test "--bind on what the image has, below a read-only root of every layer" {
	run -0 coffer exec --pem-path=rsa_pri.pem -B "$WORK/given:/etc/new/deep" pem.sif cat /etc/new/deep/file /etc/secret.txt
	[ "$output" = $'given\na marker that must stay hidden' ]
	run -0 coffer exec --pem-path=rsa_pri.pem -B "$WORK/given/file:/etc/secret.txt" pem.sif cat /etc/secret.txt
	[ "$output" = given ]
}

@test "--bind: ro" {
	run -1 --separate-stderr coffer exec -B "$WORK/given:/a:ro" plain.sif sh -c 'echo x >/a/new'
	err_has "can't create /a/new: Read-only file system"
	run -0 coffer exec -B "$WORK/given:/a:rw" plain.sif sh -c 'echo x >/a/new'
	[ "$(cat given/new)" = x ]
	rm given/new
	run -1 --separate-stderr coffer exec -B "$WORK/given:/a:ro" plain.sif sh -c 'echo x >/a/sub/new'
	err_has "Read-only file system"
	[ ! -e given/sub/new ]
}

@test "--bind: one inside another, whatever the order" {
	for binds in "$WORK/given:/a,$WORK/second:/a/sub" "$WORK/second:/a/sub,$WORK/given:/a"; do
		run -0 coffer exec -B "$binds" plain.sif cat /a/file /a/sub/file
		[ "$output" = $'given\nsecond' ]
	done
}

@test "--bind: what is refused" {
	run --separate-stderr coffer exec -B /nowhere plain.sif true
	refused 255 "FATAL:   container creation failed: mount hook function failure: mount /nowhere->/nowhere error: while mounting /nowhere: mount source /nowhere doesn't exist"
	run --separate-stderr coffer exec -B /etc:relative plain.sif true
	refused 255 "destination must be an absolute path"
	run --separate-stderr coffer exec -B /etc:/a:odd plain.sif true
	refused 255 "FATAL:   While setting bind mount configuration: while parsing bind path: while getting bind path: odd is not a valid bind option"
	run -0 --separate-stderr coffer exec -B "$WORK/given:/a,$WORK/second:/a" plain.sif cat /a/file
	err_has "WARNING: While bind mounting '$WORK/second:/a': destination is already in the mount point list"
	[ "$output" = given ]
	no_processes
}

@test "APPTAINER_BIND and APPTAINER_BINDPATH are added" {
	export APPTAINER_BIND=$WORK/second:/b APPTAINER_BINDPATH=$WORK/given/sub:/s
	run -0 coffer exec -B "$WORK/given:/a" plain.sif cat /a/file /b/file /s/file
	[ "$output" = $'given\nsecond\nbelow' ]
}

@test "--mount" {
	run -0 coffer exec --mount "type=bind,source=$WORK/given,destination=/a,ro" plain.sif cat /a/file
	[ "$output" = given ]
	run -1 --separate-stderr coffer exec --mount "src=$WORK/given,dst=/a,ro" plain.sif sh -c 'echo >/a/x'
	err_has "Read-only file system"
	run --separate-stderr coffer exec --mount "type=tmpfs,destination=/a" plain.sif true
	refused 255 "unsupported mount type \"tmpfs\", only 'bind' is supported"
	run --separate-stderr coffer exec --mount "src=/etc" plain.sif true
	refused 255 "mounts must specify a source and a destination"
}

@test "a link in the image does not lead a mount out of it" {
	cp -r tree links
	ln -s ../../../../../../etc links/up
	ln -s / links/top
	run -0 --separate-stderr coffer exec -B "$WORK/given:/up/new" links cat /etc/new/file
	[ "$output" = given ]
	[ ! -e /etc/new ]
	run -0 --separate-stderr coffer exec -B "$WORK/given:/top/new" links cat /new/file
	[ "$output" = given ]
}

@test "the default mounts, and --no-mount" {
	run -0 --separate-stderr coffer exec plain.sif sh -c "$mounts"
	for place in / /dev /proc /sys "$(home)" /tmp /var/tmp /etc/hosts /etc/resolv.conf /etc/passwd /etc/group; do
		[ -e "$place" ] || continue # a bare machine may have no /etc/hosts
		grep -qxF "$place" <<<"$output" || { echo "no $place"; false; }
	done
	for what in tmp home /etc/hosts; do
		run -0 --separate-stderr coffer exec --no-mount $what plain.sif sh -c "$mounts"
		case $what in tmp) place=/tmp ;; home) place=$(home) ;; *) place=$what ;; esac
		refute grep -qxF "$place" <<<"$output"
	done
	run -0 coffer exec --no-mount sys,proc plain.sif ls /proc /sys
	[ "$output" = $'/proc:\n\n/sys:' ]
	run -0 --separate-stderr coffer exec --no-mount odd plain.sif true
	err_has "WARNING: Ignoring unknown mount type 'odd'"
}

@test "mounts from the host are nosuid and nodev, the root nodev" {
	run -0 coffer exec -B "$WORK/given:/a" plain.sif \
		sh -c 'grep -e " / / " -e " /a " -e " /tmp " /proc/self/mountinfo | cut -d" " -f5,6'
	grep -q '^/ .*nodev' <<<"$output"
	grep -q '^/a .*nosuid,nodev' <<<"$output"
	grep -q '^/tmp .*nosuid,nodev' <<<"$output"
}

@test "a mount point that cannot be is said as such, with no word of overlays" {
	local long
	long=$(printf 'n%.0s' {1..256})
	run -255 --separate-stderr coffer -v exec -B "$WORK/given:/ok" -B "$WORK/given:/new/$long/y" plain.sif true
	refused 255 "destination /new/$long/y"
	refute grep -q overlay <<<"$stderr"
}

@test "an overlay lies above the image only where the root can be written" {
	root_type() { run -0 coffer exec "$@" sh -c 'grep "^[^ ]* / " /proc/mounts | tail -n 1 | cut -d" " -f3'; }
	for image in plain.sif "--pem-path=rsa_pri.pem pem.sif"; do
		# shellcheck disable=SC2086 # words
		root_type -B "$WORK/given:/new/place" $image
		[ "$output" = fuse.coffer ]
		# shellcheck disable=SC2086 # words
		root_type --writable-tmpfs -B "$WORK/given:/new/place" $image
		[ "$output" = overlay ]
	done
	# More places than the server takes in one call.
	binds=
	for i in $(seq 600); do binds=$binds,$WORK/given:/places/of-some-length-and-one-more/$i; done
	root_type -B "${binds#,}" plain.sif
	[ "$output" = overlay ]
	run -0 coffer exec -B "${binds#,}" plain.sif sh -c 'ls /places/of*/ | wc -l'
	[ "$output" -eq 600 ]
}

@test "a root that is somebody unknown's, and may not be listed" {
	mksquashfs tree unknown.squashfs -quiet -no-progress -force-uid 70000 -force-gid 70000 -root-mode 0711 >/dev/null
	for options in "" --fakeroot --userns; do
		run -0 --separate-stderr coffer exec $options -B "$WORK/given:/new" unknown.squashfs sh -c 'ls /new/'
		[ "$output" = "$(ls given)" ] || { echo "$options: $output"; false; }
	done
}

@test "the caller's mounts are untouched" {
	before=$(cat /proc/self/mountinfo)
	coffer exec --pem-path=rsa_pri.pem -B given:/a pem.sif true
	coffer exec --writable-tmpfs plain.sif true
	[ "$(cat /proc/self/mountinfo)" = "$before" ]
}

@test "--contain" {
	run -0 --separate-stderr coffer exec --contain plain.sif sh -c 'pwd; ls -A $HOME /tmp /var/tmp; touch $HOME/x /tmp/x /var/tmp/x'
	[ "${lines[0]}" = "$(home)" ]
	refute grep -q coffer-cli <<<"$output"
	[ ! -e /tmp/x ] && [ ! -e "$(home)/x" ]
	run -0 coffer exec --contain plain.sif ls /dev
	[ "$output" = $'fd\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero' ]
	run -0 coffer exec --contain plain.sif sh -c 'echo x >/dev/null; head -c 4 /dev/zero | wc -c; echo $APPTAINER_NAME'
	[ "$output" = $'4\nplain.sif' ]
	export MINE=1
	run -0 coffer exec --contain plain.sif sh -c 'echo $MINE'
	[ "$output" = 1 ]
}

@test "--contain: devices that are added can be opened, those that are there stay" {
	run -0 --separate-stderr coffer exec --contain -B /dev/full plain.sif sh -c 'echo x >/dev/full || echo full'
	[ "$output" = full ]
	[[ "$stderr" == *"o space left"* ]]
	run -0 --separate-stderr coffer exec --contain -B /dev/null plain.sif sh -c 'echo x >/dev/null && echo fine'
	[ "$output" = fine ]
	err_has 'WARNING: Skipping /dev/null bind mount: /dev/null is already mounted'
	run -0 coffer exec --contain -B /dev plain.sif sh -c 'head -c 4 /dev/urandom | wc -c; ls /dev/full'
	[ "$output" = $'4\n/dev/full' ]
	mkdir -p shm
	run -0 coffer exec --contain -B "$WORK/shm:/dev/shm" plain.sif sh -c 'echo x >/dev/shm/made'
	[ -s shm/made ]
	run -0 --separate-stderr coffer exec --contain -B /dev/zero:/dev/nothing plain.sif sh -c '[ ! -e /dev/nothing ]'
	err_has 'must be identical when binding to /dev'
}

@test "an image in which one folder for temporary files is a link to the other" {
	coffer -q build --sandbox linked plain.sif
	rm -rf linked/var/tmp
	ln -s ../tmp linked/var/tmp
	local mark
	mark=$(mktemp /tmp/coffer-mark.XXXXXX)
	run -0 --separate-stderr coffer exec --pwd / linked sh -c "ls $mark; $mounts | grep -cx /tmp"
	rm "$mark"
	[ "$output" = "$mark"$'\n1' ]
	[ -z "$stderr" ] || { echo "$stderr"; false; }
}

@test "--containall: PID and IPC namespaces and a clean environment as well" {
	export MINE=1
	run -0 --separate-stderr coffer exec --containall plain.sif \
		sh -c 'echo "<$MINE> $(cat /proc/1/comm)"; stat -Lc %i /proc/self/ns/ipc /proc/self/ns/pid'
	[ "${lines[0]}" = "<> appinit" ]
	[ "${lines[1]}" != "$(stat -Lc %i /proc/self/ns/ipc)" ]
	[ "${lines[2]}" != "$(stat -Lc %i /proc/self/ns/pid)" ]
}

@test "--no-home and --home" {
	cd /
	run -0 coffer exec --no-home "$WORK/plain.sif" sh -c "echo \$HOME; $mounts"
	[ "${lines[0]}" = "$(home)" ]
	refute grep -qxF "$(home)" <<<"${output#*$'\n'}"
	cd "$WORK"
	run -0 coffer exec --home "$WORK/given:/h" plain.sif sh -c 'echo $HOME; cat /h/file; pwd'
	[ "$output" = "/h"$'\n'"given"$'\n'"$WORK" ]
	run -0 coffer exec --contain --home "$WORK/given:/h" plain.sif sh -c 'pwd; cat file'
	[ "$output" = $'/h\ngiven' ]
	run -0 coffer exec --home "$WORK/second" plain.sif sh -c 'cat ~/file; echo ~'
	[ "$output" = $'second\n'"$WORK/second" ]
	run --separate-stderr coffer exec --home /a:/b:/c plain.sif true
	refused 255 "FATAL:   While setting home directory: home argument has incorrect number of elements: 3"
}

@test "the working folder, --pwd and --cwd" {
	run -0 coffer exec plain.sif pwd
	[ "$output" = "$WORK" ]
	ln -sfn given link
	cd link
	run -0 coffer exec ../plain.sif sh -c 'pwd; cat file'
	[ "$output" = "$WORK/given"$'\n'given ]
	for option in --pwd --cwd; do
		run -0 coffer exec $option /etc ../plain.sif pwd
		[ "$output" = /etc ]
		run --separate-stderr coffer exec $option /nowhere ../plain.sif pwd
		refused 255 "FATAL:   failed to set working directory: chdir /nowhere: no such file or directory"
	done
	cd "$WORK"
	run -0 --separate-stderr coffer exec --no-mount tmp,cwd plain.sif pwd
	err_has "WARNING: Error changing the container working directory. Using '$(home)' instead: chdir $WORK: no such file or directory"
	[ "$output" = "$(home)" ]
	mkdir gone
	run -0 --separate-stderr bash -c 'cd gone && rmdir ../gone && coffer exec "$WORK/plain.sif" echo still'
	[ "$output" = still ]
}

@test "--writable-tmpfs: what is written is gone afterwards" {
	coffer -q build --force --sandbox box tree
	for image in plain.sif pem.sif box; do
		key=
		[ $image != pem.sif ] || key=--pem-path=rsa_pri.pem
		run -0 --separate-stderr coffer exec $key --writable-tmpfs $image \
			sh -c 'echo new >/etc/new && rm /etc/secret.txt ; mkdir /d; cat /etc/new; ls -d /d; test -e /etc/secret.txt || echo removed'
		[ "$output" = $'new\n/d\nremoved' ]
		run -0 coffer exec $key $image cat /etc/secret.txt
		[ "$output" = "a marker that must stay hidden" ]
		run -1 coffer exec $key $image ls /etc/new
	done
	[ ! -e box/etc/new ] && [ ! -e box/d ] && [ -e box/etc/secret.txt ]
}

@test "--writable-tmpfs: a folder of the image goes as a whole, and a new one in its place is empty" {
	coffer -q build --force --sandbox box tree
	for image in plain.sif pem.sif box; do
		for options in "" --fakeroot; do
			key=
			[ $image != pem.sif ] || key=--pem-path=rsa_pri.pem
			# shellcheck disable=SC2086 # words
			run -0 --separate-stderr coffer exec $options $key --writable-tmpfs $image \
				sh -c 'rm -r /data && mkdir /data && touch /data/alone && mv /data /other && mkdir /data && ls -A /data /other'
			[ "$output" = $'/data:\n\n/other:\nalone' ]
		done
	done
	[ -e box/data/deep/one ]
}

@test "--writable-tmpfs has an end: 64 MiB for a user" {
	if am_root; then
		run -0 coffer exec --writable-tmpfs plain.sif dd if=/dev/zero of=/big bs=1048576 count=70
	else
		run -1 --separate-stderr coffer exec --writable-tmpfs plain.sif dd if=/dev/zero of=/big bs=1048576 count=70
		err_has "No space left on device"
	fi
}

@test "passwd and group name the user" {
	run -0 coffer exec plain.sif sh -c 'cat /etc/passwd; echo; cat /etc/group; id -un; id -gn'
	if am_root; then
		grep -qx "root:x:0:0:root:/root:/bin/sh" <<<"$output"
	else
		entry=$(getent passwd "$(id -u)")
		[ "${lines[1]}" = "$entry" ]
		grep -qx "$(id -gn):x:$(id -g):$(id -un)" <<<"$output"
	fi
	[ "${lines[-2]}" = "$(id -un)" ]
	[ "${lines[-1]}" = "$(id -gn)" ]
	cp -r tree nameless
	rm nameless/etc/passwd nameless/etc/group
	run -0 --separate-stderr coffer exec nameless true
	err_has "WARNING: passwd file doesn't exist in container, not updating"
	err_has "WARNING: group file doesn't exist in container, not updating"
}

@test "--hostname" {
	run -0 coffer exec --hostname box.test plain.sif sh -c 'hostname; cat /etc/hostname'
	[ "$output" = $'box.test\nbox.test' ]
	run -0 coffer exec --uts plain.sif hostname
	[ "$output" = "$(uname -n)" ]
	run --separate-stderr coffer exec --hostname -x plain.sif hostname
	refused 255 "-x is not a valid hostname"
}

@test "--pid: its own /proc, the init is process 1" {
	run -0 coffer exec --pid plain.sif sh -c 'echo $$; cat /proc/1/comm; echo /proc/[0-9]*'
	[[ "$output" =~ ^([2-9])$'\n'appinit$'\n/proc/1 /proc/'([2-9])$ ]] && [ "${BASH_REMATCH[1]}" = "${BASH_REMATCH[2]}" ]
	run -0 coffer exec --pid --no-init plain.sif sh -c 'echo $$'
	[ "$output" = 1 ]
	run -0 coffer exec plain.sif sh -c 'stat -Lc %i /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/uts'
	[ "$output" = "$(stat -Lc %i /proc/self/ns/pid /proc/self/ns/ipc /proc/self/ns/uts)" ]
	run -0 coffer exec --ipc plain.sif stat -Lc %i /proc/self/ns/ipc
	[ "$output" != "$(stat -Lc %i /proc/self/ns/ipc)" ]
}
