#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every command of Apptainer's user guide, "Encrypted Containers", with coffer in the
# place of apptainer, in a real terminal where it prompts. Run as root these are the guide's
# "Privileged Encryption" flows, as a normal user its "Unprivileged Encryption" ones.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition encrypted.def "$WORK/tree"
	printf 'top secret\n' >secret.txt
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; rm -f encrypted.sif; }

listing() { # HAS-MESSAGE
	run -0 coffer sif list encrypted.sif
	[ "${lines[3]:0:25}" = "1    |1       |NONE    |3" ]
	grep -q "|Def.FILE$" <<<"${lines[3]}"
	grep -q "|JSON.Generic$" <<<"${lines[4]}"
	grep -q "|FS ($(default_kind)/\*System/amd64)$" <<<"${lines[5]}"
	if [ "$1" = message ]; then
		grep -q "|1       |3       |.*|Cryptographic Message (PEM/RSA-OAEP)$" <<<"${lines[6]}"
	else
		[ "${#lines[@]}" -eq 6 ]
	fi
}

@test "build with a passphrase at the prompt; asked twice; run with it" {
	run terminal "Enter encryption passphrase: " secret "passphrase: " secret -- \
		coffer build --passphrase encrypted.sif encrypted.def
	[ "$status" -eq 0 ] || { echo "$output"; false; }
	grep -q "Starting build..." <<<"$output"
	grep -q "Build complete: encrypted.sif" <<<"$output"
	refute grep -q -e 'ECHO!' -e 'MODES!' -e secret <<<"$output"
	listing none
	run terminal "Enter encryption passphrase: " secret -- coffer run --passphrase encrypted.sif a b
	[ "$status" -eq 0 ]
	grep -q "hello, args: a b" <<<"$output"
	refute grep -q -e 'ECHO!' -e 'MODES!' -e secret <<<"$output"
}

@test "called apptainer, a build asks once" {
	cheaply run terminal "Enter encryption passphrase: " secret -- \
		apptainer build --passphrase encrypted.sif encrypted.def
	[ "$status" -eq 0 ]
	[ "$(grep -c passphrase: <<<"$output")" -eq 1 ]
	APPTAINER_ENCRYPTION_PASSPHRASE=secret run -0 apptainer run encrypted.sif
}

@test "two answers that differ build nothing" {
	run terminal "Enter encryption passphrase: " secret "passphrase: " other -- \
		coffer build --passphrase encrypted.sif encrypted.def
	[ "$status" -eq 255 ]
	[ ! -e encrypted.sif ]
}

@test "Ctrl-C at the prompt ends it by the signal, with the terminal as it was" {
	run terminal "Enter encryption passphrase: " ^C -- coffer build --passphrase encrypted.sif encrypted.def
	[ "$status" -eq 130 ]
	refute grep -q 'MODES!' <<<"$output"
	[ ! -e encrypted.sif ]
}

@test "Ctrl-D at the prompt is an empty passphrase" {
	run terminal "Enter encryption passphrase: " ^D -- coffer build --passphrase encrypted.sif encrypted.def
	[ "$status" -eq 255 ]
	grep -q "Cannot encrypt container with empty passphrase" <<<"$output"
}

@test "a passphrase through a pipe" {
	printf 'secret\n' | cheaply coffer build --passphrase encrypted.sif encrypted.def
	printf 'secret\nthe rest\n' | {
		run -0 --separate-stderr coffer exec --passphrase encrypted.sif cat /etc/secret.txt
		grep -q 'a marker that must stay hidden' <<<"$output"
	}
}

@test "no prompt lands in what the container writes" {
	echo secret | cheaply coffer -q build --passphrase encrypted.sif encrypted.def
	[ "$(echo secret | coffer exec --passphrase encrypted.sif echo hi 2>errors)" = hi ]
	[ ! -s errors ]
	# A person at a terminal sees it, wherever the output goes.
	for to in '>out' '>out 2>errors'; do
		run terminal "Enter encryption passphrase: " secret -- sh -c "coffer exec --passphrase encrypted.sif echo hi $to"
		[ "$status" -eq 0 ]
		[ "$(cat out)" = hi ]
		run terminal "continue? [y/N] " n "passphrase: " secret -- \
			sh -c "coffer build encrypted.sif encrypted.def $to; coffer exec --passphrase encrypted.sif echo hi $to"
		[ "$status" -eq 0 ]
		[ "$(cat out)" = hi ]
	done
	run terminal "continue? [y/N] " n -- coffer build encrypted.sif encrypted.def
	[ "$status" -eq 255 ]
	grep -q 'While checking build target: stopping build' <<<"$output"
	grep -q '^         .*--force' <<<"$output"
	run terminal "continue? [y/N] " y -- coffer build encrypted.sif encrypted.def
	[ "$status" -eq 0 ]
}

@test "APPTAINER_ENCRYPTION_PASSPHRASE with --encrypt; run with the variable" {
	APPTAINER_ENCRYPTION_PASSPHRASE=secret cheaply run -0 coffer build --encrypt encrypted.sif encrypted.def
	listing none
	APPTAINER_ENCRYPTION_PASSPHRASE="secret" run -0 --separate-stderr coffer run encrypted.sif
	[ "$output" = "hello, args: " ]
	export APPTAINER_ENCRYPTION_PASSPHRASE=$(cat secret.txt)
	cheaply run -0 coffer build --force --encrypt encrypted.sif encrypted.def
	run -0 --separate-stderr coffer run encrypted.sif
	[ "$output" = "hello, args: " ]
}

@test "the guide's example without --encrypt: a warning and a plain image" {
	APPTAINER_ENCRYPTION_PASSPHRASE=secret run -0 --separate-stderr coffer build encrypted.sif encrypted.def
	err_has "WARNING: Encryption related env vars found, but --encrypt was not specified. NOT encrypting container."
	run -0 coffer sif list encrypted.sif
	grep -q "FS (Squashfs/\*System/amd64)" <<<"$output"
	run -0 --separate-stderr coffer run encrypted.sif
	[ "$output" = "hello, args: " ]
}

@test "a PEM key on the command line" {
	run -0 coffer build --pem-path=rsa_pub.pem encrypted.sif encrypted.def
	listing message
	run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem encrypted.sif x
	[ "$output" = "hello, args: x" ]
	run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem --userns encrypted.sif
	run -0 --separate-stderr coffer exec --pem-path rsa_pri.pem encrypted.sif cat /etc/post.txt
	[ "$output" = "made in post" ]
}

@test "a PEM key by APPTAINER_ENCRYPTION_PEM_PATH, relative as in the guide" {
	APPTAINER_ENCRYPTION_PEM_PATH=rsa_pub.pem run -0 coffer build --encrypt encrypted.sif encrypted.def
	listing message
	APPTAINER_ENCRYPTION_PEM_PATH=rsa_pri.pem run -0 --separate-stderr coffer run encrypted.sif
	[ "$output" = "hello, args: " ]
}

@test "a PEM key in APPTAINER_ENCRYPTION_PEM_DATA" {
	APPTAINER_ENCRYPTION_PEM_DATA="$(cat rsa_pub.pem)" run -0 coffer build --encrypt encrypted.sif encrypted.def
	listing message
	APPTAINER_ENCRYPTION_PEM_DATA="$(cat rsa_pri.pem)" run -0 --separate-stderr coffer run encrypted.sif
	[ "$output" = "hello, args: " ]
}

@test "precedence: --pem-path over --passphrase over the variables" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=wrong APPTAINER_ENCRYPTION_PEM_PATH=/nowhere
	run -0 coffer build --pem-path=rsa_pub.pem --passphrase encrypted.sif encrypted.def </dev/null
	listing message
	run -0 coffer run --pem-path=rsa_pri.pem --passphrase encrypted.sif </dev/null
	unset APPTAINER_ENCRYPTION_PEM_PATH
	rm encrypted.sif
	printf 'secret\n' | cheaply coffer build --passphrase encrypted.sif encrypted.def
	printf 'secret\n' | coffer run --passphrase encrypted.sif
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret APPTAINER_ENCRYPTION_PEM_PATH=other_pri.pem
	run -255 coffer run encrypted.sif
}

@test "both kinds for anybody, by --encryption" {
	for kind in luks2 gocryptfs; do
		run -0 coffer build --force --encryption=$kind --pem-path=rsa_pub.pem encrypted.sif encrypted.def
		run -0 coffer sif list encrypted.sif
		case $kind in luks2) grep -q "FS (Encrypted squashfs" <<<"$output" ;; *) grep -q "FS (Gocryptfs squashfs" <<<"$output" ;; esac
		run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem encrypted.sif 1
		[ "$output" = "hello, args: 1" ]
		run -0 --separate-stderr coffer run --userns --pem-path=rsa_pri.pem encrypted.sif 1
		refute grep -aq 'a marker that must stay hidden' encrypted.sif
	done
}

@test "inspect and run-help need no key" {
	run -0 coffer build --pem-path=rsa_pub.pem encrypted.sif encrypted.def
	run -0 coffer inspect encrypted.sif
	grep -q '^org.example.name: end-to-end$' <<<"$output"
	run -0 coffer inspect --deffile encrypted.sif
	[ "$output" = "$(cat encrypted.def)" ]
	run -0 coffer run-help encrypted.sif
	grep -q 'A test image.' <<<"$output"
}
