#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Folders that the container writes into: --workdir and --scratch, homes below /tmp, and binds whose
# place is missing in what another bind has mounted (spec runtime.md 6 to 10).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	ln -sf busybox tree/bin/touch
	ln -s /data tree/led
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	mkdir outer inner hold
	echo inner >inner/x
	echo file >file
}
teardown() { rm -rf "$WORK"/{outer,inner,hold,file,other}; }

every_image=(plain.sif luks2.sif gocryptfs.sif)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
mode() { stat -c '%a %u' "$1"; }
home=$(getent passwd "$(id -u)" | cut -d: -f6)

@test "--workdir holds the home, /tmp and /var/tmp of --contain" {
	local image
	umask 077
	for image in "${every_image[@]}"; do
		# shellcheck disable=SC2046
		run -0 --separate-stderr coffer exec $(key_of "$image") -c --workdir hold "$image" \
			sh -c 'echo a >/tmp/a; echo b >/var/tmp/b; echo c >$HOME/c'
		[ "$(cat hold/tmp/a hold/var_tmp/b hold/home/c)" = $'a\nb\nc' ]
		[ "$(mode hold/tmp)" = "1777 $(id -u)" ]
		[ "$(mode hold/var_tmp)" = "1777 $(id -u)" ]
		[ "$(mode hold/home)" = "700 $(id -u)" ]
	done
	# They are there for the next one, also by the variable, and nothing else was made.
	APPTAINER_WORKDIR=$WORK/hold run -0 --separate-stderr coffer exec -C plain.sif sh -c 'cat /tmp/a $HOME/c'
	[ "$output" = $'a\nc' ]
	[ "$(ls -A hold)" = $'home\ntmp\nvar_tmp' ]
	# What is mounted from there is no way to set-user-ID programs.
	run -0 --separate-stderr coffer exec -c -W hold plain.sif grep ' /tmp ' /proc/self/mounts
	[[ "$output" == *nosuid,nodev* ]]
}

@test "--workdir: only what is wanted is made" {
	run -0 --separate-stderr coffer exec -W hold plain.sif true
	[ -z "$(ls -A hold)" ]
	run -0 --separate-stderr coffer exec -c --no-home -W hold plain.sif true
	[ "$(ls -A hold)" = $'tmp\nvar_tmp' ]
	rm -r hold/*
	run -0 --separate-stderr coffer exec -c --no-mount tmp -W hold plain.sif true
	[ "$(ls -A hold)" = home ]
	rm -r hold/*
	run -0 --separate-stderr coffer exec -c -H inner:/h -W hold plain.sif cat /h/x
	[ "$output" = inner ]
	[ "$(ls -A hold)" = $'tmp\nvar_tmp' ]
}

@test "--workdir: what it cannot be" {
	run --separate-stderr coffer exec -c -W nowhere plain.sif true
	refused 255 "failed to use the folder $WORK/nowhere of --workdir: no such file or directory"
	run --separate-stderr coffer exec -c -W file plain.sif true
	refused 255 "$WORK/file of --workdir: not a directory"
	# No link is followed below it, and nothing is left out for that.
	mkdir other
	ln -s "$WORK/other" hold/tmp
	run --separate-stderr coffer exec -c -W hold plain.sif sh -c 'echo ran'
	refused 255 "open $WORK/hold/tmp: not a directory"
	[ -z "$output" ]
	rm -r hold/*
	# Nothing is made for an image that does not open.
	run --separate-stderr coffer exec -c -W hold --pem-path=other_pri.pem gocryptfs.sif true
	[ "$status" -eq 255 ]
	[ -z "$(ls -A hold)" ]
	# Nor is what another user has put there taken for the home.
	if am_root; then
		install -d -o 12345 -m 0777 hold/home
		run --separate-stderr coffer exec -c -W hold plain.sif sh -c 'echo ran'
		refused 255 "$WORK/hold/home is there already, and not yours"
		[ -z "$output" ]
	fi
}

@test "--scratch: empty folders that can be written, in memory" {
	local image
	for image in "${every_image[@]}"; do
		# shellcheck disable=SC2046
		run -0 --separate-stderr coffer exec $(key_of "$image") -S /scr,/deep/er --scratch /etc/new "$image" \
			sh -c 'for d in /scr /deep/er /etc/new; do ls -A $d; echo $d >$d/x && cat $d/x; done; cat /etc/secret.txt'
		[ "$output" = $'/scr\n/deep/er\n/etc/new\na marker that must stay hidden' ]
	done
	# Over what the image has, and over what is mounted before.
	run -0 --separate-stderr coffer exec -c -S /etc/new,/tmp,/bin/more,/var/tmp/below plain.sif sh -c 'touch /tmp/a /var/tmp/below/b && grep -c -e " /tmp " /proc/self/mounts'
	[ "$output" = 2 ]
	APPTAINER_SCRATCH=/one,/two run -0 --separate-stderr coffer exec plain.sif sh -c 'touch /one/a /two/a'
	SINGULARITY_SCRATCHDIR=/one run -0 --separate-stderr coffer exec plain.sif touch /one/a
	run --separate-stderr coffer exec -S here plain.sif true
	refused 255 'could not bind scratch directory here into container: destination must be an absolute path'
	run --separate-stderr coffer exec -S /a,/b,/a plain.sif true
	refused 255 'could not create scratch working directory /a: it is named twice'
	run --separate-stderr coffer exec -S /a/.. plain.sif true
	refused 255 "destination must not be the container's root"
}

@test "--scratch with --workdir: it stays there" {
	run -0 --separate-stderr coffer exec -W hold -S /scr,/deep/er plain.sif sh -c 'echo 1 >/scr/a; echo 2 >/deep/er/b'
	[ "$(cat hold/scratch/scr/a hold/scratch/deep/er/b)" = $'1\n2' ]
	[ "$(mode hold/scratch/deep)" = "750 $(id -u)" ]
	[ "$(ls -A hold)" = scratch ]
	run -0 --separate-stderr coffer exec -W hold -S /scr plain.sif cat /scr/a
	[ "$output" = 1 ]
	# HTCondor's line.
	run -0 --separate-stderr coffer exec -S /tmp -S /var/tmp -W hold --pwd /data -B outer:/data --no-home -C plain.sif \
		sh -c 'touch /tmp/t /var/tmp/v ./d'
	[ -e hold/scratch/tmp/t ] && [ -e hold/scratch/var/tmp/v ] && [ -e outer/d ]
}

@test "--workdir and --scratch with --fakeroot" {
	chmod 0777 hold
	run -0 --separate-stderr coffer exec -f -c -W hold -S /scr plain.sif sh -c \
		'echo t >/tmp/t && echo v >/var/tmp/v && echo s >/scr/s && echo h >~/h && cat ~/h'
	[ "$output" = h ]
	if am_root; then
		# Its root is a stranger here: all is in memory.
		[ "$(grep -c "what --workdir keeps is in memory, not in $WORK/hold" <<<"$stderr")" -eq 1 ]
		[ -z "$(ls -A hold)" ]
	else
		[ "$(cat hold/tmp/t hold/var_tmp/v hold/scratch/scr/s hold/home/h)" = $'t\nv\ns\nh' ]
	fi
}

@test "--workdir: what root of the machine, who is none inside, finds of others is not its own" {
	am_root || return 0
	local option
	for option in -f -u; do
		install -d -o 12345 -m 0777 hold/tmp hold/var_tmp
		echo theirs | tee hold/tmp/x >hold/var_tmp/x
		run -0 --separate-stderr coffer exec $option -c -W hold plain.sif sh -c \
			'ls /tmp /var/tmp; touch /tmp/made /var/tmp/made'
		[[ "$output" != *x* ]]
		[ "$(ls hold/tmp hold/var_tmp)" = $'hold/tmp:\nx\n\nhold/var_tmp:\nx' ]
	done
	# And nothing is made for an image that does not open.
	rm -r hold/*
	run --separate-stderr coffer exec -f -c -W hold --pem-path=other_pri.pem gocryptfs.sif true
	[ "$status" -eq 255 ]
	[ -z "$(ls -A hold)" ]
}

@test "--workdir: nobody, who looks like all strangers in a user namespace, is not taken for one" {
	am_root || return 0
	local nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
	chmod 0711 .
	chmod 0777 hold
	install -d -o 12345 -m 0777 hold/tmp
	run --separate-stderr "${nobody[@]}" "$COFFER" exec -c -W hold plain.sif touch /tmp/made
	refused 255 "$WORK/hold/tmp is there already, and not yours"
	[ -z "$(ls -A hold/tmp)" ]
	rmdir hold/tmp
	run -0 "${nobody[@]}" "$COFFER" exec -c -W hold plain.sif touch /tmp/made
	run -0 "${nobody[@]}" "$COFFER" exec -c -W hold plain.sif rm /tmp/made
	[ "$(mode hold/tmp)" = "1777 65534" ]
}

@test "a home in a folder for temporary files is not hidden by it" {
	local place option
	for place in /tmp/coffer-57/home /var/tmp/coffer-57/home; do
		for option in -c -C '-c -W hold' '-c --writable-tmpfs'; do
			# shellcheck disable=SC2086
			run -0 --separate-stderr coffer exec $option -H "inner:$place" plain.sif sh -c 'cat $HOME/x && pwd && touch /tmp/a /var/tmp/a'
			[ "$output" = "inner"$'\n'"$place" ]
		done
	done
	run -0 --separate-stderr coffer exec -c -H inner:/tmp plain.sif cat /tmp/x
	[ "$output" = inner ]
	# One that is on this machine, without --contain.
	run -0 --separate-stderr coffer exec -H "$WORK/inner" plain.sif sh -c 'cat $HOME/x'
	[ "$output" = inner ]
	# An image without /tmp, and a place that only --contain's empty one can have.
	mkdir other
	cp -r tree other/t
	run -0 --separate-stderr coffer exec -c -H inner:/tmp/none/home other/t sh -c 'cat $HOME/x'
	[ "$output" = inner ]
}

@test "a bind's place is made in what another bind has mounted there" {
	local image options
	for image in "${every_image[@]}"; do
		for options in "" --writable-tmpfs -C; do
			# shellcheck disable=SC2046,SC2086
			run -0 --separate-stderr coffer exec $(key_of "$image") $options \
				-B "$WORK/file:/data/sub/f,$WORK/inner:/data/new/deep,$WORK/outer:/data" "$image" \
				cat /data/new/deep/x /data/sub/f
			[ "$output" = $'inner\nfile' ]
			[ "$(cd outer && find . | sort)" = $'.\n./new\n./new/deep\n./sub\n./sub/f' ]
			[ "$(stat -c %u outer/new/deep)" = "$(id -u)" ]
			[ ! -s outer/sub/f ]
			rm -r outer/*
		done
	done
	# Each of cwltool's inputs, below a home.
	run -0 --separate-stderr coffer exec --contain --home "$WORK/outer:/var/spool/cwl" \
		-B "$WORK/file:/var/spool/cwl/in.txt:ro" --pwd /var/spool/cwl plain.sif cat in.txt
	[ "$output" = file ]
	rm -r outer/*
	# In the caller's own folder, which is mounted at the end otherwise.
	run -0 --separate-stderr coffer exec -B "$WORK/outer" -B "$WORK/inner:$WORK/outer/new" plain.sif cat "$WORK/outer/new/x"
	[ "$output" = inner ]
}

@test "a bind's place is not made where nothing may be" {
	# Not where it is read-only,
	run --separate-stderr coffer exec -B "$WORK/outer:/data:ro" -B "$WORK/inner:/data/new" plain.sif true
	refused 255 'destination /data/new: read-only file system'
	# nor in the image, sandbox or not,
	cp -r tree other
	mkdir -p other/proc other/sys other/dev other/tmp other/var/tmp "other$home"
	run --separate-stderr coffer exec -w -B "$WORK/inner:/etc/new" other true
	refused 255 "destination /etc/new doesn't exist in container"
	[ ! -e other/etc/new ]
	# nor where a link of the image or of the folder leads,
	run --separate-stderr coffer exec -w -B "$WORK/outer:/bin" -B "$WORK/inner:/led/new" other true
	[ "$status" -eq 255 ]
	mkdir other/data
	run --separate-stderr coffer exec -w -B "$WORK/outer:/data" -B "$WORK/inner:/led/new" other true
	refused 255 "destination /led/new doesn't exist in container"
	ln -s /etc outer/l
	run --separate-stderr coffer exec -w -B "$WORK/outer:/data" -B "$WORK/inner:/data/l/new" other true
	refused 255 "destination /data/l/new doesn't exist in container"
	[ ! -e other/etc/new ] && [ "$(ls -A outer)" = l ]
	# nor in /dev, /proc and /sys.
	for place in /dev/coffer-new /proc/coffer-new /sys/coffer-new; do
		run --separate-stderr coffer exec -B "$WORK/file:$place" plain.sif true
		refused 255 "destination $place doesn't exist in container"
		[ ! -e "$place" ]
	done
	# What the caller may not write he may not in this way.
	if ! am_root; then
		run --separate-stderr coffer exec -B /etc:/data -B "$WORK/inner:/data/coffer-new" plain.sif true
		refused 255 'destination /data/coffer-new: permission denied'
	fi
}

@test "a file over a folder, a folder over a file" {
	run --separate-stderr coffer exec -B "$WORK/file:/etc" plain.sif true
	refused 255 "FATAL:   container creation failed: mount hook function failure: mount $WORK/file->/etc error: while mounting $WORK/file: could not mount $WORK/file: not a directory"
	[[ "$stderr" == *"$WORK/file is a file, and /etc a folder in the container"* ]]
	run --separate-stderr coffer exec -B "$WORK/inner:/etc/secret.txt" plain.sif true
	refused 255 "could not mount $WORK/inner: not a directory"
	[[ "$stderr" == *"$WORK/inner is a folder, and /etc/secret.txt a file in the container"* ]]
	# One that nobody asked for is left out.
	mkdir other
	cp -r tree other/t
	rm -rf other/t/etc/hosts
	mkdir -p other/t/etc/hosts
	run -0 --separate-stderr coffer exec other/t true
	[[ "$stderr" == *"Skipping mount /etc/hosts"*"not a directory"* ]]
}
