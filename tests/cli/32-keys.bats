#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# RSA keys as people have them: whatever form they come in they are read, or named with the command
# that converts them; and each such command, run to the letter, leads to an image that opens.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	chmod 0777 .
	coffer build --encryption=gocryptfs --pem-path=rsa_pub.pem x.sif tree
	cp -p rsa_pri.pem k
	ssh-keygen -q -p -N '' -f k
	ssh-keygen -y -f k >k.pub
	openssl req -x509 -key rsa_pri.pem -subj /CN=x -days 9 -out cert.pem 2>/dev/null
	openssl req -new -key rsa_pri.pem -subj /CN=x -out request.pem 2>/dev/null
	openssl pkcs12 -export -inkey rsa_pri.pem -in cert.pem -passout pass: -out key.p12
	openssl rsa -in rsa_pri.pem -pubout -out spki.pem 2>/dev/null
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; rm -rf key out.sif PRIVATE FILE PUBLIC NEW COPY UNPROTECTED; }

opens() { # KEY
	run --separate-stderr coffer exec --pem-path="$1" x.sif echo started </dev/null
	[ "$status" -eq 0 ] && [ "$output" = started ] || { echo "$1: $stderr"; false; }
}
builds() { # KEY
	coffer build --force --encryption=gocryptfs --pem-path="$1" out.sif tree
	coffer exec --pem-path=rsa_pri.pem out.sif true
	rm out.sif
}
# What the last message says behind "with: ", run to the letter.
follow() {
	local command
	command=$(sed -n '$s/.* with: //p' <<<"$stderr")
	[ -n "$command" ] || { echo "no command in: $stderr"; false; }
	echo "+ $command"
	bash -ec "$command"
}

@test "marks, blanks and line ends of other systems, and text around" {
	{ printf '\xef\xbb\xbf'; cat rsa_pri.pem; } >key && opens key
	sed 's/$/\r/' rsa_pri.pem >key && opens key
	tr '\n' '\r' <rsa_pri.pem >key && opens key
	{ echo 'key: |'; sed 's/^/    /' rsa_pri.pem; } >key && opens key
	tr '\n' ' ' <rsa_pri.pem >key && opens key
	tr -d '\n' <rsa_pri.pem >key && opens key
	{ printf '{"key": "'; sed ':a;N;$!ba;s/\n/\\n/g' rsa_pri.pem | tr -d '\n'; echo '\n"}'; } >key && opens key
	{ echo 'Bag Attributes: <none>'; cat cert.pem; echo; cat rsa_pri.pem; } >key && opens key
	builds key
	export APPTAINER_ENCRYPTION_PEM_DATA
	APPTAINER_ENCRYPTION_PEM_DATA=$(tr '\n' ' ' <rsa_pri.pem)
	run -0 --separate-stderr coffer exec x.sif echo started
	[ "$output" = started ]
}
@test "forms: PKCS#1, PKCS#8, DER, bare base64, OpenSSH's" {
	openssl pkcs8 -topk8 -nocrypt -in rsa_pri.pem -out key && opens key
	openssl rsa -in rsa_pri.pem -traditional -outform DER -out key 2>/dev/null && opens key
	base64 -w 0 key >key2 && opens key2
	sed '1d;$d' rsa_pri.pem >key && opens key
	opens k
}
@test "public halves: PKCS#1, SubjectPublicKeyInfo, a certificate, OpenSSH's line" {
	local form
	for form in rsa_pub.pem spki.pem cert.pem k.pub; do
		builds $form
	done
	{ cat "$(printf k.pub)"; echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA a@b'; } | sed 's/^ssh-rsa/from="10.0.0.0\/8" &/' >key
	builds key
}
@test "what ssh-keygen works with when it opens a protected key is not for other processes" {
	local pid child
	ssh-keygen -q -t ed25519 -a 200 -N 'very secret' -f slow
	coffer key show slow <<<'very secret' >said 3>&- &
	pid=$!
	works() { child=$(pgrep -P $pid) && grep -q '^ssh-keygen' "/proc/$child/cmdline"; }
	wait_for works
	kill -STOP "$child"
	if am_root; then
		ls "/proc/$child/fd" # what root may see is no secret to root
	else
		run ! ls "/proc/$child/fd"
		run ! cat "/proc/$child/environ"
	fi
	grep -q '^Max core file size *0 *0 ' "/proc/$child/limits"
	kill -CONT "$child"
	wait $pid
	grep -q 'protected: *yes, with a passphrase' said
	rm slow slow.pub
}

@test "protected keys, both ways, and with their line ends lost" {
	openssl rsa -in rsa_pri.pem -aes256 -traditional -passout pass:pw -out t.pem 2>/dev/null
	openssl pkcs8 -topk8 -in rsa_pri.pem -passout pass:pw -out 8.pem
	tr '\n' ' ' <t.pem >line.pem
	local name
	for name in t 8 line; do
		run -0 --separate-stderr coffer exec --pem-path=$name.pem x.sif echo started <<<pw
		[ "$output" = started ]
	done
}
@test "what is not read is named, and the command that is named leads on: to run" {
	iconv -f UTF-8 -t UTF-16 rsa_pri.pem >FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true
	refused 255 "UTF-16"
	follow && opens NEW
	base64 rsa_pri.pem >FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true
	refused 255 "encoded once more"
	follow && opens NEW
	cp key.p12 FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true
	refused 255 "PKCS#12"
	[[ "$stderr" == *"openssl pkcs12 -in FILE -nocerts -out PRIVATE"* ]]
	openssl pkcs12 -in FILE -nocerts -out PRIVATE -passin pass: -passout pass:pw
	run -0 coffer exec --pem-path=PRIVATE x.sif true <<<pw
	# A protected key of OpenSSH's.
	cp -p k FILE && ssh-keygen -q -p -P '' -N letmein -f FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true </dev/null
	refused 255 "protected with a passphrase, and none was given"
	run -0 coffer exec --pem-path=FILE x.sif true <<<letmein
	sed 's/-----/--/g' rsa_pri.pem >FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true
	refused 255 "five hyphens"
	sed '/END/d' rsa_pri.pem >FILE
	run --separate-stderr coffer exec --pem-path=FILE x.sif true
	refused 255 "its line END is missing"
}
@test "what is not read is named, and the command that is named leads on: to build" {
	cp request.pem FILE
	run --separate-stderr coffer build --pem-path=FILE out.sif tree
	refused 255 "this is a certificate signing request"
	follow && builds PUBLIC
	rm -f PUBLIC
	cp rsa_pri.pem PRIVATE
	run --separate-stderr coffer build --pem-path=PRIVATE out.sif tree
	refused 255 "this is a private key"
	follow && builds PUBLIC
	rm -f PUBLIC
	cp -p k FILE
	run --separate-stderr coffer build --pem-path=FILE out.sif tree
	refused 255 "this is a private key"
	follow && builds PUBLIC
	rm -f PUBLIC
	cp key.p12 FILE
	run --separate-stderr coffer build --pem-path=FILE out.sif tree
	refused 255 "PKCS#12"
	[[ "$stderr" == *"openssl pkcs12 -in FILE -clcerts -nokeys -out PUBLIC"* ]]
	openssl pkcs12 -in FILE -clcerts -nokeys -out PUBLIC -passin pass:
	builds PUBLIC
	ssh-keygen -e -f k.pub >FILE
	run --separate-stderr coffer build --pem-path=FILE out.sif tree
	refused 255 "RFC 4716"
	follow && builds NEW
	# Any other text: the last of the ways that are named.
	echo text >FILE
	run --separate-stderr coffer build --pem-path=FILE out.sif tree
	refused 255 "no PEM data"
	rm -f PUBLIC
	command=$(sed -n '$s/.* this writes: //p' <<<"$stderr")
	[[ "$command" == openssl* ]]
	bash -ec "$command" && builds PUBLIC
	ssh-keygen -q -t ed25519 -N '' -f ed
	run --separate-stderr coffer build --pem-path=ed.pub out.sif tree
	refused 255 "the key is not an RSA key"
}

# ---------------------------------------------------------------- variables by their older names

passphrase_image() {
	[ -e p.sif ] || APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer -q build --encrypt --encryption=gocryptfs p.sif tree
}
@test "a key in a variable of the older name is taken, and the newer is named" {
	local name
	passphrase_image
	for name in coffer apptainer singularity; do
		SINGULARITY_ENCRYPTION_PASSPHRASE=secret run -0 --separate-stderr $name exec p.sif echo started
		[ "$output" = started ]
		err_has "INFO:    Environment variable SINGULARITY_ENCRYPTION_PASSPHRASE is set, but APPTAINER_ENCRYPTION_PASSPHRASE is preferred"
		[[ "$stderr" != *secret* ]]
	done
	SINGULARITY_ENCRYPTION_PEM_PATH=rsa_pri.pem run -0 --separate-stderr coffer exec x.sif echo started
	SINGULARITY_ENCRYPTION_PEM_DATA=$(cat rsa_pri.pem) run -0 --separate-stderr coffer exec x.sif echo started
	SINGULARITY_ENCRYPTION_PEM_PATH=rsa_pub.pem coffer -q build --encrypt --encryption=gocryptfs out.sif tree
	opens rsa_pri.pem
	SINGULARITY_ENCRYPTION_PASSPHRASE=secret run --separate-stderr coffer build --force out.sif tree
	err_has "WARNING: Encryption related env vars found, but --encrypt was not specified."
}
@test "a key in a variable of the newer name, whichever, goes before the older ones" {
	passphrase_image
	export SINGULARITY_ENCRYPTION_PASSPHRASE=other SINGULARITY_ENCRYPTION_PEM_PATH=/nowhere
	APPTAINER_ENCRYPTION_PASSPHRASE=secret run -0 --separate-stderr coffer exec p.sif echo started
	err_has "WARNING: SINGULARITY_ENCRYPTION_PASSPHRASE and APPTAINER_ENCRYPTION_PASSPHRASE have different values, using the latter"
	[[ "$stderr" != *other* ]]
	coffer exec --pem-path=rsa_pri.pem x.sif true
	unset SINGULARITY_ENCRYPTION_PEM_PATH
	run --separate-stderr coffer exec p.sif true
	[ "$status" -eq 255 ]
	# Set to nothing it is not there, as the older names of other options.
	SINGULARITY_ENCRYPTION_PASSPHRASE= run --separate-stderr coffer exec p.sif true
	refused 255 "required option --passphrase or --pem-path missing"
}
@test "an encrypted base opens with a key in a variable of the older name" {
	passphrase_image
	printf 'Bootstrap: localimage\nFrom: %s\n' "$WORK/p.sif" >d.def
	SINGULARITY_ENCRYPTION_PASSPHRASE=secret coffer -q build --pem-path=rsa_pub.pem out.sif d.def </dev/null
	coffer exec --pem-path=rsa_pri.pem out.sif true
}
# The table of coffer(1), OLDER NAMES, held line by line.
@test "each variable of the older name does what the manual says" {
	local name
	coffer -q build plain.sif tree
	export LC_ALL=C
	for name in BIND BINDPATH; do
		env SINGULARITY_$name="$WORK/k.pub:/etc/hosts" coffer exec plain.sif cat /etc/hosts | cmp - k.pub
	done
	env SINGULARITY_BIND="$WORK/k.pub:/etc/hosts" APPTAINER_BIND="$WORK/spki.pem:/etc/hosts" \
		coffer exec plain.sif cat /etc/hosts 2>log | cmp - spki.pem
	grep -q 'SINGULARITY_BIND and APPTAINER_BIND have different values, using the latter' log
	env SINGULARITY_MOUNT="type=bind,source=$WORK/k.pub,destination=/etc/hosts" coffer exec plain.sif cat /etc/hosts | cmp - k.pub
	[ "$(env SINGULARITYENV_SEEN=yes coffer exec plain.sif sh -c 'echo $SEEN')" = yes ]
	[ "$(env SINGULARITY_PWD=/etc coffer exec plain.sif pwd)" = /etc ]
	env SINGULARITY_DEBUG=1 coffer exec plain.sif true 2>log
	grep -q ^DEBUG: log
	env SINGULARITY_MESSAGELEVEL=5 coffer exec plain.sif true 2>log
	refute grep -q ^DEBUG: log
}

# ---------------------------------------------------------------- sources that are no file

@test "a key from a descriptor: an RSA key or a passphrase, to build and to run" {
	coffer -q build --encryption=gocryptfs --key-fd 7 out.sif tree 7<rsa_pub.pem
	opens rsa_pri.pem
	[ "$(coffer exec --key-fd 3 out.sif echo started 3<rsa_pri.pem)" = started ]
	# Standard input, which is then at its end for the payload, and no more the file.
	[ "$(coffer exec --key-fd=0 out.sif busybox readlink /proc/self/fd/0 <rsa_pri.pem)" = /dev/null ]
	printf 'secret\r\n' | cheaply coffer -q build --force --encryption=luks2 --key-fd=0 out.sif tree
	coffer exec --key-fd 4 out.sif true 4< <(printf secret)
	APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer exec out.sif true
	# The payload does not have the descriptor, from which the file could be read once more.
	coffer exec --key-fd 9 x.sif sh -c '! [ -e /proc/self/fd/9 ]' 9<rsa_pri.pem
	# It goes before the variables.
	APPTAINER_ENCRYPTION_PASSPHRASE=other coffer exec --key-fd 3 x.sif true 3<rsa_pri.pem
	rm out.sif
}
@test "a key from a command, which has no other key and not the container's input" {
	coffer -q build --encryption=gocryptfs --key-command 'cat rsa_pub.pem' out.sif tree
	[ "$(echo input | coffer exec --key-command='cat >stolen; cat rsa_pri.pem' out.sif cat)" = input ]
	[ ! -s stolen ]
	cheaply coffer -q build --force --encryption=luks2 --key-command 'echo secret' out.sif tree
	export APPTAINER_ENCRYPTION_PASSPHRASE=wrong-one SINGULARITY_ENCRYPTION_PASSPHRASE=wrong-two
	coffer exec --key-command='env >environment; echo secret' out.sif true
	refute grep -e ENCRYPTION_P -e wrong- environment
	rm out.sif stolen environment
}
@test "a credential of systemd's, behind the variables" {
	mkdir -p credentials
	cp rsa_pri.pem credentials/coffer.key
	cp rsa_pub.pem credentials/coffer.pub
	chmod 0400 credentials/*
	export CREDENTIALS_DIRECTORY=$WORK/credentials
	coffer -q build --encrypt --encryption=gocryptfs out.sif tree
	coffer exec out.sif true
	(unset CREDENTIALS_DIRECTORY && opens rsa_pri.pem)
	APPTAINER_ENCRYPTION_PASSPHRASE=other run --separate-stderr coffer exec out.sif true
	[ "$status" -eq 255 ]
	CREDENTIALS_DIRECTORY=$WORK/nowhere run --separate-stderr coffer exec out.sif true
	refused 255 "required option --passphrase or --pem-path missing"
	rm -rf credentials/coffer.key out.sif && mkdir credentials/coffer.key
	run --separate-stderr coffer exec x.sif true
	[ "$status" -eq 255 ]
	err_has "the credential coffer.key is no file"
	rm -rf credentials
}
@test "what these give that is no key is refused by name, and not repeated" {
	local wrong
	fails() { # WORDS OPTION...
		local words=$1
		shift
		run --separate-stderr coffer exec "$@" x.sif true
		[ "$status" -ne 0 ]
		err_has "$words"
		refute grep -q precious <<<"$stderr$output"
	}
	fails "--key-fd 5: no descriptor that a key can come from" --key-fd 5
	fails "--key-fd 1: no descriptor" --key-fd 1
	fails "--key-fd -1 is no descriptor" --key-fd=-1
	fails "more than one source of the key is given" --key-fd 0 --key-command true
	fails "more than one source of the key is given" --key-fd 0 --passphrase
	fails "more than one source of the key is given" --key-command true --pem-path=rsa_pri.pem
	fails "gives no key: nothing came" --key-command true
	fails "gives no key: nothing came" --key-fd 3 3</dev/null
	fails "the program of --key-command ended with status 3" --key-command 'echo precious; exit 3'
	fails "signal 9 ended the program" --key-command 'echo precious; kill -9 $$'
	fails "was not found" --key-command /nowhere/program
	fails "gives more than 65536 bytes" --key-command 'yes precious'
	fails "gives neither one line, a passphrase, nor an RSA key" --key-command 'echo precious; echo more'
	fails "Cannot encrypt container with empty passphrase" --key-command echo
	fails "the PEM data is damaged" --key-command 'head -c 900 rsa_pri.pem'
	fails "this is a public key, and the private key is needed" --key-command 'cat rsa_pub.pem'
	run --separate-stderr coffer exec --key-command 'echo x' tree true
	refused 255 "is not encrypted, but a key is given for it"
	run --separate-stderr coffer build --key-command 'cat rsa_pri.pem' out.sif tree
	refused 255 "this is a private key, and a public key is needed"
	[ ! -e out.sif ]
}

@test "what these give is never a passphrase where it is a key, in whatever form" {
	local key source
	ssh-keygen -q -t ed25519 -N '' -C a@b -f one
	mkdir -p credentials
	export CREDENTIALS_DIRECTORY=$WORK/credentials
	base64 -w 0 rsa_pub.pem >again
	for key in one.pub again; do
		cp $key credentials/coffer.pub
		for source in --key-fd=3 "--key-command=cat $key" --encrypt; do
			run --separate-stderr coffer build --encryption=gocryptfs "$source" out.sif tree 3<$key
			[ "$status" -eq 255 ] && [ ! -e out.sif ] || { echo "$key $source: $stderr"; false; }
			grep -qe "the key is not an RSA key" -e "encoded once more" <<<"$stderr"
		done
	done
	# Read as --pem-path reads it: the private key opens what is built.
	openssl rsa -in rsa_pri.pem -pubout -outform DER 2>/dev/null | base64 -w 0 >credentials/coffer.pub
	for source in --key-fd=3 "--key-command=cat credentials/coffer.pub" --encrypt; do
		coffer -q build --force --encryption=gocryptfs "$source" out.sif tree 3<credentials/coffer.pub
		(unset CREDENTIALS_DIRECTORY && coffer exec --pem-path=rsa_pri.pem out.sif true)
	done
	unset CREDENTIALS_DIRECTORY
	coffer exec --key-command 'openssl rsa -in rsa_pri.pem -outform DER 2>/dev/null' x.sif true
	rm -rf credentials out.sif one one.pub again
}

# ---------------------------------------------------------------- key show, key check

@test "key show tells kind, length, protection and fingerprint" {
	local finger
	finger=$(openssl rsa -in rsa_pri.pem -pubout -outform DER 2>/dev/null | sha256sum | cut -d ' ' -f 1)
	for key in rsa_pri.pem k; do
		run -0 --separate-stderr coffer key show $key
		grep -qx "  kind:         RSA private key, 2048 bits" <<<"$output"
		grep -qx "  protected:    no" <<<"$output"
		grep -qx "  fingerprint:  rsa-sha256:$finger" <<<"$output"
		grep -qx "  use:          opens images that were built with its public half" <<<"$output"
	done
	for key in rsa_pub.pem cert.pem k.pub; do
		run -0 --separate-stderr coffer key show $key
		grep -qx "  kind:         RSA public key, 2048 bits" <<<"$output"
		grep -qx "  fingerprint:  rsa-sha256:$finger" <<<"$output"
	done
	# What can be read once only.
	for key in rsa_pub.pem rsa_pri.pem; do
		run -0 --separate-stderr coffer key show <(cat $key)
		grep -qx "  fingerprint:  rsa-sha256:$finger" <<<"$output"
	done
	openssl pkcs8 -topk8 -in rsa_pri.pem -passout pass:pw -out 8.pem
	run -0 --separate-stderr coffer key show 8.pem <<<pw
	grep -qx "  protected:    yes, with a password" <<<"$output"
	grep -q "$finger" <<<"$output"
	run --separate-stderr coffer key show 8.pem <<<wrong
	refused 255 "the password does not open the private key"
	run --separate-stderr coffer key show 8.pem </dev/null
	refused 255 "no password was given"
	run --separate-stderr coffer key show request.pem
	refused 255 "this is a certificate signing request"
	run --separate-stderr coffer key show nowhere.pem
	refused 255 "does not exist"
}
@test "key check says which keys open an image, and runs nothing" {
	passphrase_image
	run -0 --separate-stderr coffer key check x.sif other_pri.pem rsa_pri.pem request.pem
	[ "${lines[0]}" = "other_pri.pem: does not open $WORK/x.sif" ]
	[ "${lines[1]}" = "rsa_pri.pem: opens $WORK/x.sif" ]
	[[ "${lines[2]}" == "request.pem: is no key for it: "*"certificate signing request"* ]]
	run -1 --separate-stderr coffer key check x.sif other_pri.pem
	run -0 --separate-stderr coffer key check --pem-path=rsa_pri.pem x.sif
	run -0 --separate-stderr coffer key check --key-command 'echo secret' p.sif
	run -1 --separate-stderr coffer key check --key-command 'echo other' p.sif
	run -1 --separate-stderr coffer key check --key-fd 3 p.sif 3<rsa_pri.pem
	APPTAINER_ENCRYPTION_PASSPHRASE=secret run -0 --separate-stderr coffer key check p.sif
	run -0 --separate-stderr coffer key check --passphrase p.sif <<<secret
	run --separate-stderr coffer key check p.sif
	refused 255 "no key is given"
	coffer -q build --force plain.sif tree
	run --separate-stderr coffer key check plain.sif rsa_pri.pem
	[ "$status" -ne 0 ]
	err_has "plain.sif is not encrypted"
	no_processes
}
