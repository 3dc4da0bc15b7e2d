#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images for recipients: age's keys and OpenSSH's open the key object, whatever else opens the image
# goes on to, and an object that was taken away or exchanged is an error.

load helper

setup_file() {
	make_work
	make_tree tree
	make_keys
	chmod 0777 .
	make_age_keys
	local name
	for name in luks2 gocryptfs; do
		coffer build --encryption=$name --recipient "$(cat me.pub)" -r ed.pub -R srsa.pub $name.sif tree
		coffer build --encryption=$name -r you.pub you-$name.sif tree
	done
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
	mkdir -p home
	rm -rf home/.config out.sif new.key
}

refuses() { # WORDS COMMAND...
	local words=$1
	shift
	run --separate-stderr "$@" </dev/null
	[ "$status" -eq 255 ]
	[[ $stderr == *"$words"* ]] || { echo "$stderr"; false; }
}
# Where the object of an image lies: its last one. Sets off, len.
object_of() { # IMAGE
	local range
	range=$(coffer sif list "$1" | sed -n 's/.*|2 *|3 *|\([0-9]*-[0-9]*\) .*/\1/p')
	off=${range%-*} len=$((${range#*-} - ${range%-*}))
	[ "$len" -gt 0 ]
}

@test "each recipient opens both kinds, and age and ssh keys alike" {
	local kind key
	for kind in luks2 gocryptfs; do
		for key in me.key ed srsa; do
			opens $kind.sif --identity "$key"
		done
		opens $kind.sif --identity you.key --identity me.key
		refuses 'none of the identities opens the image' coffer exec --identity you.key $kind.sif true
		refuses 'encrypted for recipients' coffer exec $kind.sif true
	done
}

@test "Debian's age reads the object, and what is in it opens the seal" {
	local kind secret
	for kind in luks2 gocryptfs; do
		coffer sif dump 4 $kind.sif >object
		for key in me.key ed srsa; do age -d -i "$key" object >text.$key; done
		cmp text.me.key text.ed
		cmp text.me.key text.srsa
		python3 -c 'import json, sys; t = json.load(open("text.ed")); sys.stdout.buffer.write(bytes.fromhex(t["secret"]))' >secret
	done
	run -0 --separate-stderr coffer exec --no-home --key-command 'cat secret' gocryptfs.sif echo started
	[ "$output" = started ]
	# A LUKS2 secret is 64 random bytes, and no line: for cryptsetup alone.
	coffer sif dump 3 luks2.sif >partition
	coffer sif dump 4 luks2.sif | age -d -i me.key | sed 's/.*"secret":"\([0-9a-f]*\)".*/\1/' |
		python3 -c 'import sys; sys.stdout.buffer.write(bytes.fromhex(sys.stdin.read()))' >secret
	cryptsetup open --test-passphrase --key-file secret partition
}

@test "beside an RSA key and beside a passphrase both open as always" {
	local kind
	for kind in luks2 gocryptfs; do
		coffer build --force --encryption=$kind --pem-path rsa_pub.pem -r me.pub out.sif tree
		opens out.sif --pem-path rsa_pri.pem
		opens out.sif --identity me.key
		opens out.sif --identity rsa_pri.pem
		[ "$(coffer recipient list out.sif)" = "RSA-OAEP, Apptainer's own message
X25519" ]
		cheaply coffer build --force --encryption=$kind --passphrase -r me.pub out.sif tree <<<secret
		run -0 --separate-stderr coffer exec --no-home --passphrase out.sif echo started <<<secret
		[ "$output" = started ]
		opens out.sif --identity me.key
		# The passphrase is its owner's, and no recipient's.
		coffer sif dump 4 out.sif | age -d -i me.key >text
		refute grep -q '"secret"' text
	done
}

@test "an RSA key as PEM is a recipient, and opens by --pem-path too" {
	coffer build -r rsa_pub.pem out.sif tree
	opens out.sif --identity rsa_pri.pem
	opens out.sif --pem-path rsa_pri.pem
	refuses 'none of the identities' coffer exec --pem-path other_pri.pem out.sif true
}

@test "recipient list needs no key and shows what ssh-keygen shows" {
	run -0 coffer recipient list luks2.sif
	[ "${lines[0]}" = X25519 ]
	[[ $(ssh-keygen -l -f ed.pub) == *" ${lines[1]#ssh-ed25519 }"* ]] ||
		[[ $(ssh-keygen -l -f ed.pub) == *" $(sed 's/^ssh-ed25519 //; s/\.\.\.$//' <<<"${lines[1]}")"* ]]
	[[ $(ssh-keygen -l -f srsa.pub) == *" $(sed 's/^ssh-rsa //; s/\.\.\.$//' <<<"${lines[2]}")"* ]]
	coffer build --force out.sif tree
	refuses 'names no recipients' coffer recipient list out.sif
}

@test "an object of another image, taken away, or damaged: an error, never another key" {
	local kind off len
	for kind in luks2 gocryptfs; do
		object_of you-$kind.sif
		dd if=you-$kind.sif of=object bs=1 skip="$off" count="$len" status=none
		coffer build --force --encryption=$kind -r you.pub out.sif tree
		opens out.sif --identity you.key
		object_of out.sif
		[ "$len" -eq "$(stat -c %s object)" ]
		dd if=object of=out.sif bs=1 seek="$off" conv=notrunc status=none
		refuses "key object is that of another image" coffer exec --identity you.key out.sif true
		# The descriptor is marked as unused: sif.md 3.
		coffer build --force --encryption=$kind -r you.pub out.sif tree
		printf '\0' | dd of=out.sif bs=1 seek=$((4096 + 3 * 585 + 4)) conv=notrunc status=none
		refuses 'no key object for an identity to open' coffer exec --identity you.key out.sif true
		refuses 'required option' coffer exec out.sif true
		coffer build --force --encryption=$kind --pem-path rsa_pub.pem -r you.pub out.sif tree
		object_of out.sif
		printf 'XXXX' | dd of=out.sif bs=1 seek=$((off + len - 4)) conv=notrunc status=none
		refuses 'key object' coffer exec --identity you.key out.sif true
		opens out.sif --pem-path rsa_pri.pem
	done
}

@test "files of the user's own: recipients and identities" {
	mkdir -p home/.config/coffer
	cat me.pub ed.pub >home/.config/coffer/recipients
	{ echo '# mine'; echo; cat you.key me.key; } >home/.config/coffer/identities
	chmod 0600 home/.config/coffer/identities
	run -0 --separate-stderr coffer -v build --encrypt out.sif tree
	[[ $stderr == *"taking the recipients of $HOME/.config/coffer/recipients"* ]]
	[ "$(coffer recipient list out.sif | wc -l)" -eq 2 ]
	run -0 --separate-stderr coffer -v exec --no-home out.sif echo started
	[[ $stderr == *"taking the identities of $HOME/.config/coffer/identities"* ]]
	[ "$output" = started ]
	coffer key check out.sif
	# Not without being asked: a plain image stays one.
	coffer build --force out.sif tree
	run -255 coffer recipient list out.sif
}

@test "variables that are left over neither lock nor open what an option names keys for" {
	APPTAINER_ENCRYPTION_PASSPHRASE=old coffer build --force -r me.pub out.sif tree
	refuses 'encrypt' env APPTAINER_ENCRYPTION_PASSPHRASE=old coffer exec out.sif true
	opens out.sif --identity me.key
}

@test "keygen: mode 0600, never over a file, and its identity opens what its recipient locks" {
	run -0 coffer keygen -o new.key --unprotected
	[ "$(stat -c %a new.key)" = 600 ]
	local public
	public=$(sed -n 's/^public key: *//p' <<<"$output")
	[ "$(age-keygen -y new.key)" = "$public" ]
	[[ $output == *"build --recipient $public"* ]]
	coffer build --force --recipient "$public" out.sif tree
	opens out.sif --identity new.key
	refuses 'never overwritten' coffer keygen -o new.key --unprotected
	coffer keygen --unprotected
	opens out.sif --identity new.key
	[ "$(stat -c %a home/.config/coffer/identities)" = 600 ]
	refuses 'never overwritten' coffer keygen
}

@test "keygen protects the key on a terminal, and run asks for its passphrase" {
	terminal "protect the key: " pass "Confirm passphrase: " pass -- coffer keygen -o new.key >said
	grep -q 'protected with a passphrase' said
	head -c 21 new.key | grep -q 'age-encryption.org/v1'
	local public
	public=$(sed -n 's/^public key: *\([a-z0-9]*\).*/\1/p' said)
	coffer build --force --recipient "$public" out.sif tree
	run -0 --separate-stderr coffer exec --no-home --identity new.key out.sif echo started <<<pass
	[ "$output" = started ]
	run -255 --separate-stderr coffer exec --identity new.key out.sif true <<<wrong
	[[ $stderr == *'the passphrase does not open new.key'* ]]
	run -0 coffer key show new.key <<<pass
	[[ $output == *"$public"* ]]
}

@test "a key of OpenSSH's that has a passphrase opens what it is for, and the passphrase is in no argument" {
	cp ed locked && ssh-keygen -q -p -N 'the secret' -f locked
	run -0 coffer exec --identity locked luks2.sif echo started <<<'the secret'
	cp srsa locked-rsa && ssh-keygen -q -p -N 'the secret' -Z aes256-gcm@openssh.com -f locked-rsa
	run -0 coffer exec --identity locked-rsa gocryptfs.sif echo started <<<'the secret'
	run -0 coffer key show locked <<<'the secret'
	[[ $output == *'OpenSSH Ed25519 identity'*"$(ssh-keygen -l -f ed.pub | cut -d' ' -f2)"* ]]
	run -0 terminal "Enter passphrase of locked: " 'the secret' -- coffer exec --identity locked luks2.sif echo started
	[[ $output == *started* && $output != *ECHO!* && $output != *MODES!* ]]
	run -255 --separate-stderr coffer exec --identity locked luks2.sif true <<<wrong
	[[ $stderr == *'the passphrase does not open the private key'* ]]
	refuses 'protected with a passphrase, and none was given for it' coffer exec --identity locked luks2.sif true
	# What ssh-keygen is started with, and what it finds there.
	mkdir -p bin
	cat >bin/ssh-keygen <<-'END'
		#!/bin/sh
		{ echo "$@"; /usr/bin/env; } >seen
		exec /usr/bin/ssh-keygen "$@"
	END
	chmod +x bin/ssh-keygen
	DISPLAY=:9 SSH_ASKPASS=/bin/false SSH_ASKPASS_REQUIRE=force PATH=$WORK/bin:$PATH \
		run -0 coffer exec --identity locked luks2.sif echo started <<<'the secret'
	grep -q -e '-p -N' seen
	refute grep -q -e secret -e ASKPASS -e DISPLAY seen
	rm -r bin seen
	# A copy whose private half is not what it was: ssh-keygen's word for it is repeated.
	sed '5s/......../AAAAAAAA/' locked >torn
	chmod 600 torn
	run -255 --separate-stderr coffer exec --identity torn luks2.sif true <<<'the secret'
	[[ $stderr == *'passphrase does not open'* || $stderr == *'does not take the protection off'* ]]
}

@test "key show and key check know these keys" {
	run -0 coffer key show me.key
	[[ $output == *'age X25519 identity'*"$(cat me.pub)"* ]]
	run -0 coffer key show me.pub
	[[ $output == *'age X25519 recipient'*"$(cat me.pub)"* ]]
	run -0 coffer key show ed
	[[ $output == *'OpenSSH Ed25519 identity'*"$(ssh-keygen -l -f ed.pub | cut -d' ' -f2)"* ]]
	run -0 coffer key check luks2.sif you.key me.key ed srsa
	[ "$output" = "you.key: does not open $WORK/luks2.sif
me.key: opens $WORK/luks2.sif
ed: opens $WORK/luks2.sif
srsa: opens $WORK/luks2.sif" ]
	run -1 coffer key check luks2.sif you.key
}

@test "what is no recipient or no identity is named" {
	refuses 'this is an identity, which is private' coffer build --force -R me.key out.sif tree
	refuses 'is a recipient, and an identity is needed' coffer exec --identity me.pub luks2.sif true
	echo rubbish >bad
	refuses 'line 1 of bad is no identity' coffer exec --identity bad luks2.sif true
	refuses 'line 1 of bad is no recipient' coffer build --force -r bad out.sif tree
	refuses 'its checksum does not fit' coffer build --force -r "$(cat me.pub)x" out.sif tree
	refuses 'plugins are not supported' coffer build --force -r age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5 out.sif tree
	ssh-keygen -q -t ecdsa -N '' -f ec
	refuses 'neither ssh-ed25519 nor ssh-rsa' coffer build --force -r ec.pub out.sif tree
	refuses 'a key was given where the name of its file belongs' coffer exec --identity "$(tail -1 me.key)" luks2.sif true
	refute grep -q "$(tail -1 me.key)" <<<"$stderr"
	[ ! -e out.sif ]
}
