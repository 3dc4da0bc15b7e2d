#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# inspect and run-help, without keys: runtime.md 16.
load helper

setup() { cd "$FIXTURES"; }

@test "labels, of each kind and without a key" {
	local image
	for image in plain luks-pass luks-pem gocryptfs-pass gocryptfs-pem; do
		run --separate-stderr coffer inspect $image.sif
		[ "$status" -eq 0 ]
		[ -z "$stderr" ]
		[ "${lines[0]}" = 'org.example.name: busybox-fixture' ]
		[ "${lines[3]}" = 'org.label-schema.schema-version: 1.0' ]
	done
}

@test "parts, in their fixed order" {
	run --separate-stderr coffer inspect -l -r -H luks-pass.sif
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = '#!/bin/sh' ]
	[ "${lines[1]}" = '  echo "runscript: $GREETING, args: $*"' ]
	[ "${lines[2]}" = '  A tiny image.' ]
	[ "${lines[3]}" = 'org.example.name: busybox-fixture' ]
	run --separate-stderr coffer inspect --deffile luks-pass.sif
	[ "${lines[0]}" = 'Bootstrap: localimage' ]
	run --separate-stderr coffer inspect --environment luks-pass.sif
	[ "${lines[0]}" = '=== /.singularity.d/env/90-environment.sh ===' ]
	run --separate-stderr coffer inspect --test luks-pass.sif
	[ "$status" -eq 0 ]
	[ -z "$output" ]
}

@test "JSON is what json.tool reads, in tabs and Go's escapes" {
	run --separate-stderr coffer inspect --json luks-pem.sif
	[ "${lines[0]}" = '{' ]
	[ "${lines[3]}" = $'\t\t\t"labels": {' ]
	coffer inspect --all luks-pem.sif | python3 -m json.tool >/dev/null
	mkdir -p "$BATS_TEST_TMPDIR/box/.singularity.d"
	echo '{"k":"a<b>&c"}' >"$BATS_TEST_TMPDIR/box/.singularity.d/labels.json"
	run --separate-stderr coffer inspect -j "$BATS_TEST_TMPDIR/box"
	[ "${lines[4]}" = $'\t\t\t\t"k": "a\\u003cb\\u003e\\u0026c"' ]
	run --separate-stderr coffer inspect "$BATS_TEST_TMPDIR/box"
	[ "$output" = 'k: a<b>&c' ]
}

@test "apps" {
	local app=$BATS_TEST_TMPDIR/box/scif/apps/one/scif part
	mkdir -p "$app/env" "$BATS_TEST_TMPDIR/box/scif/apps/two/scif" "$BATS_TEST_TMPDIR/box/.singularity.d"
	for part in runscript startscript test runscript.help env/90-environment.sh; do
		echo "the $part of one" >"$app/$part"
	done
	echo '{"l":"of one"}' >"$app/labels.json"
	echo 'of the image' >"$BATS_TEST_TMPDIR/box/.singularity.d/runscript"
	cd "$BATS_TEST_TMPDIR"
	run -0 --separate-stderr coffer inspect --list-apps box
	[ "$output" = $'one\ntwo' ]
	run -0 --separate-stderr coffer inspect --app one -r -l box
	[ "$output" = $'the runscript of one\nl: of one' ]
	run -0 --separate-stderr coffer inspect --app one --json -r box
	diff <(tr -d '\t\n' <<<"$output") <(printf '%s' \
		'{"data": {"attributes": {"apps": {"one": {"runscript": "the runscript of one"}}}},"type": "container"}')
	# the order of Go's declaration
	run -0 --separate-stderr coffer inspect --all box
	diff <(tr -d '\t\n' <<<"$output") <(printf '%s' \
		'{"data": {"attributes": {"apps": {"one": {' \
		'"environment": {"/scif/apps/one/scif/env/90-environment.sh": "the env/90-environment.sh of one"},' \
		'"labels": {"l": "of one"},"runscript": "the runscript of one",' \
		'"startscript": "the startscript of one","test": "the test of one",' \
		'"helpfile": "the runscript.help of one"},"two": {}},"runscript": "of the image"}},"type": "container"}')
	run -0 --separate-stderr coffer run-help --app one box
	[ "$output" = 'the runscript.help of one' ]
}

# A tree with all that can be shown, and links, as the peer follows them inside.
make_told() { # DIR
	local app=$1/scif/apps/one/scif
	mkdir -p "$1/.singularity.d/env" "$app/env" "$1/scif/apps/two/scif" "$1/scif/apps/empty" "$1/texts"
	echo '{"b":"2","a":"<1>"}' >"$1/.singularity.d/labels.json"
	printf '#!/bin/sh\necho run\n\n\n' >"$1/texts/runscript"
	ln -s ../texts/runscript "$1/.singularity.d/runscript"
	ln -s /texts/../texts/start "$1/.singularity.d/startscript"
	echo 'start of it' >"$1/texts/start"
	ln -s loop "$1/.singularity.d/loop"
	ln -s loop "$1/.singularity.d/test"
	ln -s ../../../../../../etc/passwd "$1/.singularity.d/runscript.help"
	printf 'Bootstrap: scratch\n' >"$1/.singularity.d/Singularity"
	echo 'export A=1' >"$1/.singularity.d/env/10-docker2singularity.sh"
	echo 'export B=2' >"$1/.singularity.d/env/90-environment.sh"
	echo 'no' >"$1/.singularity.d/env/99-base.sh"
	echo '{"l":"of one"}' >"$app/labels.json"
	echo 'run one' >"$app/runscript"
	echo 'def of one' >"$app/Singularity"
	echo 'export C=3' >"$app/env/90-environment.sh"
	echo 'no' >"$app/env/10-docker.sh"
}

@test "a squashfs image and a sandbox say the same, byte for byte, and nothing of them runs" {
	local options
	cd "$BATS_TEST_TMPDIR"
	make_told box
	mksquashfs box bare.sqfs -quiet -no-progress -noappend >/dev/null
	printf '#!/usr/bin/env run-singularity\n' | cat - bare.sqfs >launched.sqfs
	while read -r options; do
		# shellcheck disable=SC2086
		coffer inspect $options box >of-box 2>err
		[ ! -s err ]
		# shellcheck disable=SC2086
		coffer inspect $options bare.sqfs >of-bare 2>err
		[ ! -s err ]
		cmp of-box of-bare
		# shellcheck disable=SC2086
		coffer inspect $options launched.sqfs | cmp of-box
	done <<-'END'

		-d
		-e
		-H -t
		--all
		-j -r -s
		-d -r -s -t -H -e -l --list-apps
		--app one -d -r -e -l
		--app one -d -j
		--list-apps -j
	END
	run -0 --separate-stderr coffer inspect bare.sqfs
	[ "$output" = $'a: <1>\nb: 2' ]
	run -0 --separate-stderr coffer inspect -r -s -t -H bare.sqfs
	[ "$output" = $'#!/bin/sh\necho run\nstart of it' ]
	run -0 --separate-stderr coffer inspect -e bare.sqfs
	[ "$output" = $'=== /.singularity.d/env/10-docker2singularity.sh ===\nexport A=1\n\n=== /.singularity.d/env/90-environment.sh ===\nexport B=2' ]
	run -0 --separate-stderr coffer inspect --list-apps bare.sqfs
	[ "$output" = $'one\ntwo' ]
	# Of a tree that is read, a list of apps is a list of names; the definition is the app's own.
	run -0 --separate-stderr coffer inspect --list-apps -j bare.sqfs
	[ "$(tr -d '\t\n' <<<"$output")" = '{"data": {"attributes": {"apps": {"one": {},"two": {}}}},"type": "container"}' ]
	run -0 --separate-stderr coffer inspect --app one -d -j bare.sqfs
	[ "$(tr -d '\t\n' <<<"$output")" = '{"data": {"attributes": {"apps": {"one": {}},"deffile": "def of one"}},"type": "container"}' ]
	run -0 --separate-stderr coffer inspect --app one -e -l bare.sqfs
	[ "$output" = $'=== /scif/apps/one/scif/env/90-environment.sh ===\nexport C=3\n\nl: of one' ]
	run -0 --separate-stderr coffer inspect --app none -j bare.sqfs
	[ "$(tr -d '\t\n' <<<"$output")" = '{"data": {"attributes": {}},"type": "container"}' ]
	run -0 --separate-stderr coffer run-help bare.sqfs
	[ "$output" = 'No help sections were defined for this image' ]
}

@test "labels that cannot be read are warned of where they are asked for" {
	cd "$BATS_TEST_TMPDIR"
	make_told box
	echo '{"a":1,"b":"x"}' >box/.singularity.d/labels.json
	run -0 --separate-stderr coffer inspect box
	[ "$output" = $'a: \nb: x' ]
	[ "$stderr" = 'WARNING: Unable to parse labels: json: cannot unmarshal number into Go value of type string' ]
	run -0 --separate-stderr coffer inspect -s box
	[ "$output" = 'start of it' ]
	[ -z "$stderr" ]
}

@test "of a SIF, an app has the image's definition, and a list of apps is all of them" {
	cd "$BATS_TEST_TMPDIR"
	make_told box
	chmod -R a+rX box
	coffer build told.sif box
	run -0 --separate-stderr coffer inspect --app one -d told.sif
	[ "${lines[0]}" = 'bootstrap: localimage' ]
	run -0 --separate-stderr coffer inspect --app one -d -j told.sif
	[[ "$output" != *'"apps"'* && "$output" == *'"deffile": "bootstrap: localimage'* ]]
	run -0 --separate-stderr coffer inspect --app one --list-apps told.sif
	[ "$output" = $'one\ntwo\nrun one\n=== /scif/apps/one/scif/env/90-environment.sh ===\nexport C=3\n\nl: of one' ]
	run -0 --separate-stderr coffer inspect --list-apps -j told.sif
	[[ "$output" == *'"runscript": "run one"'* ]]
}

@test "a sandbox cannot show files of this machine" {
	mkdir -p "$BATS_TEST_TMPDIR/box/.singularity.d"
	ln -s /etc/passwd "$BATS_TEST_TMPDIR/box/.singularity.d/runscript"
	run --separate-stderr coffer inspect -r "$BATS_TEST_TMPDIR/box"
	[[ "$output" != *root:* ]]
}

@test "run-help" {
	run --separate-stderr coffer run-help gocryptfs-pem.sif
	[ "$status" -eq 0 ]
	[ "$output" = '  A tiny image.' ]
	run --separate-stderr coffer run-help --app none gocryptfs-pem.sif
	[ "$status" -eq 0 ]
	[ "$output" = 'No help sections were defined for this image' ]
}

@test "what is no image is refused" {
	run --separate-stderr coffer inspect /nonexistent
	refused 255 'Failed to open image /nonexistent: failed to retrieve path for /nonexistent: lstat /nonexistent: no such file or directory'
	run --separate-stderr coffer run-help /nonexistent
	refused 255 'container not found: stat /nonexistent: no such file or directory'
	run --separate-stderr coffer inspect /etc/passwd
	refused 255 'Failed to open image /etc/passwd: image format not recognized'
}

@test "on a terminal a stranger's text cannot steer it" {
	local form box="$BATS_TEST_TMPDIR/box"
	mkdir -p "$box/.singularity.d"
	printf '{"k\\nFATAL: x":"\\u001b]0;owned\\u0007\\u009b31m\\u202e\\nFATAL: y \\u00e9"}' >"$box/.singularity.d/labels.json"
	printf 'Bootstrap: scratch\n%%help\n\033]0;owned\007 \x9b31m \xc2\x9b31m \xe2\x80\xae \xc3\xa9\n' >"$box/.singularity.d/Singularity"
	printf '#!/bin/sh\n# \033]0;owned\007 \x9b31m \xc2\x9b31m\n' >"$box/.singularity.d/runscript"
	printf 'help \033]0;owned\007 \x9b31m \xc2\x9b31m\n' >"$box/.singularity.d/runscript.help"
	for form in "inspect" "inspect -d" "inspect -r" "inspect -H" "inspect --json" "inspect --all" "run-help"; do
		# shellcheck disable=SC2086
		terminal -- coffer $form "$box" >"$BATS_TEST_TMPDIR/shown" || true
		[ -s "$BATS_TEST_TMPDIR/shown" ]
		harmless "$BATS_TEST_TMPDIR/shown"
		rm "$BATS_TEST_TMPDIR/shown"
	done
	run -0 terminal -- coffer inspect "$box"
	[ "$output" = 'k\nFATAL: x: \x1b]0;owned\x07\u{9b}31m\u{202e}\nFATAL: y é' ]
	# A pipe gets what the image says.
	run -0 coffer inspect "$box"
	[ "$output" = $'k\nFATAL: x: \e]0;owned\a\xc2\x9b31m\xe2\x80\xae\nFATAL: y é' ]
}
