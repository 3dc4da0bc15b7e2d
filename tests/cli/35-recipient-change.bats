#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Recipients added and removed, in place: who opens the image then, and who does not; the partition
# and what else opens it stay; a kill at any moment leaves the old or the new.

load helper

setup_file() {
	make_work
	make_tree tree
	make_keys
	chmod 0777 .
	make_age_keys
	local name
	for name in luks2 gocryptfs; do
		coffer build --encryption=$name -r me.pub $name.sif tree
	done
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
	mkdir -p home
	rm -rf home/.config out.sif
}

refuses() { # WORDS COMMAND...
	local words=$1
	shift
	run --separate-stderr "$@" </dev/null
	refused 255 "$words"
}
partition_sum() { # IMAGE
	coffer sif dump "$(coffer sif list "$1" | sed -n 's/^\([0-9]*\) .*|FS .*/\1/p')" "$1" | md5sum
}
# The key object's number: it changes by turns.
object_number() { # IMAGE
	coffer sif list "$1" | sed -n 's/^\([0-9]*\) .*|Generic\/Raw$/\1/p'
}
debian_age_opens() { # IMAGE KEY
	coffer sif dump "$(object_number "$1")" "$1" | age -d -i "$2" | grep -q '"volumeKey":"'
}

@test "added: each of them opens both kinds, and the partition is as it was" {
	local kind key
	for kind in luks2 gocryptfs; do
		cp $kind.sif out.sif
		run -0 coffer recipient add --identity me.key -r you.pub -r "$(cat ed.pub)" -R srsa.pub out.sif
		[ "$output" = "added: 3; recipients now: 4" ]
		for key in me.key you.key ed srsa; do
			opens out.sif --identity "$key"
			debian_age_opens out.sif "$key"
		done
		[ "$(partition_sum out.sif)" = "$(partition_sum $kind.sif)" ]
		[ "$(coffer recipient list out.sif | cut -d' ' -f1)" = "X25519
X25519
ssh-ed25519
ssh-rsa" ]
		# Once more is no harm, and writes nothing.
		cp out.sif same.sif
		run -0 coffer recipient add --identity srsa -r you.pub out.sif
		[ "$output" = "added: 0; recipients now: 4" ]
		cmp out.sif same.sif
	done
}

@test "removed: not opened by them any more, by all others, and said what that means" {
	local kind key
	for kind in luks2 gocryptfs; do
		coffer build --force --encryption=$kind -r me.pub -r you.pub -r ed.pub -r srsa.pub out.sif tree
		cp out.sif before.sif
		coffer sif dump "$(object_number out.sif)" out.sif | tail -c 100 | od -An -tx1 -v | tr -d ' \n' >old
		run -0 --separate-stderr coffer recipient remove --identity me.key -r you.pub -r ed.pub out.sif
		[ "$output" = "removed: 2; recipients now: 2" ]
		[[ $stderr == *'may have kept a copy of the image'* ]]
		[[ $stderr == *'`coffer rekey` encrypts the image anew'* ]]
		for key in you.key ed; do
			refuses 'none of the identities opens the image' coffer exec --identity $key out.sif true
			run -1 debian_age_opens out.sif $key
		done
		for key in me.key srsa; do opens out.sif --identity $key; done
		[ "$(partition_sum out.sif)" = "$(partition_sum before.sif)" ]
		# The old object, which they can open, lies nowhere in the file.
		od -An -tx1 -v before.sif | tr -d ' \n' | grep -qF -f old
		run -1 grep -qF -f old <(od -An -tx1 -v out.sif | tr -d ' \n')
		# Oneself, too.
		coffer recipient remove --identity me.key -r me.pub out.sif
		opens out.sif --identity srsa
		refuses 'none of the identities' coffer exec --identity me.key out.sif true
	done
}

@test "who is no recipient is not removed: an error, and nothing is changed" {
	coffer build --force -r me.pub -r ed.pub out.sif tree
	cp out.sif same.sif
	refuses "is no recipient of $WORK/out.sif" coffer recipient remove --identity me.key -r ed.pub -r you.pub out.sif
	cmp out.sif same.sif
}

@test "the last one goes where something else opens the image, and only there" {
	cp luks2.sif out.sif
	refuses 'nobody could open the image any more' coffer recipient remove --identity me.key -r me.pub out.sif
	cmp luks2.sif out.sif
	coffer build --force --pem-path rsa_pub.pem -r me.pub out.sif tree
	run -0 --separate-stderr coffer recipient remove --identity me.key -r me.pub out.sif
	[ "$output" = "removed: 1; recipients now: 0, its passphrase or RSA key alone opens it" ]
	[ -z "$(object_number out.sif)" ]
	opens out.sif --pem-path rsa_pri.pem
	cheaply coffer build --force --passphrase -r me.pub out.sif tree <<<secret
	coffer recipient remove --identity me.key -r me.pub out.sif
	run -0 --separate-stderr coffer exec --no-home --passphrase out.sif echo started <<<secret
	[ "$output" = started ]
	[ -z "$(object_number out.sif)" ]
}

@test "images of Apptainer's get recipients by the key that they have, and keep it" {
	local kind
	for kind in luks gocryptfs; do
		cp "$FIXTURES/$kind-pem.sif" out.sif
		chmod 0600 out.sif
		run -0 coffer recipient add --pem-path "$FIXTURES/rsa_private.pem" -r me.pub -r ed.pub out.sif
		[ "$output" = "added: 2; recipients now: 2, besides its passphrase or RSA key" ]
		opens out.sif --identity me.key
		opens out.sif --identity ed
		opens out.sif --pem-path "$FIXTURES/rsa_private.pem"
		[ "$(partition_sum out.sif)" = "$(partition_sum "$FIXTURES/$kind-pem.sif")" ]
		coffer sif dump "$(object_number out.sif)" out.sif | age -d -i me.key | grep -q '"secret":"'
		coffer recipient remove --identity ed -r ed.pub out.sif
		opens out.sif --identity me.key
		opens out.sif --pem-path "$FIXTURES/rsa_private.pem"

		cp "$FIXTURES/$kind-pass.sif" out.sif
		chmod 0600 out.sif
		coffer recipient add --passphrase -r me.pub out.sif <<<secret
		opens out.sif --identity me.key
		run -0 --separate-stderr coffer exec --no-home --passphrase out.sif echo started <<<secret
		[ "$output" = started ]
		# The passphrase is a person's own.
		run -1 grep -q '"secret"' <(coffer sif dump "$(object_number out.sif)" out.sif | age -d -i me.key)
	done
}

@test "cryptsetup alone opens what it did, by the partition's own keyslot" {
	cp "$FIXTURES/luks-pass.sif" out.sif
	chmod 0600 out.sif
	coffer recipient add --passphrase -r me.pub out.sif <<<secret
	coffer sif dump 3 out.sif >partition
	printf secret | cryptsetup open --test-passphrase --key-file - partition
	# And by the volume key that the object has.
	coffer sif dump "$(object_number out.sif)" out.sif | age -d -i me.key |
		sed 's/.*"volumeKey":"\([0-9a-f]*\)".*/\1/' |
		python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >volume.key
	cryptsetup open --test-passphrase --volume-key-file volume.key partition
	rm volume.key
}

@test "recipient list with a key of theirs names them all" {
	coffer build --force -r me.pub -r ed.pub -r rsa_pub.pem out.sif tree
	run -0 coffer recipient list --identity me.key out.sif
	[ "${lines[0]}" = "$(cat me.pub)" ]
	[ "${lines[1]}" = "$(cut -d' ' -f1,2 ed.pub)" ]
	[ "${lines[2]}" = "$(cut -d' ' -f1,2 rsa.pub)" ]
	# As a file of recipients for another image.
	coffer recipient list --identity ed out.sif >team.txt
	coffer build --force -R team.txt other.sif tree
	for key in me.key ed rsa_pri.pem; do opens other.sif --identity $key; done
	refuses 'none of the identities' coffer recipient list --identity you.key out.sif
	refuses 'names no recipients' coffer recipient list --pem-path "$FIXTURES/rsa_private.pem" "$FIXTURES/luks-pem.sif"
}

@test "many changes: the file stays small, and sif header counts what there is" {
	local i
	cp gocryptfs.sif out.sif
	for i in 1 2 3 4 5 6 7 8 9 10; do
		coffer recipient add --identity me.key -r you.pub -r ed.pub -r srsa.pub out.sif
		coffer recipient remove --identity me.key -r you.pub -r ed.pub -r srsa.pub out.sif
	done
	[ "$(stat -c %s out.sif)" -le $(($(stat -c %s gocryptfs.sif) + 10000)) ]
	[ "$(coffer sif header out.sif | grep Free)" = "$(coffer sif header gocryptfs.sif | grep Free)" ]
	opens out.sif --identity me.key
}

@test "killed at any moment: the old recipients or the new, and the next change goes well" {
	local i before list
	cp gocryptfs.sif out.sif
	for i in $(seq 30); do
		before=$(coffer recipient list --identity me.key out.sif)
		local what=add
		[[ $before != *"$(cat you.pub)"* ]] || what=remove
		timeout -s KILL "0.00$((RANDOM % 10))$((RANDOM % 10))" coffer recipient $what --identity me.key -r you.pub out.sif &>/dev/null || true
		list=$(coffer recipient list --identity me.key out.sif)
		[ "$list" = "$(cat me.pub)" ] || [ "$list" = "$(cat me.pub)
$(cat you.pub)" ]
	done
	coffer recipient add --identity me.key -r ed.pub out.sif
	opens out.sif --identity ed
	opens out.sif --identity me.key
}

@test "several at once wait for each other: all of it is done" {
	local i pids=()
	cp gocryptfs.sif out.sif
	for i in 1 2 3 4 5 6; do
		age-keygen -o more$i.key 2>/dev/null
		age-keygen -y more$i.key >more$i.pub
		coffer recipient add --identity me.key -r more$i.pub out.sif >/dev/null 3>&- &
		pids+=($!)
	done
	for i in "${pids[@]}"; do wait "$i"; done
	for i in 1 2 3 4 5 6; do opens out.sif --identity more$i.key; done
}

@test "an image that runs goes on" {
	cp gocryptfs.sif out.sif
	mkfifo go
	coffer exec --no-home --identity me.key out.sif sh -c 'read x; cat /etc/secret.txt' <go >said 3>&- &
	exec 8>go
	wait_for pgrep -u "$(id -u)" -f 'read x; cat /etc/secret.txt'
	coffer recipient add --identity me.key -r you.pub out.sif
	coffer recipient remove --identity you.key -r me.pub out.sif
	echo on >&8
	exec 8>&-
	wait $!
	grep -q 'a marker that must stay hidden' said
	opens out.sif --identity you.key
}

@test "what it needs is said: a recipient, a key, an encrypted image that may be written" {
	coffer build --force plain.sif tree
	refuses 'no recipient is named' coffer recipient add --identity me.key gocryptfs.sif
	refuses 'no key is given that opens the image' coffer recipient add -r you.pub gocryptfs.sif
	refuses 'is not encrypted' coffer recipient add -r you.pub plain.sif
	refuses 'none of the identities opens the image' coffer recipient add --identity you.key -r you.pub gocryptfs.sif
	cp "$FIXTURES/gocryptfs-pem.sif" out.sif
	chmod 0600 out.sif
	refuses 'no key object for an identity to open' coffer recipient add --identity me.key -r you.pub out.sif
	cheaply coffer build --force --passphrase -r me.pub out.sif tree <<<secret
	# Who knows the passphrase does not know who the others are.
	run --separate-stderr coffer recipient add --passphrase -r you.pub out.sif <<<secret
	refused 255 'none of the identities opens the image'
	am_root || {
		chmod 0444 out.sif
		refuses 'open out.sif: permission denied' coffer recipient add --identity me.key -r you.pub out.sif
		chmod 0644 out.sif
	}
	opens out.sif --identity me.key
	mkdir -p home/.config/coffer
	cp me.key home/.config/coffer/identities
	chmod 0600 home/.config/coffer/identities
	cp gocryptfs.sif out.sif
	coffer recipient add -r you.pub out.sif
	opens out.sif --identity you.key
}
