#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Image files that fail, change or go while they are in use.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_more tree
	coffer -q build plain.sif tree
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -rf flag now bad ready go
	mkdir bad
}
teardown() {
	[ -z "${command:-}" ] || kill -9 "$command" 2>/dev/null || true
	! mountpoint -q bad || fusermount3 -u -z bad
	no_processes
}

every_image=(plain luks2 gocryptfs)

# Noise is stored as it is, so that a container has to read all of it from the image.
make_more() { # TREE
	local i
	for i in $(seq 12); do head -c 400000 /dev/urandom >"$1/noise$i"; done
	(cd "$1" && md5sum noise*) >sums
	ln -sf busybox "$1/bin/dd"
	mkdir -p "$1/tmp"
	# What each file reads as, past the cache: one line for each, "ok", "wrong", "error", or "again"
	# when it was right only the second time.
	cat >"$1/look" <<-'END'
		#!/bin/sh
		once() {
			got=$(dd if="/$1" iflag=direct bs=128k 2>/tmp/said | md5sum)
			if grep -q -e 'Input/output error' -e 'Stale file handle' /tmp/said; then echo error
			elif [ "$got" = "$2  -" ]; then echo ok
			else echo wrong
			fi
		}
		while read -r sum name; do
			first=$(once "$name" "$sum")
			[ "$first" = error ] && [ "$(once "$name" "$sum")" = ok ] && first=again
			echo "$first"
		done
	END
	chmod 755 "$1/look"
}
# Serves an image under all the bad names.
serve() { # IMAGE
	badfs "$1.sif" "$WORK/flag" bad 3>&- &
	wait_for mountpoint -q bad
}
# The container looks when it is told so: what it saw, in the file `saw`, its status in `status`.
# The kind of FILE is $image.
begin() { # FILE
	rm -f ready go saw
	# shellcheck disable=SC2046 # one word or none
	coffer -q exec $(key_of "$image") -B "$WORK" "$1" sh -c \
		'cat /look >/dev/null; find / -xdev >/dev/null; echo >'"$WORK"'/ready; while [ ! -e '"$WORK"'/go ]; do sleep 0.02; done; exec sh /look' \
		<sums >saw 2>err 3>&- &
	command=$!
	wait_for test -e ready
}
finish() { # STATUS
	local got=0
	echo >go
	wait "$command" || got=$?
	command=
	[ "$got" -eq "$1" ] || { echo "status $got, not $1: $(cat saw err)"; false; }
}
saw() { # WORD: how often
	grep -c "^$1$" saw || true
}

@test "reads that are short or slow change nothing" {
	for image in "${every_image[@]}"; do
		serve $image
		for name in good short slow; do
			begin bad/$name
			finish 0
			[ "$(saw ok)" -eq 12 ]
		done
		fusermount3 -u bad
	done
}

@test "a read that fails once: an I/O error there, and right bytes the next time" {
	for image in "${every_image[@]}"; do
		serve $image
		begin bad/once
		echo >flag
		finish 0
		[ ! -e flag ]
		# The file with the error is read again at once, and that is no error any more.
		[ "$(saw ok)" -eq 11 ]
		[ "$(saw again)" -eq 1 ]
		fusermount3 -u bad
	done
}

@test "reads that fail for a while: I/O errors, then right bytes; the container goes on" {
	for image in "${every_image[@]}"; do
		serve $image
		for name in broken stale; do
			begin bad/$name
			echo >flag
			finish 0
			[ "$(saw error)" -ge 10 ]
			[ "$(saw wrong)" -eq 0 ]
			rm flag
			begin bad/$name
			finish 0
			[ "$(saw ok)" -eq 12 ]
		done
		fusermount3 -u bad
	done
}

@test "the same container reads right again when the image does" {
	for image in "${every_image[@]}"; do
		serve $image
		echo >flag
		rm -f flag ready go
		# shellcheck disable=SC2046 # one word or none
		coffer -q exec $(key_of $image) -B "$WORK" bad/broken sh -c '
			cat /look >/dev/null; find / -xdev >/dev/null; cd '"$WORK"'; echo >ready
			while [ ! -e go ]; do sleep 0.02; done; sh /look <sums >saw1; echo >again
			while [ -e flag ]; do sleep 0.02; done; sh /look <sums >saw' 2>err 3>&- &
		command=$!
		wait_for test -e ready
		echo >flag
		echo >go
		wait_for test -e again
		rm flag again
		finish 0
		[ "$(grep -c error saw1)" -ge 10 ]
		[ "$(saw ok)" -eq 12 ]
		fusermount3 -u bad
	done
}

@test "an image that cannot be read when it is opened is refused" {
	for image in "${every_image[@]}"; do
		serve $image
		echo >flag
		run --separate-stderr coffer exec $(key_of $image) bad/broken true
		[ "$status" -eq 255 ]
		err_has "read the image file: input/output error"
		run --separate-stderr coffer exec $(key_of $image) bad/stale true
		[ "$status" -eq 255 ]
		err_has "tale file handle"
		rm flag
		fusermount3 -u bad
	done
}

@test "an image cut while in use: I/O errors, no SIGBUS, and the container goes on" {
	for image in "${every_image[@]}"; do
		cp $image.sif now
		begin now
		truncate -s 2000000 now
		finish 0
		[ "$(saw error)" -ge 4 ]
		[ "$(saw wrong)" -eq 0 ]
	done
}

@test "an image cut to nothing while in use ends nothing but reads" {
	for image in "${every_image[@]}"; do
		cp $image.sif now
		begin now
		: >now
		finish 0
		[ "$(saw error)" -ge 10 ]
		[ "$(saw wrong)" -eq 0 ]
	done
}

@test "an image replaced or removed while in use: it reads as before" {
	for image in "${every_image[@]}"; do
		cp $image.sif now
		begin now
		head -c 5000000 /dev/zero >other
		mv other now
		finish 0
		[ "$(saw ok)" -eq 12 ]
		cp $image.sif other
		mv other now
		begin now
		rm now
		finish 0
		[ "$(saw ok)" -eq 12 ]
	done
}

# What its squashfs and decompressor notice; the container and its server go on.
@test "an image overwritten in place while in use: LUKS2 and plain give errors and rubbish" {
	for image in plain luks2; do
		cp $image.sif now
		begin now
		head -c "$(stat -c %s now)" /dev/urandom | dd of=now conv=notrunc bs=1M status=none
		finish 0
		[ "$(saw ok)" -le 2 ]
		[ $(($(saw error) + $(saw wrong))) -ge 10 ]
	done
}

@test "an image overwritten in place while in use: gocryptfs gives errors, never wrong bytes" {
	cp gocryptfs.sif now
	begin now
	head -c "$(stat -c %s now)" /dev/urandom | dd of=now conv=notrunc bs=1M status=none
	finish 0
	[ "$(saw error)" -ge 10 ]
	[ "$(saw wrong)" -eq 0 ]
}

# The payload would end by itself after four seconds, with a status of its own.
@test "a mount whose connection is aborted ends the container" {
	local before connection got=0
	mkdir -p connections
	mount -t fusectl none connections
	before=$(ls connections)
	coffer -q exec --pem-path=rsa_pri.pem -B "$WORK" luks2.sif sh -c 'echo >'"$WORK"'/ready; sleep 4; exit 7' 2>err 3>&- &
	command=$!
	wait_for test -e ready
	for connection in $(ls connections); do
		grep -qx "$connection" <<<"$before" || echo 1 >"connections/$connection/abort"
	done
	wait "$command" || got=$?
	command=
	umount connections
	[ "$got" -eq 255 ]
	grep -q 'the process that serves the image ended (status 0): the container was ended' err
}
