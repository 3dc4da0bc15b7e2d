#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The README's own commands, in its order, with the definition that it shows and nothing else.

load helper

setup_file() {
	make_work
	README=$COFFER_ROOT/README.md
	export README
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# The README's block of lines that begins with this one, without its indent.
block() { # FIRST-LINE
	awk -v first="    $1" '$0 == first { on = 1 } on && /^[^ ]/ { exit } on { sub(/^    /, ""); print }' "$README"
}
# The lines of a part that are commands, but for what installs, and for images of registries, which are
# not at hand: 36-pull, 38-oci and 39-registry have made ones.
commands() { # FROM TO
	awk -v from="$1" -v to="$2" 'index($0, to) == 1 { exit } on && /^    (coffer|ssh-keygen|mv|export) / { sub(/^ */, ""); if (!/docker/) print }
		index($0, from) == 1 { on = 1 }' "$README"
}
# Each of them; a passphrase comes by a pipe, and behind it what a shell is told.
follow() {
	local line
	while IFS= read -r line; do
		echo "\$ $line" >>log
		case $line in
		*"build "*) rm -f hello.sif ;;&
		*--passphrase*) eval "$line" <<<$'secret\nexit' ;;
		ssh-keygen*) eval "${line/4096/2048}" </dev/null ;;
		*) eval "$line" </dev/null ;;
		esac >>log 2>&1 || { cat log; return 1; }
	done
}

@test "the first screen: a definition that is there, built, run and looked into" {
	block "Bootstrap: scratch" >hello.def
	echo 'patient 4711: the diagnosis' >records.txt
	grep -q '^%runscript' hello.def
	commands "Then, as anybody" "## Use it" >list
	[ "$(wc -l <list)" -eq 3 ]
	follow <list
	[ "$(grep -c '^hello from inside: patient 4711: the diagnosis$' log)" -eq 1 ]
	refute grep -aq 'the diagnosis' hello.sif
}

@test "the rest: keys, passphrases and the environment" {
	block "Bootstrap: scratch" >hello.def
	echo 'patient 4711: the diagnosis' >records.txt
	: >log
	commands "## Use it" "## Install" >list
	[ "$(wc -l <list)" -ge 13 ]
	follow <list
	[ "$(grep -c '^hello from inside: patient 4711: the diagnosis$' log)" -eq 3 ]
	[ "$(grep -c '^patient 4711: the diagnosis$' log)" -eq 2 ]
}
