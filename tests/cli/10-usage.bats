#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Usage errors, help and version: cli-messages 1.4, runtime.md 1.
load helper

setup() { cd /; }

usage_error() { # WORDS
	[ "$status" -eq 1 ]
	[ "${stderr_lines[0]}" = "$1" ] || { echo "$stderr"; false; }
	[ "${lines[-1]}" = "Run '${program:-coffer} --help' for more detailed usage information." ]
}

@test "no command: the main usage, status 1" {
	run --separate-stderr coffer
	[ "$status" -eq 1 ]
	[ "${lines[0]}" = "Usage:" ]
	[ "${lines[1]}" = "  coffer [global options...] <command>" ]
	[ -z "$stderr" ]
}

@test "an unknown command is named" {
	run --separate-stderr coffer bogus
	usage_error 'Error: unknown command "bogus" for "coffer"'
}

@test "what may have been meant is said" {
	local c
	for c in biuld:build buil:build rum:run tset:test helpp:help; do
		run --separate-stderr coffer "${c%:*}"
		usage_error "Error: unknown command \"${c%:*}\" for \"coffer\""
		[[ "$stderr" == *$'\n\nDid you mean this?\n\t'"${c#*:}"* ]]
	done
	run --separate-stderr coffer sif lst
	usage_error 'Error: unknown command "lst" for "coffer sif"'
	[[ "$stderr" == *$'\n\nDid you mean this?\n\tlist'* ]]
	run --separate-stderr coffer bogus
	[[ "$stderr" != *mean* ]]
}

@test "a command that Apptainer has and coffer has not is refused by its name" {
	local c
	for c in cache capability instance overlay push remote sign verify; do
		for words in "$c" "$c --bogus x" "help $c" "help $c list" "$c --help"; do
			run --separate-stderr coffer $words
			usage_error "Error: \"coffer $c\" is not supported by coffer"
			[ "${lines[1]}" = '  coffer [global options...] <command>' ]
		done
	done
	for c in list newpair import pull; do
		run --separate-stderr coffer key $c
		usage_error "Error: \"coffer key $c\" is not supported by coffer"
	done
	for c in fakeroot global; do
		run --separate-stderr coffer config $c
		usage_error "Error: \"coffer config $c\" is not supported by coffer"
	done
	for c in add del new setprim; do
		for words in "sif $c" "siftool $c --datatype 4 x.sif y" "help sif $c"; do
			run --separate-stderr coffer $words
			usage_error "Error: \"coffer sif $c\" is not supported by coffer"
			[ "${lines[1]}" = '  coffer [global options...] sif <command>' ]
			[[ "${lines[3]}" == '  dump '* ]]
		done
	done
	program=apptainer
	run --separate-stderr apptainer push image.sif oras://h/x
	usage_error 'Error: "apptainer push" is not supported by coffer'
	run --separate-stderr apptainer sif bogus
	usage_error 'Error: unknown command "bogus" for "apptainer sif"'
}

@test "wrong counts of arguments" {
	run --separate-stderr coffer sif list
	usage_error 'Error for command "list": accepts 1 arg(s), received 0'
	[ "${lines[1]}" = "  coffer [global options...] sif list <sif_path>" ]
	run --separate-stderr coffer exec image.sif
	usage_error 'Error for command "exec": requires at least 2 arg(s), only received 1'
	run --separate-stderr coffer build one
	usage_error 'Error for command "build": accepts 2 arg(s), received 1'
	run --separate-stderr coffer inspect image.sif --labels
	usage_error 'Error for command "inspect": accepts 1 arg(s), received 2'
}

@test "bad options list the good ones" {
	run --separate-stderr coffer exec --bogus
	usage_error 'Error for command "exec": unknown flag: --bogus'
	[ "${lines[0]}" = "Options for exec command:" ]
	run --separate-stderr coffer exec -q x y
	usage_error "Error for command \"exec\": unknown shorthand flag: 'q' in -q"
	run --separate-stderr coffer build --pem-path
	usage_error 'Error for command "build": flag needs an argument: --pem-path'
	run --separate-stderr coffer build --encrypt=maybe a b
	usage_error 'Error for command "build": invalid argument "maybe" for "-e, --encrypt" flag: strconv.ParseBool: parsing "maybe": invalid syntax'
	run --separate-stderr coffer --bogus
	usage_error 'Error for command "coffer": unknown flag: --bogus'
}

@test "called apptainer it names itself so" {
	program=apptainer
	run --separate-stderr apptainer run
	usage_error 'Error for command "run": requires at least 1 arg(s), only received 0'
	[ "${lines[1]}" = "  apptainer [global options...] run [run options...] <container> [args...]" ]
	run --separate-stderr apptainer --version
	[[ "$output" =~ ^apptainer\ version\ 1\.4\.5\+coffer\.[0-9.]+$ ]]
	run --separate-stderr singularity --version
	[[ "$output" =~ ^apptainer\ version\ 1\.4\.5\+coffer\.[0-9.]+$ ]]
	run --separate-stderr singularity version
	[[ "$output" =~ ^1\.4\.5\+coffer\.[0-9.]+$ ]]
	run --separate-stderr coffer --version
	[[ "$output" =~ ^coffer\ version\ [0-9.]+$ ]]
}

@test "help goes to standard output, status 0, 80 columns" {
	local c
	for c in --help "help" "build --help" "exec -h" "help run" "help sif list" "sif" "sif --help" "inspect --help" "completion --help"; do
		run --separate-stderr coffer $c
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ "${lines[1]}" = "Usage:" ]
		[ "$(awk 'length > 80' <<<"$output" | wc -l)" -eq 0 ]
	done
}

@test "an option after the image belongs to the command" {
	run --separate-stderr coffer exec /nonexistent.sif true --help
	refused 255 'While checking container encryption: could not open image /nonexistent.sif'
}

@test "a passphrase on the command line is refused and not repeated" {
	local c
	for c in "exec --passphrase=tr0ub4dor x y" "run --passphrase:tr0ub4dor x" "build --passphrase=tr0ub4dor a b" "build --base-passphrase=tr0ub4dor a b"; do
		run --separate-stderr coffer $c
		refused 255 'can be seen by every user of this machine'
		[[ "$stderr$output" != *tr0ub* ]]
	done
}

@test "what coffer has not is refused by its name; what does no harm is taken" {
	run --separate-stderr coffer exec --nvccli x y
	refused 255 '--nvccli is not supported by coffer'
	[[ "$stderr" == *'use --nv, which needs no nvidia-container-cli'* ]]
	run --separate-stderr env APPTAINER_OVERLAY=x.img coffer exec x y
	refused 255 '--overlay, asked for by APPTAINER_OVERLAY, is not supported by coffer'
	run --separate-stderr env SINGULARITY_SHARENS=1 coffer exec x y
	refused 255 '--sharens, asked for by SINGULARITY_SHARENS, is not supported by coffer'
	run --separate-stderr coffer exec --nvccli=false --disable-cache --no-https /nonexistent.sif true
	refused 255 'could not open image /nonexistent.sif'
}

@test "a value that is wrong leads to the manual of its command" {
	run --separate-stderr coffer build --encryption=rot13 /tmp/never.sif /
	refused 255 '--encryption takes luks2 or gocryptfs, not rot13'
	err_has '         see `coffer help build` and the manual, coffer-build(1)'
	run --separate-stderr coffer exec -B /etc:relative /tmp true
	refused 255 'destination must be an absolute path'
	err_has '         see `coffer help exec` and the manual, coffer-exec(1)'
	run --separate-stderr coffer shell --mount type=bind,source=/etc,bogus /tmp
	err_has '         see `coffer help shell` and the manual, coffer-shell(1)'
}

@test "variables set options, and bad ones are named" {
	run --separate-stderr env APPTAINER_CONTAIN=foo coffer exec /nonexistent.sif true
	[ "$status" -eq 255 ]
	err_has 'While parsing environment variables'
	err_has 'unable to set flag contain to value foo: strconv.ParseBool: parsing "foo": invalid syntax'
	run --separate-stderr env SINGULARITY_CONTAIN=1 coffer exec /nonexistent.sif true
	err_has 'INFO:    Environment variable SINGULARITY_CONTAIN is set, but APPTAINER_CONTAIN is preferred'
	run --separate-stderr env SINGULARITY_CONTAIN=1 coffer -q exec /nonexistent.sif true
	[[ "$stderr" != *preferred* ]]
}

@test "an image that is to be fetched is refused" {
	run --separate-stderr coffer run docker://alpine
	refused 255 'coffer runs local images, not docker://alpine'
	err_has 'coffer pull IMAGE.sif docker://alpine'
	run --separate-stderr coffer exec instance://web true
	refused 255 'coffer runs local images, not instance://web'
	err_has 'no instances'
	run --separate-stderr coffer build /tmp/never.sif library://alpine
	refused 255 'Unable to build from library://alpine: building from library is not supported by coffer yet'
	err_has 'apptainer pull'
}

@test "completion scripts are of the shell's syntax and know the options" {
	coffer completion bash >"$BATS_TEST_TMPDIR/c"
	bash -n "$BATS_TEST_TMPDIR/c"
	complete_words() { # WORD...: what is offered for the last one
		bash -c '. "$0"; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _coffer; echo "${COMPREPLY[@]}"' \
			"$BATS_TEST_TMPDIR/c" "$@"
	}
	[ "$(complete_words coffer build --pa)" = --passphrase ]
	[ "$(complete_words coffer sif l)" = list ]
	[ "$(complete_words coffer siftool '')" = "dump header info list" ]
	[ "$(complete_words coffer ins)" = inspect ]
	[ "$(complete_words coffer --config = /etc/x ins)" = inspect ]
	[ "$(complete_words coffer exec --pem-p)" = --pem-path= ]
	# bash gives the value behind a = as a word of its own.
	[ "$(complete_words coffer build --encryption =)" = "luks2 gocryptfs" ]
	[ "$(complete_words coffer build --encryption = l)" = luks2 ]
	[ "$(complete_words coffer build --encryption g)" = gocryptfs ]
	[ "$(complete_words coffer build --compression = z)" = zstd ]
	[ "$(complete_words coffer completion '')" = "bash zsh fish" ]
	[ "$(complete_words coffer help b)" = build ]
	[ -z "$(complete_words coffer exec --hostname '')" ]
	[ -z "$(complete_words coffer exec --pem-path '')" ] # but files: see below
	coffer completion zsh | head -1 | grep -qx '#compdef coffer'
	coffer completion fish | grep -q -- '-l passphrase'
	run --separate-stderr coffer completion tcsh
	[ "$status" -eq 1 ]
}

@test "bash completes options and names of files at a prompt" {
	local name
	mkdir -p "$BATS_TEST_TMPDIR/d"
	cd "$BATS_TEST_TMPDIR/d"
	touch 'rsa pri.pem' image.sif
	for name in coffer apptainer singularity; do
		# What was completed is shown, not run.
		printf 'PS1="ready: "\n%s() { printf "<%%s>" "$@" END; }\n' $name >rc
		$name completion bash >>rc
		run terminal 'ready: ' "$name"$' exec --pem-p\trs\t--passp\timag\tl' 'END>' exit -- bash --noprofile --rcfile rc -i
		grep -qF '<exec><--pem-path=rsa pri.pem><--passphrase><image.sif><l><END>' <<<"$output" || { echo "$output"; false; }
		run terminal 'ready: ' "$name"$' build --pem-path rs\t--encryption=lu\tx imag\t' 'END>' exit -- bash --noprofile --rcfile rc -i
		grep -qF '<build><--pem-path><rsa pri.pem><--encryption=luks2><x><image.sif><END>' <<<"$output" || { echo "$output"; false; }
	done
}

@test "standard output that is full is an error" {
	run --separate-stderr bash -c 'coffer --help >/dev/full'
	[ "$status" -eq 255 ]
	err_has 'no space left on device'
}

@test "a copy that lends root's privileges runs nothing" {
	am_root || return 0
	local copy
	copy=$(mktemp -d /var/tmp/coffer-cli.XXXXXX)
	chmod 755 "$copy"
	cp "$COFFER" "$copy/coffer"
	for how in 'chmod 4755' 'chmod 2755' 'setcap cap_sys_admin+ep'; do
		chmod 755 "$copy/coffer"
		$how "$copy/coffer"
		run --separate-stderr setpriv --reuid 65534 --regid 65534 --clear-groups "$copy/coffer" --version
		echo "$how: $status $output $stderr"
		[ "$status" -eq 255 ]
		[ -z "$output" ]
		[[ "$stderr" == *'must not be set-user-id'* ]]
	done
	rm -r "$copy"
}
