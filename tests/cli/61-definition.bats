#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# build: what definition files may say besides the plain sections: apps (spec deffile.md).

load helper

setup_file() {
	make_work
	make_tree tree
	echo one >file1
	cat >apps.def <<END
Bootstrap: localimage
From: $WORK/tree

%environment
    export GREETING=hello
%post -e
    echo "in \$PWD" >/etc/post.txt
%appinstall one
    echo "\$SCIF_APPNAME in \$PWD" >installed
    printf '#!/bin/sh\necho "the command of \$SCIF_APPNAME"\n' >bin/command-of-one
    chmod 755 bin/command-of-one
%appenv one
    export OF_ONE="\$GREETING, one"
%appfiles one
    # a comment
    $WORK/file1 bin/copied # behind
%apphelp one
    The help of one.
%applabels one
    org.example.app  first app
%apprun one
    echo "\$OF_ONE: \$*"
    command-of-one
%apptest one
    test "\$SCIF_APPOUTPUT" = /scif/data/one/output && echo "test of one"
%appstart one
    true
%apprun two-and.more
    echo "\$SCIF_APPROOT \$SCIF_APPRUN_one \$SCIF_APPBIN_two_and_more"
END
	coffer -s build apps.sif apps.def >apps.out 2>apps.err
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

@test "apps: what is installed, and how it is run, tested and shown" {
	run -0 --separate-stderr coffer exec apps.sif cat /etc/post.txt /scif/apps/one/installed /scif/apps/one/bin/copied
	[ "$output" = $'in /\none in /scif/apps/one\none' ]
	run -0 --separate-stderr coffer run --app one apps.sif a b
	[ "$output" = $'hello, one: a b\nthe command of one' ]
	run -0 --separate-stderr coffer run --app two-and.more apps.sif
	[ "$output" = "/scif/apps/two-and.more /scif/apps/one/scif/runscript /scif/apps/two-and.more/bin" ]
	run -0 --separate-stderr coffer exec --app one apps.sif command-of-one
	[ "$output" = "the command of one" ]
	run -0 --separate-stderr coffer test --app one apps.sif
	[ "$output" = "test of one" ]
	run -1 --separate-stderr coffer test --app two-and.more apps.sif
	err_has "No tests for contained app: two-and.more"
	run -0 --separate-stderr coffer shell --app one apps.sif <<<'echo "$SCIF_APPNAME in a shell"'
	[ "$output" = "one in a shell" ]
	run -0 --separate-stderr coffer exec apps.sif sh -c 'echo "$SCIF_APPNAME,$SCIF_APPDATA_one,$OF_ONE"'
	[ "$output" = ",/scif/data/one," ]
	run -0 --separate-stderr coffer inspect --list-apps apps.sif
	[ "$output" = $'one\ntwo-and.more' ]
	run -0 --separate-stderr coffer inspect --app one apps.sif
	[ "$output" = $'SCIF_APP_NAME: one\norg.example.app: first app' ]
	run -0 --separate-stderr coffer run-help --app one apps.sif
	[ "$output" = "    The help of one." ]
}

@test "apps: a build without %post, upon an image with apps, whose folder is not packed where it lies" {
	printf 'Bootstrap: localimage\nFrom: %s/apps.sif\n%%apprun three\necho three $SCIF_APPROOT_one\n' "$WORK" >three.def
	coffer -s build -F three.sif three.def
	run -0 --separate-stderr coffer run --app three three.sif
	[ "$output" = "three /scif/apps/one" ]
	run -0 --separate-stderr coffer inspect --list-apps three.sif
	[ "$output" = $'one\nthree\ntwo-and.more' ]
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%appinstall four\necho once\necho x >/etc/four\n' "$WORK" >four.def
	run -0 --separate-stderr coffer -s build -F four.sif four.def
	[ "$output" = once ]
	run -0 --separate-stderr coffer exec four.sif cat /etc/four
	[ "$output" = x ]
	refute [ -e tree/scif ]
}

@test "apps: what fails leaves nothing" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%appfiles one\n%s/nothing\n' "$WORK" "$WORK" >bad.def
	run --separate-stderr coffer build bad.sif bad.def
	refused 255 "Unable to create apps: while copying $WORK/nothing to /scif/apps/one/"
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%appinstall one\nfalse\n' "$WORK" >bad.def
	run --separate-stderr coffer build bad.sif bad.def
	[ "$status" -eq 255 ]
	err_has "while running engine: while running %post section: exit status 1"
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%apprun ../one\nfalse\n' "$WORK" >bad.def
	run --separate-stderr coffer build bad.sif bad.def
	refused 255 "app section apprun: ../one cannot be the name of an app"
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%apprun\nfalse\n' "$WORK" >bad.def
	run --separate-stderr coffer build bad.sif bad.def
	refused 255 "app section apprun: could not be split into section name and app name"
	[ ! -e bad.sif ]
}
