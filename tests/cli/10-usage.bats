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
	for c in capability plugin remote; do
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
		[ "${lines[1]}" = '  coffer [global options...] config <command>' ]
	done
	run --separate-stderr coffer instance stats web
	[ "${stderr_lines[0]}" = 'Error: "coffer instance stats" is not supported by coffer' ]
	[[ "${stderr_lines[1]}" == *'ps --ppid PID'* ]]
	run -0 --separate-stderr apptainer help -h
	[ "${lines[0]}" = 'Help about any command' ]
	run -0 --separate-stderr singularity version --help
	[ "${lines[0]}" = 'Show the version for Apptainer' ]
	program=apptainer
	run --separate-stderr apptainer plugin list
	usage_error 'Error: "apptainer plugin" is not supported by coffer'
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

@test "called apptainer bad options list the good ones" {
	program=apptainer
	run --separate-stderr apptainer exec --cleanenw
	usage_error 'Error for command "exec": unknown flag: --cleanenw'
	[ "${lines[0]}" = "Options for exec command:" ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	run --separate-stderr apptainer exec -q x y
	usage_error "Error for command \"exec\": unknown shorthand flag: 'q' in -q"
	run --separate-stderr apptainer build --pem-path
	usage_error 'Error for command "build": flag needs an argument: --pem-path'
	run --separate-stderr apptainer build --encrypt=maybe a b
	usage_error 'Error for command "build": invalid argument "maybe" for "-e, --encrypt" flag: strconv.ParseBool: parsing "maybe": invalid syntax'
	run --separate-stderr apptainer --bogus
	usage_error 'Error for command "apptainer": unknown flag: --bogus'
}

@test "a mistyped option: two lines, and what may have been meant" {
	two_lines() { # FIRST SECOND
		[ "$status" -eq 1 ]
		[ -z "$output" ]
		[ "$stderr" = "$1"$'\n         '"$2" ] || { echo "$stderr"; false; }
	}
	run --separate-stderr coffer exec --bnid /data x.sif true
	two_lines 'Error for command "exec": unknown flag: --bnid' 'did you mean --bind? `coffer exec --help` lists the options'
	run --separate-stderr coffer build --passphras=secret a b
	two_lines 'Error for command "build": unknown flag: --passphras' 'did you mean --passphrase? `coffer build --help` lists the options'
	# What is not offered is not what was meant.
	run --separate-stderr coffer exec --nvccl x.sif true
	two_lines 'Error for command "exec": unknown flag: --nvccl' '`coffer exec --help` lists the options'
	run --separate-stderr coffer sif list --bogus
	two_lines 'Error for command "list": unknown flag: --bogus' '`coffer sif list --help` lists the options'
	run --separate-stderr coffer --versoin
	two_lines 'Error for command "coffer": unknown flag: --versoin' 'did you mean --version? `coffer --help` lists the options'
}

@test "help is as wide as the terminal" {
	local columns
	for columns in 45 70 100; do
		run terminal -- sh -c "stty cols $columns; coffer help exec; coffer help sif"
		[ "$status" -eq 0 ]
		output=${output//$'\r'/}
		[[ "$output" == *"Look into a SIF file"* ]]
		[ "$(awk -v most=$columns 'length > most && !/^  \$/' <<<"$output")" = "" ]
	done
	# The last was 100: words stand beside all names, and go beyond column 80.
	awk 'length > 80 { found = 1 } END { exit !found }' <<<"$output"
	grep -q '^  -h, --help  *print this help$' <<<"$output"
	run terminal -- sh -c "stty cols 45; coffer help exec"
	[[ "${output//$'\r'/}" == *$'\n      --cwd dir\n        start in this folder of the container\n'* ]]
}

@test "colours on a terminal, but not where NO_COLOR says so" {
	local red=$'\e[31m'
	run terminal -- coffer exec /nonexistent.sif true
	[[ "$output" == *"$red"*FATAL* ]]
	for words in 'NO_COLOR=1 coffer' 'coffer --nocolor'; do
		run terminal -- env $words exec /nonexistent.sif true
		[[ "$output" == *FATAL* && "$output" != *$'\e'* ]]
	done
	run terminal -- env NO_COLOR= coffer exec /nonexistent.sif true
	[[ "$output" == *"$red"* ]]
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
	refused 255 'No such image: /nonexistent.sif'
	run --separate-stderr apptainer exec /nonexistent.sif true --help
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
	run --separate-stderr env SINGULARITY_SHARENS=1 coffer exec x y
	refused 255 '--sharens, asked for by SINGULARITY_SHARENS, is not supported by coffer'
	# Each way out is one: cpuset-mems takes a program that need not be here, the limits systemd.
	local option
	for option in --sharens --unsquash --oom-kill-disable '--fusemount x' '--no-env X' '--containlibs x' '--cpus 2' \
		'--memory 1g' '--pids-limit 5' '--cpu-shares 5' '--cpuset-cpus 0' '--cpuset-mems 0' '--apply-cgroups f' \
		'--blkio-weight 10' '--memory-swap 1g' '--memory-reservation 1g' '--blkio-weight-device x'; do
		# shellcheck disable=SC2086
		run --separate-stderr coffer exec $option x y
		refused 255 "${option%% *} is not supported by coffer"
		[[ "$stderr" != *'lists what there is'* ]]
	done
	cd "$FIXTURES"
	run -0 --separate-stderr taskset -c 0 coffer exec plain.sif cat /proc/self/status
	[[ "$output" == *$'\nCpus_allowed_list:\t0\n'* ]]
	X=1 run -0 --separate-stderr env -u X coffer exec plain.sif env
	[[ $'\n'"$output" != *$'\nX='* ]]
	run -0 --separate-stderr coffer exec --bind "$COFFER:/.singularity.d/libs/lib.so" plain.sif ls /.singularity.d/libs/lib.so
	run --separate-stderr coffer exec --nvccli=false --disable-cache --no-https /nonexistent.sif true
	refused 255 'No such image: /nonexistent.sif'
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

@test "an image of a kind of place that is not known is refused" {
	run --separate-stderr coffer exec instance://web true
	refused 255 'While setting image/instance: no instance found with name web'
	run --separate-stderr coffer build /tmp/never.sif shub://alpine
	refused 255 'Unable to build from shub://alpine: building from shub is not supported by coffer yet'
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
	[ "$(complete_words coffer siftool '')" = "add del dump header info list new setprim" ]
	[ "$(complete_words coffer insp)" = inspect ]
	[ "$(complete_words coffer --config = /etc/x insp)" = inspect ]
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

@test "fish completes under all names, with words for all, and images first" {
	local name
	mkdir -p "$BATS_TEST_TMPDIR/d/folder"
	cd "$BATS_TEST_TMPDIR/d"
	touch a.txt image.sif
	for name in coffer apptainer singularity; do
		$name completion fish >c.fish
		fish -n c.fish
		offered() { # LINE: what is offered behind it, a candidate and its words a line
			HOME=$PWD fish -c 'source c.fish; complete -C "$argv"' -- "$name $1"
		}
		offered 'exec --passp' | grep -qxP -- '--passphrase\task for the passphrase of the encrypted container'
		offered 'exec --p' | grep -q -- '^--pwd'
		offered 'exec -' | grep -qP -- "^--nv\tbring along this machine's libraries"
		[ "$(offered 'build --encryption ' | cut -f 1 | xargs)" = "gocryptfs luks2" ]
		[ "$(offered 'siftool l')" = $'list\tList the data objects' ]
		[ "$(offered '-d --config x insp' | cut -f 1)" = inspect ]
		offered 'help b' | grep -q '^build'
		[ "$(offered 'exec ' | head -1)" = image.sif ]
		offered 'exec ' | grep -qx a.txt
		[ "$(offered 'exec --pem-path im')" = image.sif ]
		[ "$(offered 'exec --workdir ' | cut -f 1)" = folder/ ]
		[ -z "$(offered 'exec --hostname ')" ]
		# Behind the image stands the payload's command, which is none of ours.
		[ -z "$(offered 'exec image.sif bui')" ]
	done
}

@test "zsh completes under all names" {
	local name
	mkdir -p "$BATS_TEST_TMPDIR/d"
	cd "$BATS_TEST_TMPDIR/d"
	touch a.txt image.sif
	for name in coffer apptainer singularity; do
		printf 'PS1="ready: "\nautoload -Uz compinit\ncompinit -u -D\n%s() { printf "<%%s>" "$@" END; }\n' $name >.zshrc
		$name completion zsh >c.zsh
		zsh -n c.zsh
		cat c.zsh >>.zshrc
		typed() { # LINE: what the command was given
			ZDOTDIR=$PWD terminal 'ready: ' "$name $1" 'END>' exit -- zsh -i
		}
		typed $'ex\t--passp\t\tl' | grep -qF '<exec><--passphrase><image.sif><l><END>'
		typed $'build --encryption=lu\tx a\t' | grep -qF '<build><--encryption=luks2><x><a.txt><END>'
		typed $'-d siftool du\t1 im\t' | grep -qF '<-d><siftool><dump><1><image.sif><END>'
		typed $'run image.sif --passp\t' | grep -qF '<run><image.sif><--passp><END>'
		typed $'key ch\tim\t--pem-p\ta\t' | grep -qF '<key><check><image.sif><--pem-path=a.txt><END>'
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
