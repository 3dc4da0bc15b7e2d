#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# ls, cat and find: what is in an image, with nothing of it run or mounted, by a process that is locked in.

load helper

setup_file() {
	make_work
	make_tree tree
	chmod 0777 .
	make_age_keys
	mkdir -p tree/srv/data/deep tree/srv/empty
	head -c 3000000 /dev/urandom >tree/srv/noise
	echo one >tree/srv/data/one.txt
	echo two >tree/srv/data/deep/two.txt
	printf 'three' >"tree/srv/$(printf 'odd\n\033[31mname')"
	ln -s /srv/data/one.txt tree/srv/link
	ln -s /../../../../etc/passwd tree/srv/out
	chmod 4750 tree/srv/data/one.txt
	coffer -q build plain.sif tree
	local kind
	for kind in luks2 gocryptfs; do coffer -q encrypt --encryption=$kind -r me.pub plain.sif $kind.sif; done
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK" || return 1
	export HOME=$WORK/home
	mkdir -p home
	rm -f pipe
}

refuses() { # WORDS COMMAND...
	local words=$1
	shift
	run --separate-stderr "$@" </dev/null
	refused 255 "$words"
}

@test "ls and find show what is there, of each kind" {
	local image
	(cd tree/srv && find . -mindepth 1 -print0 | sed -z 's,^\.,/srv,' | sort -z) >there
	for image in plain luks2 gocryptfs; do
		coffer find --identity me.key -0 $image.sif /srv | sort -z >found
		cmp there found
		[ "$(coffer ls --identity me.key $image.sif /srv/data)" = "deep
one.txt" ]
		[ "$(coffer ls --identity me.key -R $image.sif /srv/data)" = "/srv/data:
deep
one.txt

/srv/data/deep:
two.txt" ]
	done
	[ "$(coffer find plain.sif /srv --name '*.txt' | sort)" = "/srv/data/deep/two.txt
/srv/data/one.txt" ]
	[ "$(coffer find plain.sif /srv --type l | sort)" = "/srv/link
/srv/out" ]
	[ "$(coffer find plain.sif --type d --name deep)" = /srv/data/deep ]
	[ -z "$(coffer ls plain.sif /srv/empty)" ]
	[ "$(coffer ls plain.sif /srv/data/one.txt)" = /srv/data/one.txt ]
	run -0 coffer ls -l plain.sif /srv
	[[ $output =~ lrwxrwxrwx' '+1' '+[0-9]+' '+[0-9]+' '+17' '[0-9-]+' '[0-9:]+' link -> /srv/data/one.txt' ]]
	run -0 coffer ls -l plain.sif /srv/data
	[[ $output == '-rwsr-x---'*' 4 '*' one.txt'* || $output == *'-rwsr-x---'*' 4 '*' one.txt'* ]]
}

@test "cat gives a file's bytes; links lead to files of the image alone" {
	local image
	for image in plain luks2 gocryptfs; do
		cmp <(coffer cat --identity me.key $image.sif /srv/noise) tree/srv/noise
		[ "$(coffer cat --identity me.key $image.sif srv/link /srv/data/deep/two.txt)" = "one
two" ]
		[ "$(coffer cat --identity me.key $image.sif /srv/out)" = "$(cat tree/etc/passwd)" ]
	done
}

@test "without a key nothing is shown, and what is not there is named" {
	refuses 'no key is given that opens' coffer ls gocryptfs.sif
	refuses 'none of the identities' coffer cat --identity you.key gocryptfs.sif /etc/secret.txt
	refuses 'there is no /srv/nothing in the image' coffer ls plain.sif /srv/nothing
	refuses 'there is no /srv/noise/below' coffer cat plain.sif /srv/noise/below
	refuses '/srv is a folder' coffer cat plain.sif /srv
	refuses 'is a folder' coffer ls tree
	run --separate-stderr coffer find plain.sif --type x
	[ "$status" -ne 0 ]
	err_has '--type takes f, d or l'
	# With a passphrase or Apptainer's key, and of Apptainer's images, too.
	[[ $(coffer ls --pem-path "$FIXTURES/rsa_private.pem" "$FIXTURES/luks-pem.sif" /) == *etc* ]]
	[[ $(coffer ls --passphrase "$FIXTURES/gocryptfs-pass.sif" / <<<secret) == *etc* ]]
}

@test "names and files cannot tell a terminal what to do" {
	terminal -- coffer ls plain.sif /srv >shown
	tr -d '\r' <shown >clean
	harmless clean
	grep -qF 'odd\n\x1b[31mname' clean
	printf '\033]0;title\007 text' >tree/escape
	coffer -q build --force out.sif tree
	rm tree/escape
	terminal -- coffer cat out.sif /escape | tr -d '\r' >clean
	harmless clean
	[ "$(coffer cat out.sif /escape | od -An -c)" = "$(printf '\033]0;title\007 text' | od -An -c)" ]
}

@test "who reads is locked in, and ends with who asked" {
	local reader
	mkfifo pipe
	coffer cat --identity me.key gocryptfs.sif /srv/noise >pipe 3>&- &
	exec 8<pipe
	wait_for pgrep -u "$(id -u)" -x coffer-image
	reader=$(pgrep -u "$(id -u)" -x coffer-image | tail -n 1)
	wait_for grep -q '^Seccomp:.2$' "/proc/$reader/status"
	grep -q '^NoNewPrivs:.1$' "/proc/$reader/status"
	grep -q '^CapEff:.0000000000000000$' "/proc/$reader/status"
	kill -9 $!
	exec 8<&-
	wait_for test ! -e "/proc/$reader"
	# Nor is it left by who has read enough.
	coffer cat plain.sif /srv/noise | head -c 10 >/dev/null
	[ -z "$(pgrep -u "$(id -u)" -x coffer-image)" ]
}

@test "where no namespaces can be made it is done without" {
	run -0 --separate-stderr unshare -rm sh -ec 'for kind in user mnt net ipc; do echo 0 >/proc/sys/user/max_${kind}_namespaces; done
		exec coffer -v cat --identity me.key gocryptfs.sif /srv/data/one.txt'
	[ "$output" = one ]
	err_has 'has no namespaces of its own'
}

@test "nor where one can be made, and nothing be mounted in it" {
	run -0 --separate-stderr "$COFFER_ROOT/bin/without" mount=EPERM mount_setattr=EPERM -- \
		coffer cat --identity me.key gocryptfs.sif /srv/data/one.txt
	[ "$output" = one ]
}

@test "a damaged block is an error, and nothing made up" {
	cp gocryptfs.sif out.sif
	printf 'xxxx' | dd of=out.sif bs=1 seek=2000000 conv=notrunc status=none
	run --separate-stderr coffer cat --identity me.key out.sif /srv/noise
	[ "$status" -eq 255 ]
	[[ $stderr == *FATAL* ]]
}
