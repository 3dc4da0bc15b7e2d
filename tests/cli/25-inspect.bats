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
	# the order of Go's declaration, and in a list all there is
	run -0 --separate-stderr coffer inspect --list-apps --json box
	diff <(tr -d '\t\n' <<<"$output") <(printf '%s' \
		'{"data": {"attributes": {"apps": {"one": {' \
		'"environment": {"/scif/apps/one/scif/env/90-environment.sh": "the env/90-environment.sh of one"},' \
		'"labels": {"l": "of one"},"runscript": "the runscript of one",' \
		'"startscript": "the startscript of one","test": "the test of one",' \
		'"helpfile": "the runscript.help of one"},"two": {}}}},"type": "container"}')
	run -0 --separate-stderr coffer inspect --all box
	grep -qF '"runscript": "of the image"' <<<"$output"
	run -0 --separate-stderr coffer run-help --app one box
	[ "$output" = 'the runscript.help of one' ]
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
