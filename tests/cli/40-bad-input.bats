#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What is wrong is refused: exit status 255 (usage: 1), one line that says what is wrong and where,
# one that says what to do, and nothing left behind.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	head -c 3000000 /dev/urandom >tree/etc/noise
	make_definition d.def "$WORK/tree"
	coffer build --encryption=gocryptfs --pem-path=rsa_pub.pem g.sif d.def
	coffer build --encryption=luks2 --pem-path=rsa_pub.pem l.sif d.def
	APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer build --encrypt --encryption=gocryptfs gp.sif d.def
	APPTAINER_ENCRYPTION_PASSPHRASE=secret cheaply coffer build --encrypt --encryption=luks2 lp.sif d.def
	coffer build p.sif d.def
	mkdir before
	cp ./* before/ 2>/dev/null || true
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -f bad.sif out.sif
	ls -A >"$BATS_TEST_TMPDIR/before"
}
teardown() {
	cd "$WORK"
	rm -f bad.sif
	# No half-made file, no temporary one, no process.
	ls -A >"$BATS_TEST_TMPDIR/after"
	diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after" && no_processes
}
fault() { "$COFFER_ROOT/tests/images/fault" "$@"; }
refuse() { # STATUS WORDS COMMAND...
	local status_wanted=$1 words=$2
	shift 2
	run --separate-stderr "$@" </dev/null
	refused "$status_wanted" "$words"
}
K=--pem-path=rsa_pri.pem

@test "no key for an encrypted image" {
	for f in g l gp lp; do
		refuse 255 "required option --passphrase or --pem-path missing" coffer run $f.sif
	done
}
@test "empty passphrase" {
	refuse 255 "Cannot encrypt container with empty passphrase" coffer run --passphrase gp.sif
	refuse 255 "Cannot encrypt container with empty passphrase" coffer build --passphrase out.sif d.def
	APPTAINER_ENCRYPTION_PASSPHRASE= refuse 255 "passphrase" coffer run lp.sif
	APPTAINER_ENCRYPTION_PASSPHRASE= refuse 255 "passphrase" coffer build --encrypt out.sif d.def
}
@test "wrong passphrase" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=Secret
	refuse 255 "gp.sif" coffer run gp.sif
	refuse 255 "lp.sif" coffer run lp.sif
}
@test "wrong private key, and a key for a passphrase image" {
	for f in g l; do
		refuse 255 "$f.sif" coffer run --pem-path=other_pri.pem $f.sif
	done
	for f in gp lp; do
		refuse 255 "encrypted key not found" coffer run $K $f.sif
	done
}
@test "the wrong half of a key" {
	refuse 255 "rsa_pub.pem" coffer run --pem-path=rsa_pub.pem g.sif
	refuse 255 "rsa_pri.pem" coffer build --pem-path=rsa_pri.pem out.sif d.def
	APPTAINER_ENCRYPTION_PEM_PATH=rsa_pri.pem refuse 255 "rsa_pri.pem" coffer build --encrypt out.sif d.def
	APPTAINER_ENCRYPTION_PEM_DATA="$(cat rsa_pri.pem)" refuse 255 "APPTAINER_ENCRYPTION_PEM_DATA" coffer build --encrypt out.sif d.def
	refute grep -q "$(sed -n 3p rsa_pri.pem)" <<<"$stderr$output"
}
@test "a protected key without its password" {
	openssl rsa -in rsa_pri.pem -aes128 -traditional -passout pass:pw -out "$BATS_TEST_TMPDIR/t.pem" 2>/dev/null
	openssl pkcs8 -topk8 -in rsa_pri.pem -passout pass:pw -out "$BATS_TEST_TMPDIR/8.pem"
	refuse 255 "t.pem" coffer run --pem-path="$BATS_TEST_TMPDIR/t.pem" g.sif
	refuse 255 "8.pem" coffer run --pem-path="$BATS_TEST_TMPDIR/8.pem" g.sif
}
@test "a file that is no key, a folder, a file that is not there" {
	refuse 255 "d.def" coffer run --pem-path=d.def g.sif
	refuse 255 "no PEM data" coffer build --pem-path=d.def out.sif d.def
	refuse 255 "tree" coffer run --pem-path=tree g.sif
	refuse 255 "Specified PEM file nowhere.pem: does not exist." coffer run --pem-path=nowhere.pem g.sif
	refuse 255 "Specified PEM file nowhere.pem: does not exist." coffer build --pem-path=nowhere.pem out.sif d.def
	APPTAINER_ENCRYPTION_PEM_PATH=nowhere.pem refuse 255 "does not exist" coffer run g.sif
}
@test "a malformed key in a variable is never echoed" {
	APPTAINER_ENCRYPTION_PEM_DATA="not-a-pem-but-precious" refuse 255 "APPTAINER_ENCRYPTION_PEM_DATA" coffer run g.sif
	refute grep -q precious <<<"$stderr$output"
}
@test "what to do about a key fits the key" {
	refuse 255 "no PEM data" coffer run --pem-path=d.def g.sif
	err_has "give the private RSA key"
	refuse 255 "is a directory" coffer build --pem-path=tree out.sif d.def
	err_has "give the public half of an RSA key"
	openssl rsa -in rsa_pri.pem -aes128 -traditional -passout pass:pw -out "$BATS_TEST_TMPDIR/t.pem" 2>/dev/null
	refuse 255 "no password was given for it" coffer run --pem-path="$BATS_TEST_TMPDIR/t.pem" g.sif
	err_has "openssl rsa -in FILE -traditional -out UNPROTECTED"
	refuse 255 "Cannot encrypt container with empty passphrase" coffer run --passphrase gp.sif
	err_has "type it when asked"
}
@test "what to do about a key that opens nothing does not make another one" {
	cd "$BATS_TEST_TMPDIR"
	local image=$WORK/g.sif only='give the private RSA key, in PEM form, that belongs to the public one the image was built with' name
	openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
	openssl pkcs8 -topk8 -nocrypt -in ec.pem -out ec8.pem
	openssl genpkey -algorithm ed25519 -out ed8.pem
	ssh-keygen -q -t ed25519 -N '' -f ed
	for name in ec ec8 ed8; do
		refuse 255 "Invalid encryption private key: could not read $name.pem: the key is not an RSA key" coffer exec --pem-path=$name.pem $image true
		err_has "$only"
	done
	refuse 255 "the key is not an RSA key" coffer exec --pem-path=ed $image true
	err_has "$only"
	ssh-keygen -q -t rsa -b 2048 -N letmein -f old
	refuse 255 "the private key is protected with a passphrase, and none was given for it" coffer exec --pem-path=old $image true
	err_has "ssh-keygen -p -f /dev/shm/COPY"
	# The public half of a key, as there are files of it.
	cp "$WORK/rsa_pri.pem" .
	openssl req -x509 -new -key rsa_pri.pem -subj /CN=x -out cert.pem 2>/dev/null
	openssl rsa -in rsa_pri.pem -pubout -out spki.pem 2>/dev/null
	openssl rsa -in rsa_pri.pem -RSAPublicKey_out -out pub.pem 2>/dev/null
	(umask 077 && cat rsa_pri.pem >rsa && ssh-keygen -y -f rsa >rsa.pub)
	for name in cert.pem spki.pem pub.pem rsa.pub; do
		refuse 255 "Invalid encryption private key: could not read $name" coffer exec --pem-path=$name $image true
		err_has "give the private key that belongs to it"
	done
	# The password of a key's file is no passphrase of an image.
	openssl rsa -in rsa_pri.pem -aes128 -traditional -passout pass:pw -out t.pem 2>/dev/null
	openssl pkcs8 -topk8 -in rsa_pri.pem -passout pass:pw -out 8.pem
	for name in t 8; do
		run --separate-stderr coffer exec --pem-path=$name.pem $image true <<<wrong
		refused 255 "the password does not open the private key"
		err_has "check the password"
	done
}
@test "a passphrase for an image of an RSA key is said to be the wrong sort" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=Secret
	for f in g l; do
		refuse 255 "$f.sif" coffer exec $f.sif true
		err_has "encrypted for an RSA key: give the private one with --pem-path"
	done
	for f in gp lp; do
		refuse 255 "$f.sif" coffer exec $f.sif true
		[[ "$stderr" != *RSA* ]]
	done
}
@test "a passphrase that gocryptfs could not take is found before the build" {
	head -c 2049 /dev/zero | tr '\0' a >"$BATS_TEST_TMPDIR/long"
	run --separate-stderr coffer build --passphrase --encryption=gocryptfs out.sif d.def <"$BATS_TEST_TMPDIR/long"
	refused 255 "maximum password length of 2048 bytes exceeded"
	refute grep -q "Starting build" <<<"$stderr"
	APPTAINER_ENCRYPTION_PASSPHRASE=$'two\nlines' refuse 255 "more than one line" coffer build -e --encryption=gocryptfs out.sif d.def
	refute grep -q "Starting build" <<<"$stderr"
}
@test "a key where the name of its file belongs is never echoed" {
	export APPTAINER_ENCRYPTION_PEM_PATH
	APPTAINER_ENCRYPTION_PEM_PATH=$(cat rsa_pri.pem)
	refuse 255 "a key was given where the name of its file belongs" coffer run g.sif
	refute grep -q "$(sed -n 3p rsa_pri.pem)" <<<"$stderr$output"
	refuse 255 "a key was given where the name of its file belongs" coffer build --encrypt out.sif d.def
	refute grep -q "$(sed -n 3p rsa_pri.pem)" <<<"$stderr$output"
	unset APPTAINER_ENCRYPTION_PEM_PATH
	refuse 255 "a key was given where the name of its file belongs" coffer run --pem-path="$(tr -d '\n' <rsa_pri.pem)" g.sif
	refute grep -q "$(sed -n 3p rsa_pri.pem)" <<<"$stderr$output"
}
@test "a passphrase on the command line is refused with the reason" {
	refuse 255 "--passphrase takes no value" coffer run --passphrase=precious gp.sif
	refute grep -q precious <<<"$stderr$output"
	grep -q "can be seen by every user" <<<"$stderr$output"
}
@test "images that are none" {
	refuse 255 "No such image: nowhere.sif" coffer run nowhere.sif
	refuse 255 "image format not recognized" coffer run d.def
	refuse 255 "image format not recognized" coffer run /dev/null
	: >"$BATS_TEST_TMPDIR/empty"
	refuse 255 "image format not recognized" coffer run "$BATS_TEST_TMPDIR/empty"
}
@test "what is no image is named, for run, inspect and build" {
	local f what
	cd "$BATS_TEST_TMPDIR"
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n' >lfs.sif
	printf '\n <!DOCTYPE HTML>\n<title>Log in</title>\n' >page.sif
	tar cf tar.sif lfs.sif
	gzip -c tar.sif >gzip.sif
	truncate -s 5000 zeros.sif
	: >empty.sif
	for f in lfs:'a pointer of Git LFS: get the image with' page:'a web page: look what it says' tar:'a tar archive: unpack it' \
		gzip:'packed with gzip: unpack it' zeros:'full of zeros at its beginning: its download or its copy broke off' \
		empty:'empty: its download or its build did not come'; do
		what="it is ${f#*:}" f=${f%%:*}.sif
		refuse 255 "$what" coffer run "$f"
		[[ "$stderr" == *"image format not recognized"* ]]
		refuse 255 "$what" coffer inspect "$f"
		refuse 255 "$what" coffer build new.sif "$f"
	done
	printf 'Bootstrap: scratch\n' >x.def
	refuse 255 "it is a definition file: build an image of it first" coffer run x.def
	mkfifo pipe
	refuse 255 "it is a pipe" coffer run pipe
	ln -s ../.git/annex/objects/a/b/c annexed.sif
	refuse 255 "get the image with \`git annex get\`" coffer run annexed.sif
	ln -s nowhere.sif link.sif
	refuse 255 "it is a link to nowhere.sif, which is not there" coffer run link.sif
}
@test "truncated anywhere" {
	for f in g l p; do
		size=$(stat -c %s $f.sif)
		for n in 60 4000 5000 33000 36900 100000 $((size / 2)) $((size - 1)); do
			fault $f.sif bad.sif truncate $n
			refuse 255 "bad.sif" coffer run $K bad.sif
		done
	done
}
@test "impossible offsets" {
	for f in g l p; do
		for field in off len; do
			fault $f.sif bad.sif descriptor 3 $field ffffffffffffff7f
			refuse 255 "bad.sif" coffer run $K bad.sif
			fault $f.sif bad.sif descriptor 3 $field ffffffffffffffff
			refuse 255 "bad.sif" coffer run $K bad.sif
		done
	done
}
@test "no primary partition, an unknown type, a foreign architecture" {
	fault g.sif bad.sif descriptor 3 part 01
	refuse 255 "no root filesystem found" coffer run $K bad.sif
	fault g.sif bad.sif descriptor 3 fs 63
	refuse 255 "bad.sif" coffer run $K bad.sif
	fault g.sif bad.sif descriptor 3 arch 313100
	refuse 255 "bad.sif: the image's architecture (s390x) could not run on the host's (amd64)" coffer run $K bad.sif
}
@test "LUKS2: null cipher, unknown requirement, reencryption, absurd KDF memory" {
	fault lp.sif bad.sif luks-json 'j["segments"]["0"]["encryption"] = "cipher_null-ecb"'
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret
	refuse 255 "null cipher" coffer run bad.sif
	fault lp.sif bad.sif luks-json 'j["config"]["requirements"] = {"mandatory": ["new-thing"]}'
	refuse 255 "new-thing" coffer run bad.sif
	fault lp.sif bad.sif luks-json 'j["config"]["requirements"] = {"mandatory": ["online-reencrypt-v2"]}'
	refuse 255 "bad.sif" coffer run bad.sif
	fault lp.sif bad.sif luks-json 'j["keyslots"]["0"]["kdf"] = {"type": "argon2id", "time": 4, "memory": 2000000000, "cpus": 4, "salt": j["keyslots"]["0"]["kdf"]["salt"]}'
	refuse 255 "memory" coffer run bad.sif
	fault lp.sif bad.sif luks-header 0 4c554b530000
	refuse 255 "bad.sif" coffer run bad.sif
}
@test "gocryptfs.conf: unknown flags, absurd scrypt cost, no JSON" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret
	fault gp.sif bad.sif gocryptfs-conf 'c["FeatureFlags"].append("NewFlag")'
	refuse 255 "NewFlag" coffer run bad.sif
	fault gp.sif bad.sif gocryptfs-conf 'c["ScryptObject"]["N"] = 1 << 40'
	refuse 255 "bad.sif" coffer run bad.sif
	fault gp.sif bad.sif gocryptfs-conf 'c["ScryptObject"]["N"] = 65537'
	refuse 255 "bad.sif" coffer run bad.sif
	fault gp.sif bad.sif gocryptfs-conf 'c["Version"] = 3'
	refuse 255 "bad.sif" coffer run bad.sif
}
@test "gocryptfs: a flipped bit, a zeroed block, a missing tail: an I/O error at that file" {
	sum=$(md5sum <tree/etc/noise)
	run -0 coffer exec $K g.sif md5sum /etc/noise
	[ "${output%% *}" = "${sum%% *}" ]
	# the middle of the data is the noise, which no compressor makes smaller
	at=$((36864 + 96 + 18 + 4128 * 600))
	fault g.sif bad.sif flip $((at + 1000))
	run -1 --separate-stderr coffer exec $K bad.sif md5sum /etc/noise
	grep -qi "input/output error\|i/o error" <<<"$stderr"
	# Once, however often it is met.
	run --separate-stderr coffer exec $K bad.sif sh -c 'md5sum /etc/noise /etc/noise; exit 3'
	[ "$status" -eq 3 ]
	[ "$(grep -c "^WARNING: Some of .*/bad.sif cannot be read: .*authenticate" <<<"$stderr")" -eq 1 ]
	run -0 --separate-stderr coffer exec $K bad.sif cat /etc/secret.txt
	[ -z "$stderr" ]
	fault g.sif bad.sif zero $at 4128
	run -1 --separate-stderr coffer exec $K bad.sif md5sum /etc/noise
	grep -qi "input/output error\|i/o error" <<<"$stderr"
	run -0 coffer exec $K bad.sif cat /etc/secret.txt
}
@test "gocryptfs: an encrypted file that is cut short is refused, not read as less" {
	coffer sif dump 3 gp.sif >"$BATS_TEST_TMPDIR/outer"
	cd "$BATS_TEST_TMPDIR"
	unsquashfs -q -n -d box outer
	conf=box/gocryptfs.conf
	file=$(echo box/squashfs-*)
	size=$(stat -c %s "$file")
	cd "$WORK"
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret
	for cut in 0 1 4128 $((3 * 4128)) $((size / 2)) $((size - 100)); do
		truncate -s $((size - cut)) "$BATS_TEST_TMPDIR/$file"
		rm -f "$BATS_TEST_TMPDIR/again"
		mksquashfs "$BATS_TEST_TMPDIR/box" "$BATS_TEST_TMPDIR/again" -quiet -no-progress -noD -noF >/dev/null
		fault gp.sif bad.sif partition "$BATS_TEST_TMPDIR/again"
		if [ $cut -eq 0 ]; then # the way of doing it is sound
			run -0 coffer exec bad.sif md5sum /etc/noise
			[ "${output%% *}" = "$(md5sum <tree/etc/noise | cut -d' ' -f1)" ]
		else
			refuse 255 "bad.sif" coffer exec bad.sif true
		fi
	done
	[ -e "$BATS_TEST_TMPDIR/$conf" ]
}
@test "squashfs: a folder that holds itself" {
	mkdir "$BATS_TEST_TMPDIR/box"
	cp -r tree/bin tree/etc "$BATS_TEST_TMPDIR/box"
	rm "$BATS_TEST_TMPDIR/box/etc/noise"
	mkdir "$BATS_TEST_TMPDIR/box/loop"
	mksquashfs "$BATS_TEST_TMPDIR/box" "$BATS_TEST_TMPDIR/good" -quiet -no-progress -noI -no-xattrs >/dev/null
	run -0 coffer exec "$BATS_TEST_TMPDIR/good" ls /loop
	fault "$BATS_TEST_TMPDIR/good" "$BATS_TEST_TMPDIR/bad" squash-loop loop
	run -1 --separate-stderr coffer exec "$BATS_TEST_TMPDIR/bad" ls /loop/loop
	err_has "Input/output error"
	run -0 coffer exec "$BATS_TEST_TMPDIR/bad" cat /etc/secret.txt
	run --separate-stderr timeout 60 coffer exec "$BATS_TEST_TMPDIR/bad" find /loop
	[ "$status" -ne 124 ]
	[ "$(wc -l <<<"$output")" -lt 1000 ]
	# and into a build, which must end too
	refuse 255 "$BATS_TEST_TMPDIR/bad: unpack" timeout 60 coffer build out.sif "$BATS_TEST_TMPDIR/bad"
}
@test "squashfs: folders that hold one another" {
	mkdir "$BATS_TEST_TMPDIR/box"
	cp -r tree/bin tree/etc "$BATS_TEST_TMPDIR/box"
	rm "$BATS_TEST_TMPDIR/box/etc/noise"
	mkdir -p "$BATS_TEST_TMPDIR/box/a/b/c"
	mksquashfs "$BATS_TEST_TMPDIR/box" "$BATS_TEST_TMPDIR/good" -quiet -no-progress -noI -no-xattrs >/dev/null
	fault "$BATS_TEST_TMPDIR/good" "$BATS_TEST_TMPDIR/bad" squash-loop a/b/c
	run -1 --separate-stderr coffer exec "$BATS_TEST_TMPDIR/bad" ls /a/b/c/a
	err_has "Too many levels of symbolic links"
	run -0 coffer exec "$BATS_TEST_TMPDIR/bad" cat /a/b/c/etc/secret.txt
	run --separate-stderr timeout 60 coffer exec "$BATS_TEST_TMPDIR/bad" find /a
	[ "$status" -eq 1 ]
	[ "$(wc -l <<<"$output")" -lt 1000 ]
	refute grep -q ^/a/b/c/a <<<"$output"
	refuse 255 "$BATS_TEST_TMPDIR/bad: unpack" timeout 60 coffer build out.sif "$BATS_TEST_TMPDIR/bad"
	err_has "in two places"
}
@test "squashfs: unknown compressor, impossible counts" {
	fault p.sif bad.sif set $((36864 + 20)) 6300
	refuse 255 "bad.sif" coffer run bad.sif
	fault p.sif bad.sif set $((36864 + 4)) ffffffff
	refuse 255 "bad.sif" coffer run bad.sif
	for field in 16 26 48; do # how many fragments, ids; where the ids are
		fault p.sif bad.sif set $((36864 + field)) ffff
		refuse 255 "bad.sif" coffer run bad.sif
	done
	fault p.sif bad.sif set $((36864 + 12)) 00000000
	refuse 255 "bad.sif" coffer run bad.sif
	fault p.sif bad.sif set $((36864 + 64)) ffffffffffffff00
	refuse 255 "bad.sif" coffer run bad.sif
}
@test "definition files" {
	printf 'Bootstrap: scratch\n%%nosuch\n echo\n' >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "invalid section(s) specified: nosuch" coffer build out.sif "$BATS_TEST_TMPDIR/a.def"
	printf 'Bootstrap: scratch\nNosuch: x\n' >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "invalid header keyword found: nosuch" coffer build out.sif "$BATS_TEST_TMPDIR/a.def"
	printf '%%post\n echo\n' >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "a.def" coffer build out.sif "$BATS_TEST_TMPDIR/a.def"
	: >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "a.def" coffer build out.sif "$BATS_TEST_TMPDIR/a.def"
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\n exit 7\n' "$WORK/tree" >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "while running %post section: exit status 7" coffer build out.sif "$BATS_TEST_TMPDIR/a.def"
	refuse 255 "nowhere.def" coffer build out.sif nowhere.def
}
@test "output folder missing, read-only, full; an existing file" {
	refuse 255 "nowhere" coffer build nowhere/out.sif d.def
	if ! am_root; then
		mkdir "$BATS_TEST_TMPDIR/ro"
		chmod 0555 "$BATS_TEST_TMPDIR/ro"
		refuse 255 "ro" coffer build "$BATS_TEST_TMPDIR/ro/out.sif" d.def
	fi
	cp p.sif "$BATS_TEST_TMPDIR/there.sif"
	refuse 255 "build target 'there.sif' already exists. Use --force if you want to overwrite it" \
		coffer build "$BATS_TEST_TMPDIR/there.sif" d.def
	cmp p.sif "$BATS_TEST_TMPDIR/there.sif"
	# a failed build leaves the old file
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\n false\n' "$WORK/tree" >"$BATS_TEST_TMPDIR/a.def"
	refuse 255 "exit status 1" coffer build --force "$BATS_TEST_TMPDIR/there.sif" "$BATS_TEST_TMPDIR/a.def"
	cmp p.sif "$BATS_TEST_TMPDIR/there.sif"
}
@test "a full disk" {
	# a small tmpfs, in a mount namespace of one's own
	mkdir "$BATS_TEST_TMPDIR/small"
	run --separate-stderr unshare -Urm sh -c "mount -t tmpfs -o size=300k small $BATS_TEST_TMPDIR/small &&
		coffer build --encryption=luks2 $BATS_TEST_TMPDIR/small/out.sif tree; echo \$? >$BATS_TEST_TMPDIR/status; ls -A $BATS_TEST_TMPDIR/small"
	[ "$(cat "$BATS_TEST_TMPDIR/status")" -eq 255 ]
	[ "$output" = "" ]
}
@test "a sandbox that does not fit is said so by its name" {
	mkdir "$BATS_TEST_TMPDIR/small"
	run --separate-stderr unshare -Urm sh -c "mount -t tmpfs -o size=300k small $BATS_TEST_TMPDIR/small &&
		coffer build --sandbox $BATS_TEST_TMPDIR/small/box tree"
	refused 255 'no space left on device'
	err_has "the file system of $BATS_TEST_TMPDIR/small/box is full"
	[[ "$stderr" != *tmpdir* ]]
}
@test "too few open files are said to be so" {
	local n
	for n in 9 10 11; do
		run --separate-stderr bash -c "exec 3>&-; ulimit -n $n; APPTAINER_ENCRYPTION_PASSPHRASE=x exec coffer exec lp.sif true"
		refused 255 ''
		err_has 'ulimit -n'
	done
}
@test "--encrypt without any key builds nothing" {
	refuse 255 "Missing encryption info" coffer build --encrypt out.sif d.def
	refuse 255 "Missing encryption info" coffer build -e --encryption=luks2 out.sif d.def
}
@test "a key that is not used is said so" {
	run -0 --separate-stderr env APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer run p.sif
	err_has "WARNING"
	refuse 255 "is not encrypted, but a key is given for it" coffer run $K p.sif
}
@test "usage errors" {
	run -1 --separate-stderr coffer build
	err_has 'Error for command "build": accepts 2 arg(s), received 0'
	run -1 --separate-stderr coffer exec g.sif
	err_has 'requires at least 2 arg(s), only received 1'
	run -1 --separate-stderr coffer nosuch
	err_has 'Error: unknown command "nosuch" for "coffer"'
	run -1 --separate-stderr coffer build --nosuch a b
	err_has 'unknown flag: --nosuch'
}
@test "no /dev/fuse: what to do is said" {
	local own=-Urm
	am_root && own=-m
	run --separate-stderr unshare $own sh -c 'mount -t tmpfs none /dev && coffer run --pem-path=rsa_pri.pem g.sif'
	refused 255 "open /dev/fuse"
	err_has "modprobe fuse"
	run --separate-stderr unshare $own sh -c 'mount -t tmpfs none /dev && touch /dev/fuse && coffer run --pem-path=rsa_pri.pem g.sif'
	refused 255 "mount the image"
	err_has "/dev/fuse"
}
# The limit that is set counts what is made below it: none is left for coffer.
@test "no user namespaces: the sysctl to set is said" {
	local limit='echo 1 >/proc/sys/user/max_user_namespaces; exec unshare -U --map-user=1234 --map-group=1234 "$@"'
	run --separate-stderr unshare -Ur sh -c "$limit" - coffer run --pem-path="$WORK/rsa_pri.pem" "$WORK/g.sif"
	refused 255 "Failed to create user namespace"
	err_has "sysctl user.max_user_namespaces="
	run --separate-stderr unshare -Ur sh -c "$limit" - coffer build "$WORK/out.sif" "$WORK/d.def"
	refused 255 "Failed to create user namespace"
	err_has "sysctl user.max_user_namespaces="
	run --separate-stderr unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; coffer run --userns --pem-path=rsa_pri.pem g.sif'
	refused 255 "Failed to create user namespace"
	err_has "sysctl user.max_user_namespaces="
}

@test "before its key is proved an image has so much memory to unlock it, and no more" {
	local image
	APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer -q build --encrypt --encryption=luks2 "$BATS_TEST_TMPDIR/lp.sif" tree
	for image in "$BATS_TEST_TMPDIR/lp" gp; do
		APPTAINER_ENCRYPTION_PASSPHRASE=secret run --separate-stderr coffer exec --max-kdf-memory=20 $image.sif true
		[ "$status" -eq 255 ]
		[[ "$stderr" == *' MiB of memory to unlock it, and may have 20 MiB (--max-kdf-memory)'* ]]
		[[ "$stderr" == *'--max-kdf-memory='[0-9]* ]]
		APPTAINER_MAX_KDF_MEMORY=20 APPTAINER_ENCRYPTION_PASSPHRASE=secret run --separate-stderr coffer exec $image.sif true
		[ "$status" -eq 255 ]
		APPTAINER_ENCRYPTION_PASSPHRASE=secret run -0 coffer exec --max-kdf-memory=2048 $image.sif true
	done
	run --separate-stderr coffer exec --max-kdf-memory=0 lp.sif true
	[ "$status" -ne 0 ]
	[[ "$stderr" == *'give it in MiB'* ]]
}
