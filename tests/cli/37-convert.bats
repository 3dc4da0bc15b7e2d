#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# encrypt, decrypt, convert and rekey: another image from one that is there, without unpacking it; who opens it
# then, and who does not; what is kept, and that nothing is left behind.

load helper

setup_file() {
	make_work
	make_tree tree
	make_keys
	chmod 0777 .
	make_age_keys
	make_definition d.def tree
	head -c 3000000 /dev/urandom >tree/noise
	coffer -q build plain.sif d.def
	local name
	for name in luks2 gocryptfs; do
		coffer -q encrypt --encryption=$name -r me.pub -r ed.pub plain.sif $name.sif
	done
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
	mkdir -p home
	rm -rf home/.config out.sif out2.sif place
}

refuses() { # WORDS COMMAND...
	local words=$1
	shift
	run --separate-stderr "$@" </dev/null
	refused 255 "$words"
}
partition() { # IMAGE: its bytes
	coffer sif dump "$(coffer sif list "$1" | sed -n 's/^\([0-9]*\) .*|FS .*/\1/p')" "$1"
}
object() { # IMAGE KEY: what the key object holds
	coffer sif dump "$(coffer sif list "$1" | sed -n 's/^\([0-9]*\) .*|Generic\/Raw$/\1/p')" "$1" | age -d -i "$2"
}
volume_key() { object "$1" "$2" | sed 's/.*"volumeKey":"\([0-9a-f]*\)".*/\1/'; }
# By programs that share no code with coffer, from what is in the key object or with a passphrase.
cryptsetup_opens() { # IMAGE KEY
	partition "$1" >part
	volume_key "$1" "$2" | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >volume.key
	cryptsetup open --test-passphrase --volume-key-file volume.key part
}
gocryptfs_opens() { # IMAGE PASSPHRASE: by its configuration
	partition "$1" >part
	rm -rf place
	unsquashfs -n -d place part gocryptfs.conf >/dev/null 2>&1
	gocryptfs-xray -dumpmasterkey -extpass "echo $2" place/gocryptfs.conf >/dev/null 2>&1 ||
		printf '%s' "$2" | gocryptfs-xray -dumpmasterkey place/gocryptfs.conf >/dev/null
}
opens_by_passphrase() { # IMAGE PASSPHRASE
	run -0 --separate-stderr coffer exec --no-home --passphrase "$1" echo started <<<"$2"
	[ "$output" = started ]
}

# A piece of a file that does not compress.
has_noise() { # IMAGE
	grep -qF "$(dd if=tree/noise bs=1 skip=100 count=40 status=none | od -An -tx1 -v | tr -d ' \n')" \
		<(od -An -tx1 -v "$1" | tr -d ' \n')
}

@test "encrypted from plain: by each kind of key, what else is in the SIF is kept, nothing of it is in clear" {
	local kind
	for kind in luks2 gocryptfs; do
		opens $kind.sif --identity me.key
		opens $kind.sif --identity ed
		run -255 coffer exec --identity you.key $kind.sif true
		[ "$(coffer sif dump 1 $kind.sif)" = "$(coffer sif dump 1 plain.sif)" ]
		[ "$(coffer inspect $kind.sif)" = "$(coffer inspect plain.sif)" ]
		[ "$(coffer sif header $kind.sif | grep -i uuid)" = "$(coffer sif header plain.sif | grep -i uuid)" ]
		has_noise plain.sif
		refute has_noise $kind.sif
		coffer -q encrypt --encryption=$kind --pem-path rsa_pub.pem plain.sif out.sif
		opens out.sif --pem-path rsa_pri.pem
		cheaply coffer -q encrypt --force --encryption=$kind --passphrase plain.sif out.sif <<<secret
		opens_by_passphrase out.sif secret
		rm out.sif
	done
	run -0 coffer exec --identity me.key luks2.sif cat /etc/secret.txt /etc/post.txt
	[[ $output == *'a marker that must stay hidden'*'made in post'* ]]
}

@test "encrypted from a bare squashfs: a SIF with the same bytes in it" {
	partition plain.sif >bare.squashfs
	coffer -q encrypt -r me.pub bare.squashfs out.sif
	opens out.sif --identity me.key
	coffer -q decrypt --identity me.key out.sif out2.sif
	cmp <(partition out2.sif) bare.squashfs
	opens out2.sif
}

@test "to the other kind and back, and decrypted: the squashfs is the same, to the byte" {
	local kind other
	for kind in luks2 gocryptfs; do
		other=luks2
		[ $kind = gocryptfs ] || other=gocryptfs
		run -0 --separate-stderr coffer convert --identity ed $kind.sif out.sif
		[[ $stderr == *"is encrypted with "*"recipients: 2"* ]]
		[[ $(coffer sif list out.sif) == *"$([ $other = luks2 ] && echo Encrypted || echo Gocryptfs) squashfs"* ]]
		opens out.sif --identity me.key
		opens out.sif --identity ed
		[ "$(coffer recipient list --identity me.key out.sif)" = "$(coffer recipient list --identity me.key $kind.sif)" ]
		coffer -q convert --encryption=$kind --identity me.key out.sif out2.sif
		opens out2.sif --identity ed
		rm out.sif
		run -0 --separate-stderr coffer decrypt --identity me.key out2.sif out.sif
		[[ $stderr == *'lies on the disk in clear'* ]]
		[ "$(stat -c %a out.sif)" = 700 ]
		cmp <(partition out.sif) <(partition plain.sif)
		opens out.sif
		rm out.sif out2.sif
	done
}

@test "cryptsetup and gocryptfs open what comes of it" {
	coffer -q convert --identity me.key gocryptfs.sif out.sif
	cryptsetup_opens out.sif me.key
	coffer -q rekey --identity me.key out.sif
	cryptsetup_opens out.sif me.key
	cheaply coffer -q convert --force --identity me.key --new-passphrase gocryptfs.sif out.sif <<<'new words'
	partition out.sif >part
	printf 'new words' | cryptsetup open --test-passphrase --key-file - part
	coffer -q convert --force --identity me.key --new-passphrase luks2.sif out.sif <<<'new words'
	gocryptfs_opens out.sif 'new words'
	run -0 cheaply coffer -q rekey --passphrase out.sif <<<'new words'
	gocryptfs_opens out.sif 'new words'
	refute gocryptfs_opens out.sif 'other words'
	rm -f volume.key
}

@test "rekey: another volume key and secret, the same recipients, and of the old ones nothing opens it" {
	local kind
	for kind in luks2 gocryptfs; do
		cp $kind.sif out.sif
		chmod 0640 out.sif
		ln -sf out.sif link.sif
		coffer -q rekey --identity me.key link.sif
		[ -L link.sif ] && [ "$(stat -c %a out.sif)" = 640 ]
		opens out.sif --identity me.key
		opens out.sif --identity ed
		[ "$(volume_key out.sif me.key)" != "$(volume_key $kind.sif me.key)" ]
		[ "$(object out.sif me.key | grep -o '"secret":"[^"]*"')" != "$(object $kind.sif me.key | grep -o '"secret":"[^"]*"')" ]
		refute cmp -s <(partition out.sif | tail -c 100000) <(partition $kind.sif | tail -c 100000)
		# For those that are named, and nobody else.
		coffer -q rekey --identity me.key -r you.pub out.sif
		opens out.sif --identity you.key
		refuses 'none of the identities opens the image' coffer exec --identity me.key out.sif true
		coffer -q rekey --identity you.key -r me.pub out.sif out2.sif
		opens out2.sif --identity me.key
		opens out.sif --identity you.key
		rm out.sif out2.sif
	done
}

@test "a file that is replaced in place keeps its owner, group, permission bits and ACL" {
	local owner
	owner=$(id -u):$(id -g)
	mkdir -m 2755 place
	cp luks2.sif place/out.sif
	chmod 0600 place/out.sif
	if [ "$(id -u)" -eq 0 ]; then
		chown 1002:1002 place/out.sif
		chgrp 1001 place
		chmod 2755 place
		owner=1002:1002
		SUDO_COMMAND="/usr/bin/coffer rekey" SUDO_UID=1001 SUDO_GID=1001 coffer -q rekey --identity me.key place/out.sif
		[ "$(stat -c %u:%g:%a place/out.sif)" = $owner:600 ]
		# The group is the file's, not the folder's, nor that of who writes it.
		chown 0:0 place/out.sif
		coffer -q rekey --identity me.key place/out.sif
		[ "$(stat -c %u:%g:%a place/out.sif)" = 0:0:600 ]
		chown $owner place/out.sif
	else
		# Who called sudo is somebody that this namespace does not know: the file is not for them.
		SUDO_COMMAND="/usr/bin/coffer rekey" SUDO_UID=4321 SUDO_GID=4321 unshare -r coffer -q rekey --identity me.key place/out.sif
	fi
	# Under its own name as a new one it is in place, too.
	coffer -q rekey --force --identity me.key place/out.sif place/../place/out.sif
	[ "$(stat -c %u:%g:%a place/out.sif)" = $owner:600 ]
	acl place/out.sif give
	acl place/out.sif list >acl.before
	[ "$(stat -c %a place/out.sif)" = 660 ]
	coffer -q rekey --identity me.key place/out.sif
	acl place/out.sif list | cmp - acl.before
	[ "$(stat -c %u:%g:%a place/out.sif)" = $owner:660 ]
	# By its folder a new file would have one.
	acl place/out.sif take
	chmod 0640 place/out.sif
	acl place give default
	coffer -q rekey --identity me.key place/out.sif
	[ "$(acl place/out.sif list)" = none ]
	[ "$(stat -c %a place/out.sif)" = 640 ]
	rm -r place acl.before
}
# One user more may read and write it, and the group may not.
acl() { # FILE give|take|list [default]
	python3 - "$@" <<-'END'
		import os, struct, sys
		name = "system.posix_acl_" + (sys.argv[3] if sys.argv[3:] else "access")
		if sys.argv[2] == "give":
		    entries = [(1, 6, -1), (2, 6, 4000), (4, 0, -1), (16, 6, -1), (32, 0, -1)]
		    os.setxattr(sys.argv[1], name, struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *e) for e in entries))
		elif sys.argv[2] == "take":
		    os.removexattr(sys.argv[1], name)
		else:
		    print(os.getxattr(sys.argv[1], name).hex() if name in os.listxattr(sys.argv[1]) else "none")
	END
}

@test "nobody is lost and nobody let in unseen: what is not in the image has to be named again" {
	coffer -q encrypt --encryption=gocryptfs --passphrase -r me.pub plain.sif pass.sif <<<secret
	coffer -q encrypt --pem-path rsa_pub.pem -r me.pub plain.sif pem.sif
	cp pass.sif same.sif
	refuses 'it also has a passphrase' coffer rekey --identity me.key pass.sif
	run --separate-stderr coffer rekey --passphrase pass.sif <<<secret
	refused 255 'its recipients are told to one of them alone'
	run --separate-stderr coffer rekey --passphrase --identity me.key pass.sif <<<wrong
	refused 255 'not the right one'
	cmp pass.sif same.sif
	run -0 cheaply coffer -q rekey --passphrase --identity me.key pass.sif <<<secret
	opens_by_passphrase pass.sif secret
	opens pass.sif --identity me.key
	cp pem.sif same.sif
	refuses 'it is also for an RSA key' coffer rekey --identity me.key pem.sif
	refuses 'its recipients are told' coffer rekey --pem-path rsa_pri.pem pem.sif
	cmp pem.sif same.sif
	coffer -q rekey --pem-path rsa_pri.pem --identity me.key pem.sif
	opens pem.sif --pem-path rsa_pri.pem
	opens pem.sif --identity me.key
	run -255 coffer exec --pem-path other_pri.pem pem.sif true
	# Exactly those that are named.
	coffer -q rekey --identity me.key --new-pem-path other_pub.pem pem.sif
	opens pem.sif --pem-path other_pri.pem
	run -255 coffer exec --pem-path rsa_pri.pem pem.sif true
	run -255 coffer exec --identity me.key pem.sif true
}

# The image's key object written anew by age, for KEY...: its text as sed makes it.
rewrite_object() { # IMAGE SED KEY...
	local image=$1 script=$2 key options=()
	shift 2
	for key; do options+=(-r "$(cat "$key")"); done
	object "$image" me.key | sed "$script" | age -e "${options[@]}" >new.age
	put_object "$image" new.age
	rm new.age
}
put_object() { # IMAGE FILE: in the place of its key object
	python3 - "$@" <<-'END'
		import struct, sys
		new = open(sys.argv[2], "rb").read()
		with open(sys.argv[1], "r+b") as f:
		    for slot in range(48):
		        at = 4096 + slot * 585
		        f.seek(at)
		        d = f.read(585)
		        if d[4] and d[73:73 + 14] == b"coffer-key.age":
		            end = f.seek(0, 2)
		            f.write(new)
		            f.seek(at + 17)
		            f.write(struct.pack("<QQQ", end, len(new), len(new)))
	END
}
stays() { # IMAGE WORDS: neither rekeyed nor converted by me.key alone
	cp "$1" same.sif
	refuses "$2" coffer rekey --identity me.key "$1"
	refuses "$2" coffer convert --identity me.key "$1" out2.sif
	cmp "$1" same.sif
	[ ! -e out2.sif ]
	rm same.sif
}

@test "the image is locked while it is read, by each of them; waiting is said" {
	local command pid
	cp luks2.sif out.sif
	cp plain.sif place.sif
	for command in 'encrypt -r me.pub place.sif' 'decrypt --identity me.key out.sif' \
		'convert --identity me.key out.sif' 'rekey --identity me.key out.sif' 'rekey --identity me.key --force out.sif out.sif #'; do
		local image=out.sif
		[[ $command != encrypt* ]] || image=place.sif
		rm -f out2.sif held
		: >said
		flock -x $image sh -c 'touch held; n=0; until grep -q "waiting for .*$1, which another" said || [ $((n += 1)) -gt 200 ]; do sleep 0.05; done; echo more >>"$1"; rm held' - $image 3>&- &
		pid=$!
		wait_for test -e held
		bash -c "exec timeout 30 coffer $command out2.sif" 2>said
		wait $pid
		[ ! -e held ] && grep -q "waiting for .*$image, which another" said
	done
	[ "$(tail -c 5 place.sif)" = more ]
	opens out.sif --identity me.key
	# Who only reads keeps nobody from reading.
	flock -s out.sif coffer -q convert --force --identity me.key out.sif out2.sif
	rm -f place.sif said
}

@test "where a file cannot be locked it goes well, and a change is found" {
	local errnum
	cp luks2.sif out.sif
	for errnum in EBADF ENOSYS ENOLCK EOPNOTSUPP; do
		strace -f -o strace.log -e trace=flock -e inject=flock:error=$errnum coffer -q rekey --identity me.key out.sif
		grep -q INJECTED strace.log
		opens out.sif --identity me.key
	done
	cp out.sif same.sif
	run --separate-stderr strace -f -o strace.log -e trace=flock -e inject=flock:error=EIO coffer rekey --identity me.key out.sif
	refused 255 'lock out.sif'
	# Written to between the first look and the last.
	: >strace.log
	strace -f -o strace.log -e trace=flock,fallocate -e inject=flock:error=ENOLCK -e inject=fallocate:delay_enter=3000000 \
		coffer rekey --identity me.key out.sif 2>said 3>&- &
	wait_for grep -q INJECTED strace.log
	sleep 1
	echo more >>out.sif
	status=0
	wait $! || status=$?
	stderr=$(cat said)
	refused 255 'out.sif has been changed meanwhile'
	cmp <(head -c -5 out.sif) same.sif
	rm -f strace.log said
}

@test "what is to be replaced is not the image itself, and a private image's texts stay private" {
	local kind
	mkdir place
	cp plain.sif place/plain.sif
	cp luks2.sif place/luks2.sif
	cd place
	ln plain.sif other.sif
	ln -s luks2.sif link.sif
	refuses 'plain.sif is the image itself' coffer encrypt --force -r ../me.pub plain.sif plain.sif
	refuses 'other.sif is the image itself' coffer encrypt --force -r ../me.pub plain.sif other.sif
	refuses 'luks2.sif is the image itself' coffer decrypt --force --identity ../me.key link.sif luks2.sif
	refuses 'luks2.sif is the image itself' coffer convert --force --identity ../me.key luks2.sif ../place/luks2.sif
	cmp plain.sif ../plain.sif
	cmp luks2.sif ../luks2.sif
	umask 022
	chmod 0600 plain.sif luks2.sif
	coffer -q encrypt -r ../me.pub plain.sif 1.sif
	coffer -q convert --identity ../me.key luks2.sif 2.sif
	coffer -q rekey --identity ../me.key luks2.sif 3.sif
	coffer -q decrypt --identity ../me.key luks2.sif 4.sif
	[ "$(stat -c %a [1-4].sif | tr '\n' ' ')" = '700 700 700 700 ' ]
	rm [1-4].sif
	chmod 0644 plain.sif luks2.sif
	coffer -q encrypt -r ../me.pub plain.sif 1.sif
	coffer -q convert --identity ../me.key luks2.sif 2.sif
	[ "$(stat -c %a [12].sif | tr '\n' ' ')" = '755 755 ' ]
	# The group of who has called sudo is not that of the old file.
	if am_root; then
		rm 1.sif
		chmod 0640 plain.sif
		SUDO_COMMAND="/usr/bin/coffer encrypt" SUDO_UID=1001 SUDO_GID=1001 coffer -q encrypt -r ../me.pub plain.sif 1.sif
		[ "$(stat -c %u:%g:%a 1.sif)" = 1001:1001:700 ]
	fi
	cd ..
	rm -r place
}

@test "a key object that tells less than the image has is not believed: nobody is lost by it" {
	local kind
	# The words of a keyslot that somebody has changed.
	cp luks2.sif out.sif
	partition out.sif >part
	object out.sif me.key | sed 's/.*"secret":"\([0-9a-f]*\)".*/\1/' | python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >one
	printf 'other words' >two
	cryptsetup luksChangeKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file one part two
	dd if=part of=out.sif bs=4096 seek=$(($(coffer sif list out.sif | sed -n 's/.*|\([0-9]*\)-.*|FS .*/\1/p') / 4096)) conv=notrunc status=none
	opens_by_passphrase out.sif 'other words'
	stays out.sif 'it also has a passphrase, of which its key object does not tell'
	run -0 cheaply coffer -q rekey --identity me.key --passphrase out.sif <<<'other words'
	opens_by_passphrase out.sif 'other words'
	opens out.sif --identity ed
	for kind in luks2 gocryptfs; do
		cp $kind.sif out.sif
		rewrite_object out.sif 's/"secret":"[0-9a-f]*"/"secret":"00"/' me.pub ed.pub
		opens out.sif --identity me.key
		stays out.sif 'it also has a passphrase, of which its key object does not tell'
		# Somebody is let in who is not on the list.
		cp $kind.sif out.sif
		rewrite_object out.sif '' me.pub ed.pub you.pub
		opens out.sif --identity you.key
		stays out.sif 'its key object is for others than it names'
		refuses 'its key object is for others than it names' coffer recipient add --identity me.key -r srsa.pub out.sif
		refuses 'its key object is for others than it names' coffer recipient remove --identity me.key -r ed.pub out.sif
		opens out.sif --identity you.key
		# Nobody is on it.
		cp $kind.sif out.sif
		rewrite_object out.sif 's/"recipients":.*/"recipients":[]}/' me.pub
		opens out.sif --identity me.key
		stays out.sif 'nobody would be able to open the new one'
		# Who names them all has what was asked for.
		coffer -q rekey --identity me.key -r you.pub out.sif
		opens out.sif --identity you.key
	done
	rm one two part
}

@test "a LUKS2 image with several keyslots: not one of them is dropped unseen" {
	partition "$FIXTURES/luks-pass.sif" >part
	printf secret >one
	printf another >two
	cryptsetup luksAddKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file one part two
	cp "$FIXTURES/luks-pass.sif" out.sif
	chmod 0600 out.sif
	dd if=part of=out.sif bs=4096 seek=$(($(coffer sif list out.sif | sed -n 's/.*|\([0-9]*\)-.*|FS .*/\1/p') / 4096)) conv=notrunc status=none
	opens_by_passphrase out.sif another
	run --separate-stderr coffer rekey --passphrase out.sif <<<secret
	refused 255 'it has several keyslots'
	run -0 coffer -q rekey --passphrase -r me.pub out.sif <<<secret
	opens out.sif --identity me.key
}

@test "images of Apptainer's are converted and rekeyed by the key that they have" {
	local kind
	for kind in luks gocryptfs; do
		run -0 --separate-stderr coffer convert --pem-path "$FIXTURES/rsa_private.pem" "$FIXTURES/$kind-pem.sif" out.sif
		[[ $stderr == *'under a new volume key' ]]
		opens out.sif --pem-path "$FIXTURES/rsa_private.pem"
		cheaply coffer -q convert --passphrase "$FIXTURES/$kind-pass.sif" out2.sif <<<secret
		opens_by_passphrase out2.sif secret
		coffer -q decrypt --force --pem-path "$FIXTURES/rsa_private.pem" out.sif out2.sif
		opens out2.sif
		rm out.sif out2.sif
	done
}

@test "nothing is overwritten without --force, and what is refused leaves nothing behind" {
	mkdir place
	cp plain.sif place/
	cp luks2.sif place/
	cd place
	echo precious >there.sif
	refuses 'is there already' coffer encrypt -r ../me.pub plain.sif there.sif
	refuses 'is there already' coffer decrypt --identity ../me.key luks2.sif there.sif
	refuses 'is there already' coffer convert --identity ../me.key luks2.sif there.sif
	refuses 'is there already' coffer rekey --identity ../me.key luks2.sif there.sif
	[ "$(cat there.sif)" = precious ]
	refuses 'is encrypted already' coffer encrypt -r ../me.pub luks2.sif new.sif
	refuses 'is not encrypted' coffer decrypt --identity ../me.key plain.sif new.sif
	refuses 'is not encrypted' coffer convert --identity ../me.key plain.sif new.sif
	refuses 'is not encrypted' coffer rekey --identity ../me.key plain.sif
	refuses 'is a folder' coffer encrypt -r ../me.pub ../tree new.sif
	refuses 'no key is given to encrypt' coffer encrypt plain.sif new.sif
	refuses 'no key is given that opens' coffer decrypt luks2.sif new.sif
	refuses 'none of the identities' coffer convert --identity ../you.key luks2.sif new.sif
	[ "$(ls -A | sort | tr '\n' ' ')" = 'luks2.sif plain.sif there.sif ' ]
	coffer -q encrypt --force -r ../me.pub plain.sif there.sif
	opens there.sif --identity ../me.key
}

@test "killed at any moment, or out of room: the old image or the new, and nothing beside it" {
	local i
	mkdir place
	cp gocryptfs.sif place/image.sif
	cd place
	for i in $(seq 20); do
		(timeout -s KILL "0.0$((RANDOM % 10))$((RANDOM % 10))" coffer -q rekey --identity ../me.key image.sif || true) &>/dev/null
		coffer recipient list --identity ../me.key image.sif >/dev/null
		# Between the name that it has for a moment and its own it is whole.
		find . -name '.image.sif.*' -exec coffer recipient list --identity ../me.key {} \; -delete >/dev/null
		[ "$(ls -A)" = image.sif ]
	done
	opens image.sif --identity ../me.key
	cp image.sif ../same.sif
	run --separate-stderr sh -c 'ulimit -f 1024; exec coffer rekey --identity ../me.key image.sif'
	[ "$status" -ne 0 ]
	cmp image.sif ../same.sif
	[ "$(ls -A)" = image.sif ]
	# The disk fills up in the midst of it.
	run -0 --separate-stderr unshare -rm sh -ec 'mkdir full && mount -t tmpfs -o size=5m none full
		cp image.sif full && cd full
		coffer rekey --identity ../../me.key image.sif || echo status $?
		cmp image.sif ../image.sif && ls -A'
	[ "$output" = "status 255
image.sif" ]
	err_has 'no space left on device'
}

@test "an image that runs while it is rekeyed goes on" {
	cp gocryptfs.sif out.sif
	mkfifo go
	coffer exec --no-home --identity me.key out.sif sh -c 'read x; md5sum /noise' <go >said 3>&- &
	exec 8>go
	wait_for pgrep -u "$(id -u)" -f 'read x; md5sum /noise'
	coffer -q rekey --identity me.key -r you.pub out.sif
	echo on >&8
	exec 8>&-
	wait $!
	[ "$(cut -d' ' -f1 said)" = "$(md5sum <tree/noise | cut -d' ' -f1)" ]
	opens out.sif --identity you.key
}

@test "damaged on the way: an error, and no new image" {
	cp gocryptfs.sif out.sif
	printf 'xxxx' | dd of=out.sif bs=1 seek=2000000 conv=notrunc status=none
	run --separate-stderr coffer convert --identity me.key out.sif out2.sif
	[ "$status" -eq 255 ]
	[ ! -e out2.sif ]
	run --separate-stderr coffer decrypt --identity me.key out.sif out2.sif
	[ "$status" -eq 255 ]
	[ ! -e out2.sif ]
}
