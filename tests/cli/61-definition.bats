#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# build: what definition files may say besides the plain sections: apps, stages (spec deffile.md).

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

# Two stages that do all there is, a third that nobody names.
stages_definition() {
	cat <<END
Bootstrap: localimage
From: $WORK/tree
Stage: build

%pre
    echo pre1 >>$WORK/order
%post
    mkdir -p /out/sub /out/deep/er
    echo prog >/out/prog
    chmod 4755 /out/prog
    echo f >/out/sub/f
    ln /out/sub/f /out/sub/hard
    ln -s f /out/sub/link
    ln -s nowhere /out/sub/dangling
    ln -s /out/sub /out/todir
    touch -t 200001010000 /out/sub/f
    chmod 700 /out/sub
    echo 1 >/out/deep/er/one
%environment
    export OF_BUILD=1
%labels
    of.build yes
%test
    echo test1 >>$WORK/order
Bootstrap: localimage
From: $WORK/tree
%post
    test ! -e /out
Bootstrap: localimage
From: $WORK/tree
Stage: final

%pre
    echo pre3 >>$WORK/order
%files from build
    /out/prog /usr/bin/
    out/sub /s1
    /out/todir /s2/
    /out/deep/er/* /globbed
    /out/{prog,sub/f}
    /out/sub /etc
%setup
    test -e "\$APPTAINER_ROOTFS/s1/f"
    echo setup3 >>$WORK/order
%files
    $WORK/file1
%files from final
    /etc/passwd /etc/copy-of-passwd
%post
    test -e "$WORK/file1"
    mkdir -p /etc && rm -rf /etc/sub/dangling
%runscript
    echo "final \$OF_BUILD"
END
}

@test "stages: each is built in turn, the last becomes the image" {
	rm -f order
	stages_definition >stages.def
	run -0 --separate-stderr coffer build -F stages.sif stages.def
	diff -u <(grep '^INFO' <<<"$stderr" | grep -v 'User not listed') - <<END
INFO:    Starting build...
INFO:    Running pre scriptlet
INFO:    Extracting local image...
INFO:    Running post scriptlet
INFO:    Adding labels
INFO:    Adding environment to container
INFO:    Adding testscript
INFO:    Running testscript
INFO:    Extracting local image...
INFO:    Running post scriptlet
INFO:    Running pre scriptlet
INFO:    Extracting local image...
INFO:    Copying /out/prog to /usr/bin/
INFO:    Copying out/sub to /s1
INFO:    Copying /out/todir to /s2/
INFO:    Copying /out/deep/er/* to /globbed
INFO:    Copying /out/{prog,sub/f} to 
INFO:    Copying /out/sub to /etc
INFO:    Copying /etc/passwd to /etc/copy-of-passwd
INFO:    Running setup scriptlet
INFO:    Copying $WORK/file1 to 
INFO:    Running post scriptlet
INFO:    Adding runscript
INFO:    Creating SIF file...
INFO:    Build complete: stages.sif
END
	diff -u order - <<<$'pre1\ntest1\npre3\nsetup3'
	run -0 --separate-stderr coffer run stages.sif
	[ "$output" = "final " ]
	run -0 --separate-stderr coffer inspect stages.sif
	[[ "$output" != *of.build* ]]
	run -0 --separate-stderr coffer inspect --deffile stages.sif
	diff -u <(stages_definition) - <<<"$output"
}

@test "stages: what is copied from another keeps what it has, as with Apptainer" {
	run -0 --separate-stderr coffer exec stages.sif sh -c '
		cat /usr/bin/prog /s1/f /s2/todir/f /globbed /out/prog /out/sub/f /etc/sub/hard
		stat -c "%a %n" /usr/bin/prog /s1 /s2/todir /etc/sub
		stat -c "%h %Y %n" /s1/f /s1/hard
		ls -l /s1/link /s1/dangling | grep -o "/s1.*"
		ls /etc/sub'
	diff -u - <(cat <<<"$output") <<'END'
prog
f
f
1
prog
f
f
4755 /usr/bin/prog
755 /s1
755 /s2/todir
755 /etc/sub
2 946684800 /s1/f
2 946684800 /s1/hard
/s1/dangling -> nowhere
/s1/link -> f
f
hard
link
END
}

@test "stages: owners go with the files, as far as there are any" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\nStage: a\n%%post\necho x >/x\nchown 7:8 /x\nBootstrap: localimage\nFrom: %s/tree\n%%files from a\n/x /y\n%%post\nstat -c %%u:%%g /y >/owner\n' "$WORK" "$WORK" >owners.def
	coffer -s build -F owners.sif owners.def
	run -0 --separate-stderr coffer exec owners.sif cat /owner
	if am_root || have_subids; then [ "$output" = 7:8 ]; else [ "$output" = 0:0 ]; fi
}

@test "stages: a link that leads out of a stage's tree leads to nothing" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\nStage: a\n%%post\nln -s %s /out; ln -s ../../../../../..%s/file1 /file\nBootstrap: localimage\nFrom: %s/tree\n%%files from a\nSOURCE /y\n' "$WORK" "$WORK" "$WORK" "$WORK" >out.in
	for source in /out/file1 /file ../../../../..$WORK/file1 /nothing; do
		sed "s|SOURCE|$source|" out.in >out.def
		run --separate-stderr coffer build out.sif out.def
		refused 255 "unable to copy files from stage to container fs: while copying ["
		[ ! -e out.sif ]
	done
}

@test "stages: one that fails says so; nothing is left" {
	mkdir empty && cd empty
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\nexit 7\nBootstrap: localimage\nFrom: %s/tree\n' "$WORK" "$WORK" >../fails.def
	run --separate-stderr coffer build fails.sif ../fails.def
	refused 255 "while running %post section: exit status 7"
	printf 'Bootstrap: localimage\nFrom: %s/tree\nBootstrap: sratch\n' "$WORK" >../fails.def
	run --separate-stderr coffer build fails.sif ../fails.def
	refused 255 "invalid build source sratch"
	[ -z "$(ls -A)" ]
}

@test "stages: on disk, a sandbox, encrypted bases of two of them" {
	stages_definition | sed '/touch -t/d' >disk.def
	coffer -s build -F --sandbox box disk.def
	[ "$(cat box/globbed)" = 1 ]
	[ ! -e box/../stage-1 ]
	refute ls -d build-temp-* 2>/dev/null
	mkdir temp
	coffer -s build -F --tmpdir temp disk.sif disk.def
	[ -z "$(ls -A temp)" ]
	export APPTAINER_ENCRYPTION_PASSPHRASE=of-the-base
	coffer -s build -F --encrypt secret.sif tree
	printf 'Bootstrap: localimage\nFrom: secret.sif\nStage: a\nBootstrap: localimage\nFrom: %s/tree\nStage: b\nBootstrap: localimage\nFrom: secret.sif\n%%files from a\n/etc/secret.txt /one\n%%files from b\n/etc/secret.txt /two\n' "$WORK" >secret.def
	coffer -s build -F --encrypt both.sif secret.def
	run -0 --separate-stderr coffer exec both.sif cat /one /two
	[ "$output" = $'a marker that must stay hidden\na marker that must stay hidden' ]
}

@test "%files: what is odd among files is copied, or named" {
	mkdir -p odd
	ln -s /nowhere/x odd/dangling
	echo file >odd/file
	mkfifo odd/pipe
	python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("odd/socket")'
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%files\n/proc/version /version\n/sys/devices/system/cpu/online /cpus\n%s/odd /odd\n' "$WORK" "$WORK" >odd.def
	run -0 --separate-stderr coffer build -F odd.sif odd.def
	err_has "WARNING: $WORK/odd/dangling is a link to /nowhere/x, which is not there: it is copied as a link"
	err_has "WARNING: $WORK/odd/socket is a socket"
	coffer -s exec odd.sif cat /version | cmp - /proc/version
	coffer -s exec odd.sif cat /cpus | cmp - /sys/devices/system/cpu/online
	run -0 --separate-stderr coffer -s exec odd.sif sh -c 'ls /odd; ls -l /odd/dangling /odd/pipe | head -c 1; cat /odd/file'
	[ "$output" = $'dangling\nfile\npipe\nlfile' ]
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%files\n%s/odd/dangling /x\n' "$WORK" "$WORK" >odd.def
	run --separate-stderr coffer build bad.sif odd.def
	refused 255 "unable to copy files from host to container fs: while copying [$WORK/odd/dangling] to /x: $WORK/odd/dangling is a link to /nowhere/x: no such file or directory"
	[ ! -e bad.sif ]
}

@test "%files: a device is root's to make, a file that may not be read is named" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%files\n/dev/zero /zero\n' "$WORK" >device.def
	if am_root; then
		coffer -s build -F device.sif device.def
	else
		run --separate-stderr coffer build device.sif device.def
		refused 255 "while copying [/dev/zero] to /zero: /dev/zero is a device: operation not permitted"
		printf 'Bootstrap: localimage\nFrom: %s/tree\n%%files\n/etc/shadow /x\n' "$WORK" >shadow.def
		run --separate-stderr coffer build shadow.sif shadow.def
		refused 255 "while copying [/etc/shadow] to /x: /etc/shadow: permission denied"
	fi
}

@test "a definition from elsewhere: a byte order mark, CR LF, tabs, here-documents, no newline at its end" {
	{
		printf '\xef\xbb\xbf# a comment\n\nBootstrap:\tlocalimage\nFrom: %s/tree # here\n\n%%post\n' "$WORK"
		printf '\tcat >/etc/here <<-EOF\n\t\t# kept 100 %%\n\t\t"$PWD"\n\tEOF\n'
		for i in $(seq 10000); do echo "    : $i"; done
		printf '%%files\n%s/file1\t/etc/tabbed\n%%environment\nexport CR=none\n%%runscript\n#!/bin/sh\necho "$CR"' "$WORK"
	} | sed 's/$/\r/' >elsewhere.def
	run -0 --separate-stderr coffer -s build -F elsewhere.sif elsewhere.def
	run -0 --separate-stderr coffer run elsewhere.sif
	[ "$output" = none ]
	run -0 --separate-stderr coffer exec elsewhere.sif cat /etc/here /etc/tabbed
	[ "$output" = $'# kept 100 %\n"/"\none' ]
}

@test "sections: other programs that run them, words for the shell, first lines of their own" {
	cat >run.def <<END
Bootstrap: localimage
From: $WORK/tree
%pre -c /bin/bash -u # a comment
echo "pre \${BASH_VERSION%%.*}\$-" >$WORK/how
%setup -u
echo "setup \$-" >>$WORK/how
%post -c /bin/busybox ash -u
#!/bin/false
echo "post \$0" >/how
%runscript -e # and no more
echo "run \$-"
%test

#!/bin/false
echo test
%startscript -x
#!/bin/busybox ash
true
END
	run -0 --separate-stderr coffer -s build -F run.sif run.def
	[ "$output" = test ]
	[[ "$(cat how)" =~ ^pre\ [0-9]+[a-zA-Z]*u[a-zA-Z]*$'\n'setup\ [a-z]*u[a-z]*$ ]]
	run -0 --separate-stderr coffer exec run.sif sh -c 'cat /how; head -n 1 /.singularity.d/runscript /.singularity.d/test /.singularity.d/startscript'
	[ "$output" = $'post /.post.script\n==> /.singularity.d/runscript <==\n#!/bin/sh -e \n\n==> /.singularity.d/test <==\n\n\n==> /.singularity.d/startscript <==\n#!/bin/busybox ash -x' ]
	run -0 --separate-stderr coffer run run.sif
	[[ "$output" = "run "*e* ]]
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%pre\ntouch %s/began\n%%post -c\ntrue\n' "$WORK" "$WORK" >bad.def
	run --separate-stderr coffer build bad.sif bad.def
	refused 255 "while running engine: while processing section %post arguments: bad post section '-c' parameter: missing arguments"
	[ ! -e began ] && [ ! -e bad.sif ]
}

@test "sections: those that --section leaves out, --notest" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%pre\necho pre\n%%post\necho post\n%%test\necho test\n%%runscript\necho mine\n%%help\nmine\n' "$WORK" >some.def
	run -0 --separate-stderr coffer build -F --section none some.sif some.def
	[ "$output" = post ]
	refute grep -q 'No test' <<<"$stderr"
	run -0 --separate-stderr coffer run some.sif
	[ "$output" = "There is no runscript defined for this container" ]
	run -0 --separate-stderr coffer -s build -F --section runscript,test some.sif some.def
	[ "$output" = $'post\ntest' ]
	run -0 --separate-stderr coffer run-help some.sif
	[ "$output" = "No help sections were defined for this image" ]
	run -0 --separate-stderr coffer run some.sif
	[ "$output" = mine ]
	run -0 --separate-stderr coffer -s build -F --notest some.sif some.def
	[ "$output" = $'pre\npost' ]
	run -0 --separate-stderr coffer test some.sif
	[ "$output" = test ]
	run --separate-stderr coffer build -F --section all,none some.sif some.def
	refused 255 "Could not check build sections: section specification error: cannot have all and any other option"
}

@test "--update: a sandbox goes on, and stays as it was when that fails" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\necho one >/etc/first\n%%labels\nkept first\n%%help\nfirst help\n%%environment\nexport FIRST=1\n' "$WORK" >first.def
	printf 'Bootstrap: nothing of the kind\nFrom: nowhere\n%%pre\ntrue\n%%post\ncat /etc/first >/etc/second\n%%labels\nkept second\nadded second\n%%help\nsecond help\n%%runscript\necho "$FIRST $(cat /etc/second)"\n%%test\ntest -e /etc/second\n' >second.def
	coffer -s build -F --sandbox grows first.def
	run -0 --separate-stderr coffer build --sandbox --update grows second.def
	diff -u <(grep -E '^(INFO|WARNING)' <<<"$stderr" | grep -v -e 'User not listed' -e 'belong to root') - <<END
INFO:    Starting build...
INFO:    Running pre scriptlet
INFO:    Building into existing container: $WORK/grows
INFO:    Running post scriptlet
WARNING: Help message already exists and force option is false, not overwriting
INFO:    Adding labels
WARNING: Label: kept already exists and force option is false, not overwriting
INFO:    Adding runscript
INFO:    Adding testscript
INFO:    Running testscript
INFO:    Creating sandbox directory...
INFO:    Build complete: grows
END
	run -0 --separate-stderr coffer run grows
	[ "$output" = "1 one" ]
	run -0 --separate-stderr coffer inspect grows
	grep -qx 'kept: first' <<<"$output"
	grep -qx 'added: second' <<<"$output"
	grep -qx 'org.label-schema.usage.singularity.deffile.bootstrap: localimage' <<<"$output"
	run -0 --separate-stderr coffer run-help grows
	[ "$output" = "first help" ]
	[ "$(stat -c %a grows)" = 700 ]
	cmp first.def grows/.singularity.d/bootstrap_history/Apptainer0

	printf 'Bootstrap: x\n%%post\nrm /etc/first\nexit 5\n' >third.def
	run --separate-stderr coffer build --sandbox --update grows third.def
	[ "$status" -eq 255 ] && err_has "exit status 5"
	[ -e grows/etc/first ]
	refute ls -d build-temp-* 2>/dev/null

	# By force it is what the definition says, and nothing else.
	coffer -s build --force --sandbox --update grows first.def
	[ -e grows/etc/first ] && [ ! -e grows/etc/second ]
}

@test "--update: of what is no sandbox" {
	printf 'Bootstrap: x\n' >update.def
	run --separate-stderr coffer build --update new.sif update.def
	refused 255 "While checking build target: only sandbox update is supported: --sandbox flag is missing"
	run --separate-stderr coffer build --update --sandbox new update.def
	refused 255 "While checking build target: could not update sandbox $WORK/new: doesn't exist"
	run --separate-stderr coffer build --update --sandbox apps.def update.def
	refused 255 "While checking build target: only sandbox update is supported: $WORK/apps.def is not a directory"
	run --separate-stderr coffer build --update --sandbox tree update.def
	refused 255 "$WORK/tree is not empty and is not an Apptainer sandbox"
	[ ! -e new.sif ] && [ ! -e new ]
}

@test "build arguments: of a file and of options, in all stages, each with its defaults" {
	cat >arguments.def <<END
Bootstrap: localimage
From: $WORK/{{ BASE }}
Stage: {{ S }}
%arguments
# a comment
BASE=tree
S = one
bad line
N={{ P }}
%post
echo "{{P}} {{ N }} {{  Q  }} {{P-x}} {{ }} # {{ NOT }}" >/args
Bootstrap: localimage
From: $WORK/{{ B2 }}
%arguments
B2=tree
%files from {{ FROM }}
/args /args2
END
	printf 'P=of the file\n\nQ=q=1\nbad\n' >arguments
	run -0 --separate-stderr coffer build -F --build-arg-file arguments --build-arg FROM=one --build-arg '"P=a, b"' a.sif arguments.def
	err_has 'WARNING: Skipping "" in build arg file: "" is not a key=value pair'
	err_has 'WARNING: Skipping "bad" in build arg file: "bad" is not a key=value pair'
	err_has "WARNING: Skipping \"bad line\" in 'arguments' section: \"bad line\" is not a key=value pair"
	run -0 --separate-stderr coffer exec a.sif cat /args2
	[ "$output" = 'a, b a, b q=1 {{P-x}} {{ }} # {{ NOT }}' ]
	# A default is of its own stage alone.
	run --separate-stderr coffer build -F --build-arg P=1,Q=2,S=one a.sif arguments.def
	refused 255 "FATAL:   Unable to build from arguments.def: build var FROM is not defined"
	run --separate-stderr coffer build -F --build-arg P=1,Q=2,FROM=two a.sif arguments.def
	refused 255 "stage two was not found"
	run --separate-stderr coffer build -F --build-arg =1 a.sif arguments.def
	refused 255 'While processing the definition file: missing key portion in "=1"'
	run --separate-stderr coffer build -F --build-arg-file none a.sif arguments.def
	refused 255 'While processing the definition file: error while opening file "none"'
	run -0 --separate-stderr coffer build -F --warn-unused-build-args --build-arg P=1,Q=2,FROM=one,X=,Y=1 a.sif arguments.def
	err_has "WARNING: Unused build args: X Y"
}
