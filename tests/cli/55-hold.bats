#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What an image and others of this machine must not get out of a container's mounts.

load helper

# A program of this machine with all that it loads: busybox gives up what a set-user-ID bit gives.
with_libraries() { # PROGRAM TREE
	local file
	mkdir -p "$2/bin"
	cp "$(command -v "$1")" "$2/bin/$1"
	for file in $(ldd "$(command -v "$1")" | grep -o '/[^ ]*'); do
		mkdir -p "$2${file%/*}"
		cp -L "$file" "$2$file"
	done
}

setup_file() {
	make_work
	make_tree tree
	rm tree/bin/cat
	with_libraries cat tree
	with_libraries setpriv tree
	cp tree/bin/cat tree/bin/cat-suid
	cp tree/bin/cat tree/bin/cat-caps
	chmod 4755 tree/bin/cat-suid
	chmod 0600 tree/etc/secret.txt
	if am_root; then
		# cap_dac_override+ep: linux/capability.h, VFS_CAP_REVISION_2
		python3 -c 'import os; os.setxattr("tree/bin/cat-caps", "security.capability",
			bytes.fromhex("0100000202000000000000000000000000000000"))'
	fi
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif tree
	cp -a tree box
	mkdir -p box/{a,dev,proc,sys,tmp,root,var/tmp} "box$(getent passwd "$(id -u)" | cut -d: -f6)"
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# A set-user-ID file and one with capabilities, run by a lesser user: 2 lines when both count.
gains() {
	coffer exec "$@" sh -c 'for x in suid caps; do
		/bin/setpriv --reuid 12345 --regid 12345 --clear-groups /bin/cat-$x /etc/secret.txt 2>/dev/null; done; true'
}

@test "set-user-ID files and file capabilities of an image count only with --allow-setuid, for root" {
	if ! am_root; then
		run --separate-stderr coffer exec --allow-setuid plain.sif true
		refused 255 'FATAL:   Could not configure --allow-setuid: --allow-setuid requires root privileges'
		run --separate-stderr coffer exec --fakeroot --allow-setuid plain.sif true
		refused 255 'FATAL:   Could not configure --allow-setuid: --allow-setuid requires root privileges'
		run --separate-stderr env APPTAINER_ALLOW_SETUID=1 coffer exec plain.sif true
		refused 255 'FATAL:   Could not configure --allow-setuid: --allow-setuid requires root privileges'
		return
	fi
	for options in plain.sif "--writable-tmpfs plain.sif" box "--writable-tmpfs box" "--writable box" \
		"-B $WORK:/new/place plain.sif" "-B $WORK:/new/place box"; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr gains $options
		[ -z "$output" ] || { echo "without, $options: $output"; false; }
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr gains --allow-setuid $options
		[ "${#lines[@]}" -eq 2 ] || { echo "with, $options: $output, $stderr"; false; }
	done
	# What is bound never counts.
	run -0 --separate-stderr coffer exec --allow-setuid -B "$WORK/tree:/tree" plain.sif sh -c \
		'/bin/setpriv --reuid 12345 --regid 12345 --clear-groups /tree/bin/cat-suid /etc/secret.txt 2>&1 || true'
	[ "$output" = '/tree/bin/cat-suid: /etc/secret.txt: Permission denied' ]
}

@test "every mount of a container is nosuid" {
	for options in plain.sif "--contain plain.sif" "--writable-tmpfs plain.sif" box "--writable box"; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr coffer exec -B "$WORK:/a" $options sh -c \
			'cat /proc/self/mountinfo'
		# A device file is none that is run.
		output=$(cut -d' ' -f5,6 <<<"$output" | grep -v -e ',nosuid' -e '^/dev/[a-z]* ' || true)
		[ -z "$output" ] || { echo "$options: $output"; false; }
	done
}

@test "files of the system that are bound unasked cannot be written, whoever is root" {
	for options in plain.sif "--fakeroot plain.sif" "--contain plain.sif" "--writable-tmpfs plain.sif"; do
		for file in /etc/resolv.conf /etc/hosts /etc/localtime; do
			[ -e $file ] || continue
			# shellcheck disable=SC2086 # words
			run -0 --separate-stderr coffer exec $options sh -c \
				"grep -q ' $file ' /proc/self/mountinfo || { echo absent; exit; }; (: >>$file) && echo written || echo held"
			[ "$output" = held ] || [ "$output" = absent ] || { echo "$options $file: $output $stderr"; false; }
			# With --fakeroot the machine's root is a stranger, and so refused before this is asked.
			if [ "$output" = held ] && am_root && [[ $options != *--fakeroot* ]]; then
				err_has 'Read-only file system'
			fi
		done
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr coffer exec $options sh -c 'grep -c -e " /etc/hosts " -e " /etc/resolv.conf " /proc/self/mountinfo'
		[ "$output" -ge 1 ]
	done
	# Asked for by name it is as it was asked for.
	echo mine >hosts
	run -0 coffer exec -B "$WORK/hosts:/etc/hosts" plain.sif sh -c 'echo more >>/etc/hosts'
	[ "$(cat hosts)" = $'mine\nmore' ]
}

@test "a section of a build cannot write them either" {
	mkdir -p named/etc
	cp -a tree/. named
	: >named/etc/hosts
	: >named/etc/resolv.conf
	cat >write.def <<-END
		Bootstrap: localimage
		From: $WORK/named
		%post
		    for f in hosts resolv.conf; do (: >>/etc/\$f) 2>/dev/null && echo "wrote \$f"; done; true
	END
	run -0 coffer build --force written.sif write.def
	refute grep wrote <<<"$output"
}

# coffer in the background, planned but not started: it waits for a file of variables.
begin() { # ARGUMENTS of exec
	mkfifo gate
	coffer exec --env-file "$WORK/gate" "$@" >out 2>err 3>&- &
	pid=$!
	exec 4>gate # returns when it has been opened
}
finish() {
	exec 4>&-
	rm gate
	status=0
	wait "$pid" || status=$?
	output=$(cat out) stderr=$(cat err)
}

@test "a working folder that is renamed, and a link put there, is the one that one stood in" {
	mkdir -p here other
	echo mine >here/file
	echo theirs >other/file
	cd here
	(cd .. && mkfifo gate)
	coffer exec --no-mount tmp --env-file ../gate ../plain.sif cat file >../out 2>../err 3>&- &
	pid=$!
	cd ..
	exec 4>gate
	mv here moved
	ln -s other here
	finish
	rm here
	mv moved here
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	[ "$output" = mine ]
}

@test "a home or a bound folder that is another by then is refused" {
	mkdir -p mine theirs
	echo mine >mine/file
	echo theirs >theirs/file
	for options in "--home $WORK/mine:/place" "-B $WORK/mine:/place" "-B $WORK/mine/file:/place/file" \
		"--mount src=$WORK/mine,dst=/place"; do
		for image in plain.sif box; do
			# shellcheck disable=SC2086 # words
			begin $options $image cat /place/file
			mv mine moved
			ln -s theirs mine
			finish
			rm mine
			mv moved mine
			refused 255 'has changed since it was looked at'
			[ -z "$output" ]
			# shellcheck disable=SC2086 # words
			begin $options $image cat /place/file
			finish
			[ "$output" = mine ] || { echo "$options: $output, $stderr"; false; }
		done
	done
	no_processes
}
