#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The sif commands on Apptainer's own images: sif.md 11. What new, add, del and setprim make is compared
# with Apptainer's in tests/peer.
load helper

setup() { cd "$FIXTURES"; }

sif_error() { # WORDS USAGE
	[ "$status" -eq 1 ]
	[ "${stderr_lines[0]}" = "$1" ] || { echo "$stderr"; false; }
	[ "${lines[0]}" = "Usage:" ]
	[ "${lines[1]}" = "  coffer [global options...] $2" ]
}

@test "list shows the kinds" {
	line='------------------------------------------------------------------------------'
	run --separate-stderr coffer sif list gocryptfs-pem.sif
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = "$line" ]
	[ "${lines[1]}" = 'ID   |GROUP   |LINK    |SIF POSITION (start-end)  |TYPE' ]
	[ "${lines[2]}" = "$line" ]
	[[ "${lines[3]}" =~ ^'1    |1       |NONE    |32176-'[0-9]+\ +'|Def.FILE'$ ]]
	[[ "${lines[5]}" =~ ^'3    |1       |NONE    |36864-'[0-9]+\ +'|FS (Gocryptfs squashfs/*System/amd64)'$ ]]
	[[ "${lines[6]}" =~ ^'4    |1       |3       |'.*'|Cryptographic Message (PEM/RSA-OAEP)'$ ]]
	[ "${#lines[@]}" -eq 7 ]
	run coffer sif list luks-pass.sif
	[[ "$output" == *'FS (Encrypted squashfs/*System/amd64)'* ]]
	[[ "$output" != *'Cryptographic'* ]]
	run coffer siftool list plain.sif
	[[ "$output" == *'FS (Squashfs/*System/amd64)'* ]]
}

@test "header" {
	run --separate-stderr coffer sif header plain.sif
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = 'Launch Script:        #!/usr/bin/env run-singularity' ]
	[ "${lines[1]}" = 'Version:              01' ]
	[ "${lines[2]}" = 'Primary Architecture: amd64' ]
	[[ "${lines[4]}" =~ ^'Created At:           20'[0-9-]+\ [0-9:]+' +0000 UTC'$ ]]
	[ "${lines[8]}" = 'Descriptors Offset:   4096' ]
	[ "${lines[9]}" = 'Descriptors Size:     27 KiB' ]
}

@test "info" {
	run --separate-stderr coffer sif info 4 luks-pem.sif
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = '  Data Type:     Cryptographic Message' ]
	[ "${lines[3]}" = '  Linked ID:     3' ]
	run --separate-stderr coffer sif info plain.sif 1
	sif_error 'Error for command "info": while converting id: strconv.ParseUint: parsing "plain.sif": invalid syntax' 'sif info <id> <sif_path>'
}

@test "dump gives the bytes as they are" {
	start=$(coffer sif list luks-pem.sif | awk -F'[|-]' '/Encrypted squashfs/ { print $4 }')
	end=$(coffer sif list luks-pem.sif | awk -F'[|-]' '/Encrypted squashfs/ { print $5 + 0 }')
	[ "$(coffer sif dump 3 luks-pem.sif | md5sum)" = "$(tail -c +$((start + 1)) luks-pem.sif | head -c $((end - start)) | md5sum)" ]
	[ "$(coffer sif dump 3 luks-pem.sif | head -c 4)" = LUKS ]
	[ "$(coffer sif dump 4 luks-pem.sif | head -1)" = '-----BEGIN MESSAGE-----' ]
}

@test "errors keep their words and status 1" {
	run --separate-stderr coffer sif info 9 plain.sif
	sif_error 'Error for command "info": object not found' 'sif info <id> <sif_path>'
	run --separate-stderr coffer sif dump 0 plain.sif
	sif_error 'Error for command "dump": invalid object ID' 'sif dump <id> <sif_path>'
	run --separate-stderr coffer sif list /nonexistent
	sif_error 'Error for command "list": open /nonexistent: no such file or directory' 'sif list <sif_path>'
	run --separate-stderr coffer sif list /etc/passwd
	sif_error 'Error for command "list": invalid SIF magic' 'sif list <sif_path>'
	# The remedy has the form that it has below any error.
	[ "${stderr_lines[1]}" = '         this is no SIF image' ]
	run --separate-stderr coffer sif header /etc
	sif_error 'Error for command "header": reading global header: read /etc: is a directory' 'sif header <sif_path>'
	run --separate-stderr coffer sif list /dev/null
	sif_error 'Error for command "list": reading global header: EOF' 'sif list <sif_path>'
}

@test "a file that was cut anywhere makes no crash and no hang" {
	local n size
	size=$(stat -c %s luks-pem.sif)
	for n in 1 31 127 128 4095 4096 4681 5000 32175 32176 40000 $((size - 1)); do
		head -c "$n" luks-pem.sif >"$BATS_TEST_TMPDIR/cut.sif"
		run --separate-stderr timeout 10 coffer sif list "$BATS_TEST_TMPDIR/cut.sif"
		[ "$status" -eq 1 ] || { echo "$n bytes: status $status"; false; }
		[[ "${stderr_lines[0]}" == 'Error for command "list": '* ]]
	done
}

# A name of an object is the image's to choose.
@test "what an image is made of neither steers the terminal nor looks like another line" {
	cp plain.sif "$BATS_TEST_TMPDIR/evil.sif"
	cd "$BATS_TEST_TMPDIR"
	chmod u+w evil.sif
	printf '\033]0;owned\007\033[31mX\nSize: 1\0' | dd of=evil.sif bs=1 seek=$((4096 + 73)) conv=notrunc status=none
	run -0 coffer sif info 1 evil.sif
	[[ "$output" == *$'\033]0;owned\007\033[31mX?Size: 1'* ]]
	[ "$(grep -c 'Size:' <<<"$output")" -eq 2 ]
	run -0 terminal -- coffer sif info 1 evil.sif
	[[ "$output" == *'\x1b]0;owned\x07\x1b[31mX?Size: 1'* ]]
	refute grep -q $'\033' <<<"$output"
}

# Each of these is cut by the end of a piece of the dump (64 KiB) in turn.
@test "a dump steers no terminal, wherever a control lies; a file gets its bytes as they are" {
	local at way off
	cd "$BATS_TEST_TMPDIR"
	mkdir tree
	{ printf 'Bootstrap: localimage\nFrom: tree\n%%help\n'; for ((at = 0; at < 700; at++)); do printf '%099d\n' 0; done; } >evil.def
	coffer -q build evil.sif evil.def
	coffer sif dump 1 evil.sif | cmp evil.def -
	off=$(coffer sif list evil.sif | sed -n 's/^1 .*|\([0-9]*\)-.*Def.*/\1/p')
	for at in 65533 65534 65535 65536; do
		for way in $'\xc2\x9b31m' $'\x9b31m' $'\xe2\x80\xae' $'\e]0;x\a' $'\xf0\x9f\x98\x80'; do
			cp evil.def text
			cp evil.sif changed.sif
			printf %s "$way" | dd of=text bs=1 seek=$at conv=notrunc status=none
			printf %s "$way" | dd of=changed.sif bs=1 seek=$((off + at)) conv=notrunc status=none
			coffer sif dump 1 changed.sif >dumped
			cmp text dumped
			coffer sif dump 1 changed.sif | cmp text -
			terminal -- coffer sif dump 1 changed.sif >shown
			harmless shown
			case $way in
			$'\xf0\x9f\x98\x80') cmp text shown ;;
			*) grep -qE '0\\(x1b|x9b|u\{9b\}|u\{202e\})' shown ;;
			esac
		done
	done
}

@test "what an image says in an error makes no line of a log" {
	local evil command
	cd "$BATS_TEST_TMPDIR"
	evil=$'evil\nFATAL:   forged\x9b\e[m.sif'
	head -c 5000 "$FIXTURES/plain.sif" >"$evil"
	for command in "sif list" "sif header" "sif info 1" inspect exec; do
		# shellcheck disable=SC2086
		run --separate-stderr coffer $command "$evil" $([ "$command" = exec ] && echo true)
		[ "$status" -ne 0 ]
		printf '%s\n' "$stderr" >said
		grep -qF 'evil\nFATAL:   forged\x9b\x1b[m.sif' said || [[ $command == sif* ]]
		refute grep -q '^FATAL:   forged' said
		harmless said
	done
}

@test "a file is made, filled, chosen and emptied" {
	make_work
	cd "$WORK"
	umask 022
	coffer sif new a.sif
	[ "$(stat -c '%a %s' a.sif)" = '755 32176' ]
	echo hello >text
	coffer sif add --datatype 1 --groupid 1 a.sif text
	coffer sif add a.sif text --datatype 4 --parttype 1 --partfs 1 --partarch 2
	coffer siftool setprim 2 a.sif
	[[ "$(coffer sif list a.sif)" == *'|FS (Squashfs/*System/amd64)' ]]
	[[ "$(coffer sif header a.sif)" == *'Primary Architecture: amd64'* ]]
	[ "$(coffer sif dump 2 a.sif)" = hello ]
	coffer sif del 2 a.sif
	[[ "$(coffer sif header a.sif)" != *'Primary Architecture'* ]]
	run --separate-stderr coffer sif del 2 a.sif
	sif_error 'Error for command "del": object not found' 'sif del <id> <sif_path>'
	run --separate-stderr coffer sif add --datatype 7 a.sif a.sif
	sif_error 'Error for command "add": an image cannot be added to itself' 'sif add <sif_path> <object_path>'
	run --separate-stderr coffer sif add --datatype 7 a.sif .
	sif_error 'Error for command "add": read .: is a directory' 'sif add <sif_path> <object_path>'
	run --separate-stderr coffer sif add --datatype 7 --groupid -1 a.sif text
	[ "$status" -eq 1 ]
	[ "${stderr_lines[0]}" = 'Error for command "add": invalid argument "-1" for "--groupid" flag: strconv.ParseUint: parsing "-1": invalid syntax' ]
	mkfifo pipe
	run --separate-stderr coffer sif new pipe
	sif_error 'Error for command "new": pipe is not a regular file' 'sif new <sif_path>'
	run --separate-stderr coffer sif del 1 pipe
	sif_error 'Error for command "del": pipe is not a regular file' 'sif del <id> <sif_path>'
	am_root || {
		chmod 0444 a.sif
		run --separate-stderr coffer sif new a.sif
		sif_error 'Error for command "new": open a.sif: permission denied' 'sif new <sif_path>'
	}
	drop_work
}

@test "what is added comes from a pipe, too, and many at once each get their place" {
	make_work
	cd "$WORK"
	coffer sif new a.sif
	echo piped | coffer sif add --datatype 7 a.sif /dev/stdin
	[ "$(coffer sif dump 1 a.sif)" = piped ]
	for i in $(seq 20); do
		echo "object $i" >o$i
		coffer sif add --datatype 7 a.sif o$i &
	done
	wait
	[ "$(for i in $(seq 2 21); do coffer sif dump $i a.sif; done | sort)" = "$(cat o? o?? | sort)" ]
	drop_work
}

@test "an object too large for the disk, or a kill, leaves the image as it was" {
	make_work
	cd "$WORK"
	cp "$FIXTURES/gocryptfs-pem.sif" a.sif
	sum=$(md5sum <a.sif)
	head -c 3000000 /dev/zero >large
	run --separate-stderr bash -c "ulimit -f $(($(stat -c %s a.sif) / 1024 + 1000)); trap '' XFSZ; exec coffer sif add --datatype 7 a.sif large"
	[ "$status" -eq 1 ]
	[[ "${stderr_lines[0]}" == *'write the image: file too large' ]] || { echo "$stderr"; false; }
	[ "$(md5sum <a.sif)" = "$sum" ]
	# Killed while its bytes come in.
	mkfifo pipe
	coffer sif add --datatype 7 a.sif pipe &
	{
		cat large
		kill -9 $!
		wait $! || true
	} >pipe
	[ "$(head -c "$(stat -c %s "$FIXTURES/gocryptfs-pem.sif")" a.sif | md5sum)" = "$sum" ]
	coffer sif add --datatype 7 a.sif large
	[ "$(coffer sif dump 5 a.sif | md5sum)" = "$(md5sum <large)" ]
	drop_work
}
