#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Another passphrase for an image, and another cost of guessing it: who opens it then, with which program;
# what stays; a kill and a full disk leave an image that one of the two opens.

load helper

setup_file() {
	make_work
	make_tree tree
	chmod 0777 .
	make_age_keys
	local kind
	for kind in luks2 gocryptfs; do
		cheaply coffer -q build --encryption=$kind --passphrase -r me.pub $kind.sif tree <<<'old words'
	done
	# No time is spent on guessing in what follows.
	coffer -q passphrase --keep --kdf-memory 1 gocryptfs.sif <<<'old words'
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
	mkdir -p home
	# What is made, and made anew, costs nothing to try.
	export PATH=$WORK/cheap:$PATH
	rm -rf out.sif
}

refuses() { # WORDS COMMAND...
	local words=$1
	shift
	run --separate-stderr "$@"
	refused 255 "$words"
}
opens_by() { # IMAGE PASSPHRASE
	run coffer key check --passphrase "$1" <<<"$2"
	[[ $status -eq 0 && $output == *': opens '* ]]
}
both() { printf '%s\n' "$@"; } # OLD NEW
partition() { # IMAGE
	coffer sif dump "$(coffer sif list "$1" | sed -n 's/^\([0-9]*\) .*|FS .*/\1/p')" "$1"
}
partition_begins() { # IMAGE
	coffer sif list "$1" | sed -n 's/.*|\([0-9]*\)-.*|FS .*/\1/p'
}
put_partition() { # IMAGE: with part in it
	dd if=part of="$1" bs=4096 seek=$(($(partition_begins "$1") / 4096)) conv=notrunc status=none
}
cryptsetup_opens() { # IMAGE PASSPHRASE
	partition "$1" >part
	printf %s "$2" | cryptsetup open --test-passphrase --key-file - part
}
gocryptfs_conf() { # IMAGE: conf
	partition "$1" >part
	rm -rf outer
	unsquashfs -n -d outer part gocryptfs.conf >/dev/null 2>&1
}
gocryptfs_opens() { # IMAGE PASSPHRASE
	gocryptfs_conf "$1"
	printf %s "$2" | gocryptfs-xray -dumpmasterkey outer/gocryptfs.conf >/dev/null 2>&1
}

@test "the new one opens both kinds, the old one does not, and all else is as it was" {
	local kind differ
	for kind in luks2 gocryptfs; do
		cp $kind.sif out.sif
		chmod 0640 out.sif
		run -0 --separate-stderr coffer passphrase out.sif < <(both 'old words' 'new words')
		[ "$output" = "out.sif: it has another passphrase now" ]
		[[ $stderr == *'may have kept a copy of the image'*'`coffer rekey`'* ]]
		err_has 'Guessing the old passphrase cost next to nothing'
		opens_by out.sif 'new words'
		refute opens_by out.sif 'old words'
		opens out.sif --identity me.key
		run -0 --separate-stderr coffer exec --no-home --passphrase out.sif echo started <<<'new words'
		[ "$output" = started ]
		[ "$(stat -c %a out.sif)" = 640 ]
		# Of 2 MiB header, or of the text beside the encrypted file.
		[ "$(stat -c %s out.sif)" = "$(stat -c %s $kind.sif)" ]
		differ=$(cmp -l $kind.sif out.sif | wc -l)
		[ "$differ" -gt 50 ]
		[ "$differ" -lt $([ $kind = luks2 ] && echo 2200000 || echo 500) ]
		[ -z "$(ls -A | grep '^\.out')" ]
	done
}

@test "cryptsetup and gocryptfs open it by the new one alone" {
	cp luks2.sif out.sif
	coffer -q passphrase out.sif < <(both 'old words' 'new words')
	cryptsetup_opens out.sif 'new words'
	refute cryptsetup_opens out.sif 'old words'
	run -0 cryptsetup luksDump part
	[ "$(grep -c ': luks2$' <<<"$output")" -eq 1 ]
	# By either copy of the header.
	dd if=/dev/zero of=part bs=4096 count=1 conv=notrunc status=none
	printf 'new words' | cryptsetup open --test-passphrase --key-file - part
	cp gocryptfs.sif out.sif
	coffer -q passphrase out.sif < <(both 'old words' 'new words')
	gocryptfs_opens out.sif 'new words'
	refute gocryptfs_opens out.sif 'old words'
}

@test "images of Apptainer's: another passphrase at another cost" {
	cp "$FIXTURES/luks-pass.sif" out.sif
	chmod 0600 out.sif
	run -0 coffer -q passphrase --kdf-memory 32 --kdf-time 100 out.sif < <(both secret other)
	cryptsetup_opens out.sif other
	[ "$(cryptsetup luksDump part | sed -n 's/^\tMemory: *//p')" -le 32768 ]
	cp "$FIXTURES/gocryptfs-pass.sif" out.sif
	chmod 0600 out.sif
	run -0 coffer -q passphrase --kdf-memory 16 out.sif < <(both secret other)
	opens_by out.sif other
	gocryptfs_opens out.sif other
}

@test "the cost alone: the passphrase stays, and what cannot be is refused" {
	cp luks2.sif out.sif
	run -0 --separate-stderr coffer passphrase --keep --kdf-memory 4 --kdf-time 100 out.sif <<<'old words'
	[ "$output" = "out.sif: its passphrase costs something else now" ]
	[[ $stderr != *'may have kept'* ]]
	cryptsetup_opens out.sif 'old words'
	local memory
	memory=$(cryptsetup luksDump part | sed -n 's/^\tMemory: *//p')
	[ "$memory" -gt 64 ] && [ "$memory" -le 4096 ]
	cp gocryptfs.sif out.sif
	coffer -q passphrase --keep --kdf-memory 20 out.sif <<<'old words'
	gocryptfs_conf out.sif
	grep -q '"N": *16384,' outer/gocryptfs.conf
	run -0 --separate-stderr coffer passphrase --keep --kdf-memory 1 out.sif <<<'old words'
	err_has 'Guessing the passphrase costs 64 times less'
	run -0 --separate-stderr coffer passphrase out.sif < <(both 'old words' 'old words')
	err_has 'Guessing the old passphrase cost next to nothing (scrypt with N = 1024)'
	gocryptfs_conf out.sif
	grep -q '"N": *65536,' outer/gocryptfs.conf
	opens_by out.sif 'old words'
	# A number with more digits has room in the place of the old text.
	coffer -q passphrase --keep --kdf-memory 128 out.sif <<<'old words'
	gocryptfs_conf out.sif
	grep -q '"N": *131072,' outer/gocryptfs.conf
	opens_by out.sif 'old words'
	cp out.sif same.sif
	refuses 'the time that gocryptfs takes cannot be chosen' coffer passphrase --keep --kdf-time 500 out.sif <<<'old words'
	refuses 'takes a memory from 1 to 1024 MiB, not 2048' coffer passphrase --keep --kdf-memory 2048 out.sif <<<'old words'
	refuses 'nothing is to be changed' coffer passphrase --keep out.sif </dev/null
	refuses 'takes a time from 100 to 60000 ms' coffer passphrase --keep --kdf-time 5 luks2.sif <<<'old words'
	cmp out.sif same.sif
}

@test "of several keyslots one is changed, and the others open it as before" {
	cp luks2.sif out.sif
	partition out.sif >part
	printf 'old words' >one
	printf another >two
	cryptsetup luksAddKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file one part two
	put_partition out.sif
	run -0 --separate-stderr coffer passphrase out.sif < <(both 'old words' 'new words')
	[ "$output" = "out.sif: it has another passphrase now; others open it, too" ]
	cryptsetup_opens out.sif another
	cryptsetup_opens out.sif 'new words'
	refute cryptsetup_opens out.sif 'old words'
	opens_by out.sif another
	cp out.sif other.sif
	run -0 --separate-stderr coffer passphrase other.sif < <(both another 'new words')
	err_has 'The old passphrase had PBKDF2, which needs no memory'
	# A passphrase with two, of which one answers only who asks for it by its number.
	partition out.sif >part
	printf 'new words' >one
	cryptsetup luksAddKey --batch-mode --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file one --new-key-slot 7 part one
	cryptsetup config --priority ignore --key-slot 7 part
	put_partition out.sif
	coffer -q passphrase out.sif < <(both 'new words' 'last words')
	refute cryptsetup_opens out.sif 'new words'
	refute cryptsetup open --test-passphrase --key-slot 7 --key-file one part
	cryptsetup_opens out.sif another
	cryptsetup_opens out.sif 'last words'
}

@test "what it needs is said, and a wrong passphrase changes nothing" {
	local kind
	for kind in luks2 gocryptfs; do
		cp $kind.sif out.sif
		run --separate-stderr coffer passphrase out.sif < <(both wrong 'new words')
		[ "$status" -eq 255 ]
		cmp out.sif $kind.sif
		refuses 'empty passphrase' coffer passphrase out.sif <<<'old words'
		cmp out.sif $kind.sif
	done
	coffer -q build --force -r me.pub none.sif tree
	refuses '`coffer rekey --new-passphrase --identity FILE` gives it one' coffer passphrase none.sif < <(both old new)
	ssh-keygen -q -t rsa -b 2048 -m pem -N '' -f rsa
	export APPTAINER_ENCRYPTION_PEM_PATH=$WORK/rsa
	refuses 'its passphrase is needed, and another key is given' coffer passphrase out.sif </dev/null
	unset APPTAINER_ENCRYPTION_PEM_PATH
	coffer -q build --force plain.sif tree
	refuses 'is not encrypted' coffer passphrase plain.sif </dev/null
	run -0 terminal 'Enter encryption passphrase: ' 'old words' 'Enter the new passphrase: ' typed \
		'Confirm the new passphrase: ' typed -- coffer passphrase out.sif
	[[ $output != *ECHO!* && $output != *MODES!* ]]
	opens_by out.sif typed
	cp luks2.sif other.sif
	run -255 terminal 'Enter encryption passphrase: ' 'old words' 'Enter the new passphrase: ' one \
		'Confirm the new passphrase: ' two -- coffer passphrase other.sif
	cmp other.sif luks2.sif
	# What it has may come by a variable, a descriptor or a command.
	APPTAINER_ENCRYPTION_PASSPHRASE=typed coffer -q passphrase out.sif <<<by-variable
	coffer -q passphrase --key-fd 7 out.sif 7<<<by-variable <<<at-last
	opens_by out.sif at-last
}

@test "a signature over it does not hold any more, and that is said" {
	openssl genpkey -algorithm ed25519 -out sign.pem
	openssl pkey -in sign.pem -pubout -out verify.pem
	cp luks2.sif out.sif
	coffer -q sign --key sign.pem -g 1 out.sif
	coffer -q verify --key verify.pem -g 1 out.sif
	# Before anything is asked.
	run -255 terminal 'Enter encryption passphrase: ' wrong 'Enter the new passphrase: ' typed \
		'Confirm the new passphrase: ' typed -- coffer passphrase out.sif
	[[ $output == *'1 signature over the encrypted part of out.sif will not hold any more'*'Enter encryption'* ]]
	coffer -q verify --key verify.pem -g 1 out.sif
	coffer -q passphrase out.sif < <(both 'old words' 'new words')
	run -255 coffer -q verify --key verify.pem -g 1 out.sif
}

@test "killed at any moment, or out of room: one of the two opens it" {
	local kind i now
	for kind in luks2 gocryptfs; do
		mkdir -p place
		cp $kind.sif place/image.sif
		now='old words'
		for i in 1 2 3 4 5; do
			# In the foreground: until it is gone.
			(timeout --foreground -s KILL "0.$((RANDOM % 3))$((RANDOM % 9 + 1))" coffer -q passphrase place/image.sif < <(both "$now" "words $i") || true) &>/dev/null
			opens_by place/image.sif "$now" || {
				now="words $i"
				opens_by place/image.sif "$now" || { echo "$i: $output"; false; }
			}
			find place -name '.image.sif.*' -delete
			[ "$(ls -A place)" = image.sif ]
		done
		coffer -q passphrase place/image.sif < <(both "$now" last)
		opens_by place/image.sif last
		rm -r place
	done
	# At each step of what is changed in place, the last of which wipes.
	local seen=''
	for i in 1 2 3 4 5 6; do
		cp luks2.sif out.sif
		run strace -qq -f -o trace -e trace=fdatasync -e "inject=fdatasync:signal=KILL:when=$i" coffer -q passphrase out.sif < <(both 'old words' 'new words')
		grep -q 'killed by SIGKILL' trace
		if opens_by out.sif 'old words'; then
			refute opens_by out.sif 'new words'
			seen+=o
		else
			opens_by out.sif 'new words'
			seen+=n
		fi
	done
	[[ $seen =~ ^ooo+n+$ ]]
	# The copy of the one has no room; the other needs none.
	run -0 --separate-stderr unshare -rm sh -ec 'mkdir full && mount -t tmpfs -o size=2m none full
		cp gocryptfs.sif full && cd full
		printf "old words\nnew words\n" | coffer passphrase gocryptfs.sif || echo status $?
		cmp gocryptfs.sif ../gocryptfs.sif && ls -A'
	[ "$output" = "status 255
gocryptfs.sif" ]
	err_has 'no space left on device'
	# Nor is it copied for a passphrase that is wrong.
	mkdir big
	head -c 4000000 /dev/urandom >big/file
	coffer -q build --encryption=gocryptfs --passphrase big.sif big <<<'old words'
	run -0 --separate-stderr unshare -rm sh -ec 'mount -t tmpfs -o size=6m none full
		cp big.sif full && cd full
		printf "wrong\nnew words\n" | coffer passphrase big.sif || echo status $?'
	[ "$output" = 'status 255' ]
	[[ $stderr != *'no space left'* ]]
	# Holes in both headers, where they end in zeros: each half of them is whole.
	run -0 --separate-stderr unshare -rm sh -ec 'mkdir -p full && mount -t tmpfs -o size=64m none full
		cat luks2.sif >full/image.sif && cd full
		for at in 8192 12288 24576 28672; do fallocate -p -l 4096 -o $(($1 + at)) image.sif; done
		dd if=/dev/zero of=rest bs=4096 2>/dev/null || :
		printf "old words\nnew words\n" | coffer passphrase image.sif || echo status $?
		echo old words | coffer key check --passphrase image.sif' sh "$(partition_begins luks2.sif)"
	[[ $output == 'status 255'*': opens '* ]]
	err_has 'no space left on device'
}

@test "an image that runs goes on, and one that is read is waited for" {
	cp luks2.sif out.sif
	mkfifo go
	coffer exec --no-home --identity me.key out.sif sh -c 'echo up; read x; cat /etc/secret.txt' <go >said 3>&- &
	exec 8>go
	wait_for grep -q up said
	coffer -q passphrase out.sif < <(both 'old words' 'new words')
	echo on >&8
	exec 8>&-
	wait $!
	grep -q 'a marker that must stay hidden' said
	opens_by out.sif 'new words'
}
