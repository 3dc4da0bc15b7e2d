#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a build may replace, and what a sandbox leaves open to others of this machine.

load helper

setup_file() {
	make_work
	chmod 755 "$WORK"
	make_tree tree
	cp tree/bin/busybox tree/bin/one
	cp tree/bin/busybox tree/bin/two
	chmod 4755 tree/bin/one
	chmod 2755 tree/bin/two
	chmod 1777 tree/etc
	coffer -q build plain.sif tree
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

modes() { stat -c '%a %n' "$1"/bin/one "$1"/bin/two "$1"/etc "$1"/bin/busybox; }

@test "--force replaces a file, a link to one, an empty folder and a sandbox, and nothing else" {
	mkdir -p precious/.singularity.d precious/dev precious/proc precious/sys fake/.singularity.d
	echo mine >precious/file
	echo '{ "mine": "org" }' >precious/.singularity.d/labels.json
	echo mine >fake/.singularity.d/labels.json
	mkfifo pipe
	ln -s precious to-folder
	ln -s pipe to-pipe
	ln -s /dev/null to-device
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("socket")'
	for option in '' --sandbox; do
		for target in precious fake pipe socket to-folder to-pipe to-device; do
			for force in '' --force; do
				# shellcheck disable=SC2086 # words
				run --separate-stderr coffer build $option $force "$target" tree
				refused 255 "$WORK/$target is "
				err_has ': it is not overwritten'
				refute grep -q -e '--force' <<<"$stderr"
			done
		done
		[ "$(cat precious/file)" = mine ] && [ -p pipe ] && [ -S socket ] && [ -L to-folder ] && [ -c to-device ]
		echo old >file
		ln -sfn file to-file
		ln -sfn nowhere to-nothing
		rm -rf empty box
		mkdir empty
		coffer -q build --sandbox box tree
		for target in to-file to-nothing file empty box; do
			# shellcheck disable=SC2086 # words
			run -0 coffer -q build $option --force $target tree
			run -0 coffer exec $target cat /etc/secret.txt
			[ ! -L $target ]
		done
		rm -rf to-file to-nothing file empty box
	done
	if am_root; then
		mknod device c 1 3
		run --separate-stderr coffer build --force device tree
		refused 255 "$WORK/device is a device, a pipe or a socket: it is not overwritten"
		[ -c device ]
		rm device
	fi
	rm -r precious fake pipe socket to-folder to-pipe to-device
}

@test "what comes while it is built is looked at too" {
	for option in '' --sandbox; do
		printf 'Bootstrap: localimage\nFrom: %s/tree\n%%setup\n    rm -r late; mkdir late; echo mine >late/file\n' "$WORK" >late.def
		mkdir late
		# shellcheck disable=SC2086 # words
		run --separate-stderr coffer build $option --force late late.def
		refused 255 "late is not empty and is not an Apptainer sandbox: it is not overwritten"
		[ "$(cat late/file)" = mine ]
		[ -z "$(find . -maxdepth 1 -name 'build-temp-*' -o -maxdepth 1 -name '.late*')" ]
		rm -r late
	done
}

@test "a sandbox is for its owner, without the set-user-ID bits of a user's image" {
	for spec in tree plain.sif; do
		run -0 --separate-stderr coffer build --force --sandbox box $spec
		[ "$(stat -c %a box)" = 700 ]
		if am_root; then
			refute grep -q set-user-ID <<<"$stderr"
			[ "$(modes box)" = $'4755 box/bin/one\n2755 box/bin/two\n1777 box/etc\n755 box/bin/busybox' ]
			refute setpriv --reuid 65534 --regid 65534 --clear-groups ls box/bin
		else
			err_has 'WARNING: 2 files are set-user-ID or set-group-ID: not so in box, where others could become you by them'
			[ "$(grep -c set-user-ID <<<"$stderr")" -eq 1 ]
			[ "$(modes box)" = $'755 box/bin/one\n755 box/bin/two\n1777 box/etc\n755 box/bin/busybox' ]
		fi
		# An image made of it is for everybody inside, and has what root's had.
		run -0 coffer -q build --force again.sif box
		run -0 --separate-stderr coffer exec again.sif stat -c %a / /bin/one
		if am_root; then [ "$output" = $'755\n4755' ]; else [ "$output" = $'755\n755' ]; fi
		run -0 --separate-stderr coffer exec -B "$WORK:/new/place" box stat -c %a /
		[ "$output" = 755 ]
	done
	# An image keeps them: nobody can enter it.
	run -0 coffer exec plain.sif stat -c %a /bin/one /bin/two
	[ "$output" = $'4755\n2755' ]
}

@test "who is not root in a sandbox that is written to is told why nothing goes" {
	coffer -q build --force --sandbox box tree
	mkdir -p box"$(getent passwd "$(id -u)" | cut -d: -f6)"
	# Root needs no --fakeroot to have other users inside.
	local root=--fakeroot
	if am_root; then root=; fi
	# shellcheck disable=SC2086 # a word or none
	run -0 --separate-stderr coffer exec $root --writable box true
	if am_root || have_subids; then
		err_has "INFO:    Only its owner can enter $WORK/box, so users other than root cannot do anything inside; chmod 755 it to change that"
	else
		refute grep -q 'Only its owner' <<<"$stderr"
	fi
	chmod 755 box
	# shellcheck disable=SC2086 # a word or none
	run -0 --separate-stderr coffer exec $root --writable box true
	refute grep -q 'Only its owner' <<<"$stderr"
}
