#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docs/keys.md: each of its commands, in its order, by one person with one home.

load helper

setup_file() {
	make_work
	chmod 0777 .
	make_keys
	mkdir -p home/.ssh
	ssh-keygen -q -t ed25519 -N secret -f home/.ssh/id_ed25519
	ssh-keygen -q -t ed25519 -N '' -f bob
	local name
	for name in ada eve; do
		age-keygen -o $name.key 2>/dev/null
		age-keygen -y $name.key >$name.pub
	done
	cp "$COFFER_ROOT/docs/examples/hello.def" .
	echo 'patient 4711: the diagnosis' >records.txt
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
}

# One line of the page; a passphrase comes by a pipe, and so does that of the ssh key.
follow() { # LINE
	local ssh='(identity|show) ~/\.ssh/id_ed25519( |$)'
	local input=/dev/null
	[[ $1 != *' --passphrase '* && ! $1 =~ $ssh ]] || input=secret.txt
	[[ $1 != 'coffer passphrase '* ]] || input=two.txt
	eval "$1" <"$input"
}

@test "each command of the page, in its order" {
	local line count=0
	echo secret >secret.txt
	printf 'secret\nsecret\n' >two.txt
	grep '^    ' "$COFFER_ROOT/docs/keys.md" | sed 's/^    //' >list
	while IFS= read -r line <&9; do
		echo "\$ $line" >>log
		follow "$line" >>log 2>&1 || { cat log; false; }
		count=$((count + 1))
		[[ $line != *'-r bob.pub'* ]] || {
			run -255 coffer run --identity bob secret.sif
			run -0 coffer run --identity ada.key secret.sif
		}
	done 9<list
	[ "$count" -eq "$(grep -c '^    ' "$COFFER_ROOT/docs/keys.md")" ]
	[ "$count" -ge 50 ]
	# As often as an image is run there.
	grep -qx 'patient 4711: the diagnosis' log
	grep -qx /srv/records.txt log
	[ "$(grep -c '^hello from inside: patient 4711: the diagnosis$' log)" -eq "$(grep -c '^coffer run ' list)" ]
	grep -q 'may have kept a copy of the image' log
	[ ! -e volume.json ]
	# Rotated: the old key opens it no more.
	run -255 coffer run --identity node.key secret.sif
}
