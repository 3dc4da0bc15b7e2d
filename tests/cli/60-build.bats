#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# build: from what, to what, every section's effect, failures, and that a build that is killed leaves
# nothing (spec deffile.md).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	echo copied >copied
	mkdir -p folder/sub
	echo below >folder/sub/file
	cat >all.def <<END
# a comment above the first line is not kept
Bootstrap: localimage
From: $WORK/tree

%pre
    echo "pre" >>$WORK/order
%setup
    echo "made in setup" >\$APPTAINER_ROOTFS/etc/setup.txt
    echo "setup" >>$WORK/order
%files
    $WORK/copied /etc/copied.txt
    $WORK/folder /opt/
%post
    cat /etc/copied.txt /etc/setup.txt >/etc/post.txt
    chown 12:34 /etc/post.txt
    umask >/etc/umask.txt
    echo 'export LATE=from-post' >>\$APPTAINER_ENVIRONMENT
    echo "org.example.late from post" >>\$APPTAINER_LABELS
    read line || echo "no input" >/etc/input.txt
    echo "post" >>$WORK/order
%environment
    export GREETING="hello"
%startscript
    true
%runscript
    echo "\$GREETING, \$LATE, args: \$*"
%test
    test -e /etc/post.txt && echo "test" >>$WORK/order
%labels
    org.example.name end-to-end
%help
    A test image.
END
	coffer -q build all.sif all.def 2>all.err
	coffer build plain.sif image.def 2>plain.err
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# A bare machine may have no /etc/hosts, which is said.
info() {
	if [ -e /etc/hosts ] && [ -e /etc/resolv.conf ]; then cat; else grep -v 'resolution could fail'; fi |
		grep '^[A-Z]*: ' || true
}
# What a user without subordinate ids is told first.
told() {
	am_root || have_subids || cat <<-'END'
		INFO:    User not listed in /etc/subuid, trying root-mapped namespace
		WARNING: All files will belong to root: owners and devices that are asked for are not made
	END
}
nothing_left() { # FILES: exactly these are in the current folder
	[ "$(ls -A)" = "$1" ] || { ls -lA; false; }
	refute ls -d /tmp/build-temp-* /var/tmp/build-temp-* 2>/dev/null
}

@test "every section, in its order, with its line" {
	rm -f order
	run -0 --separate-stderr coffer build --force all.sif all.def
	diff -u <(info <<<"$stderr") <(
		told
		cat <<END
INFO:    Starting build...
INFO:    Running pre scriptlet
INFO:    Extracting local image...
INFO:    Running setup scriptlet
INFO:    Copying $WORK/copied to /etc/copied.txt
INFO:    Copying $WORK/folder to /opt/
INFO:    Running post scriptlet
INFO:    Adding help info
INFO:    Adding labels
INFO:    Adding environment to container
INFO:    Adding startscript
INFO:    Adding runscript
INFO:    Adding testscript
INFO:    Running testscript
INFO:    Creating SIF file...
INFO:    Build complete: all.sif
END
	)
	[ "$(cat order)" = $'pre\nsetup\npost\ntest' ]
	[ "$output" = "" ]
}

@test "what the sections made" {
	run -0 --separate-stderr coffer run all.sif x y
	[ "$output" = "hello, from-post, args: x y" ]
	run -0 coffer exec all.sif cat /etc/post.txt /opt/folder/sub/file /etc/umask.txt /etc/input.txt
	[ "$output" = $'copied\nmade in setup\nbelow\n0002\nno input' ]
	run -0 coffer exec all.sif ls -A /
	[ "$output" = $'.exec\n.run\n.shell\n.singularity.d\n.test\nbin\ndev\nenvironment\netc\nhome\nopt\nproc\nroot\nsingularity\nsys\ntmp\nvar' ]
	run -0 coffer inspect --labels all.sif
	grep -qx 'org.example.name: end-to-end' <<<"$output"
	grep -qx 'org.example.late: from post' <<<"$output"
	grep -qx 'org.label-schema.schema-version: 1.0' <<<"$output"
	grep -qx "org.label-schema.usage.singularity.deffile.from: $WORK/tree" <<<"$output"
	grep -Eqx 'org.label-schema.usage.apptainer.version: [0-9]+\.[0-9]+\.[0-9]+\+coffer\.[0-9.]+' <<<"$output"
	run -0 coffer inspect --deffile all.sif
	[ "$output" = "$(sed 1d all.def)" ]
	run -0 coffer run-help all.sif
	[ "$(tr -d '\n' <<<"$output")" = "    A test image." ]
	run -0 coffer exec all.sif sh -c 'cat /singularity; stat -c "%a %N" /.singularity.d/runscript /.run'
	[ "$output" = $'#!/bin/sh\n\n    echo "$GREETING, $LATE, args: $*"\n\n755 /.singularity.d/runscript\n777 '"'/.run' -> '.singularity.d/actions/run'" ]
}

@test "owners are kept, or pretended without subordinate ids" {
	run -0 coffer -q exec --fakeroot all.sif stat -c %u:%g /etc/post.txt /etc/copied.txt /bin/busybox
	if am_root; then
		run -0 coffer exec all.sif stat -c %u:%g /etc/post.txt /etc/copied.txt /bin/busybox
	fi
	if am_root || have_subids; then
		[ "$output" = $'12:34\n0:0\n0:0' ]
	else
		[ "$output" = $'0:0\n0:0\n0:0' ]
	fi
}

# The numbers of a plain image's owners, each once.
owners() { # IMAGE NAMES
	unsquashfs -lln -o "$(coffer sif list "$1" | sed -n 's/.*|\([0-9]*\)-[0-9]* *|FS (Squashfs.*/\1/p')" "$1" |
		grep -E "/($2)( ->|\$)" | awk '{ print $2 }' | sort -u
}

@test "who is nobody in a sandbox stays it, who has no number here becomes root" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\n    cd /etc; echo >n1; ln -s n1 n2; chown -h 65534:65534 n1 n2\n' "$WORK" >nobody.def
	printf 'Bootstrap: localimage\nFrom: %s/nobody\n%%post\n    true\n' "$WORK" >copied.def
	printf 'Bootstrap: localimage\nFrom: %s/tests/cli\n%%setup\n    true\n' "$COFFER_ROOT" >theirs.def
	want=65534/65534
	am_root || have_subids || want=0/0
	run -0 coffer -q build --sandbox nobody nobody.def
	for spec in nobody copied.def; do
		run -0 coffer -q build --force nobody.sif $spec
		[ "$(owners nobody.sif 'etc/n1|etc/n2')" = $want ]
	done
	# The tests are root's, or the user's own.
	for spec in "$COFFER_ROOT/tests/cli" theirs.def; do
		run -0 coffer -q build --force nobody.sif "$spec"
		am_root || [ "$(owners nobody.sif 'helper.bash|terminal')" = 0/0 ]
	done
	rm -rf nobody nobody.sif nobody.def copied.def theirs.def
}

@test "so does in an image whose owner has no number here, and lends nobody root's rights" {
	mksquashfs tree far.sqfs -quiet -no-progress -p 'etc/far f 4755 70000 80000 echo far' >/dev/null
	coffer -q build --pem-path=rsa_pub.pem far.sif far.sqfs
	for spec in far.sqfs far.sif; do
		key=
		[ $spec != far.sif ] || key=--base-pem-path=rsa_pri.pem
		run -0 --separate-stderr coffer build $key --force near.sif $spec
		[[ "$stderr" == *"no number here belong to root"* ]] || am_root || ! have_subids
		run -0 coffer ls -l near.sif /etc/far
		if am_root; then
			[[ "$output" =~ ^-rwsr-xr-x\ +1\ 70000\ 80000\  ]]
		else
			[[ "$output" =~ ^-rw[xs]r-xr-x\ +1\ +0\ +0\  ]]
			! have_subids || [[ "$output" =~ ^-rwxr ]]
		fi
	done
	rm far.sqfs far.sif near.sif
}

@test "root of a namespace with no other id: all files are root's" {
	mksquashfs tree base.sqfs -quiet -no-progress -p 'etc/seven f 644 7 8 echo seven' >/dev/null
	coffer -q build --pem-path=rsa_pub.pem base.sif base.sqfs
	printf 'Bootstrap: localimage\nFrom: %s/base.sqfs\n%%post\n    chown 12:34 /etc/seven; cat $APT_CONFIG >/etc/apt.txt\n' "$WORK" >alone.def
	for spec in base.sqfs base.sif alone.def; do
		key=
		[ $spec != base.sif ] || key=--base-pem-path=rsa_pri.pem
		run -0 --separate-stderr unshare -r coffer build $key --force alone.sif $spec
		diff -u - <(grep -e ^INFO -e 'belong to root' <<<"$stderr" | head -2) <<-END
			WARNING: All files will belong to root: owners and devices that are asked for are not made
			INFO:    Starting build...
		END
		[ "$(owners alone.sif '.*')" = 0/0 ]
	done
	run -0 coffer exec alone.sif cat /etc/seven /etc/apt.txt
	[ "$output" = $'seven\nAPT::Sandbox::User "root";' ]
	rm base.sqfs base.sif alone.def alone.sif
}

@test "a section that fails: what is said, 255, and no file" {
	mkdir -p failing
	cd failing
	for section in "pre:failed to run %pre script" "setup:failed to run %setup script" \
		"post:while running engine: while running %post section" \
		"test:failed to execute %test script"; do
		printf 'Bootstrap: localimage\nFrom: %s/tree\n%%%s\n    exit 7\n' "$WORK" "${section%%:*}" >f.def
		run --separate-stderr coffer build f.sif f.def
		refused 255 "FATAL:   While performing build: ${section#*:}: exit status 7"
		nothing_left f.def
		echo old >f.sif
		run -255 coffer build --force f.sif f.def
		[ "$(cat f.sif)" = old ]
		rm f.sif
	done
	run -0 coffer build --notest f.sif f.def
	run -7 coffer test f.sif
	rm -f f.sif f.def
	no_processes
}

@test "a section that ends with 137 is not one that was killed; --tmpdir is no remedy where the tree lies on disk" {
	mkdir -p killed137/disk
	cd killed137
	for section in "post:while running engine: while running %post section" "test:failed to execute %test script"; do
		for script in 'exit 137' 'kill -9 $$'; do
			printf 'Bootstrap: localimage\nFrom: %s/tree\n%%%s\n    %s\n' "$WORK" "${section%%:*}" "$script" >k.def
			run --separate-stderr coffer build k.sif k.def
			refused 255 "FATAL:   While performing build: ${section#*:}: exit status 137"
			err_has '         if memory ran out, let the tree lie on disk: --tmpdir DIR'
			for options in '--tmpdir disk' --sandbox; do
				run --separate-stderr coffer build $options k.sif k.def
				refused 255 "FATAL:   While performing build: ${section#*:}: exit status 137"
				[[ "$stderr" != *tmpdir* ]]
			done
		done
	done
	cd "$WORK"
	rm -r killed137
}

@test "an existing target needs --force" {
	sum=$(md5sum <plain.sif)
	run --separate-stderr coffer build plain.sif image.def </dev/null
	refused 255 "FATAL:   While checking build target: build target 'plain.sif' already exists. Use --force if you want to overwrite it"
	[ "$(md5sum <plain.sif)" = "$sum" ]
	cp plain.sif again.sif
	ln -sf again.sif link.sif
	run -0 coffer build --force link.sif tree
	[ ! -L link.sif ] && cmp plain.sif again.sif
	mkdir -p precious
	echo mine >precious/file
	run --separate-stderr coffer build --sandbox precious tree
	[ "$status" -eq 255 ]
	[ "$(cat precious/file)" = mine ]
	rm -r again.sif link.sif precious
}

@test "from a sandbox, a plain image, an encrypted one" {
	coffer -q build --force --sandbox box plain.sif
	coffer -q build --force --pem-path=rsa_pub.pem enc.sif plain.sif
	for spec in box plain.sif enc.sif; do
		key=
		[ $spec != enc.sif ] || key=--base-pem-path=rsa_pri.pem
		run -0 --separate-stderr coffer build $key --force copy.sif $spec
		grep -q '^INFO:    Build complete: copy.sif$' <<<"$stderr"
		run -0 --separate-stderr coffer run copy.sif 1 2
		[ "$output" = "hello, args: 1 2" ]
		run -0 coffer inspect copy.sif
		grep -qx 'org.example.name: end-to-end' <<<"$output"
		printf 'Bootstrap: localimage\nFrom: %s\n%%post\n    echo more >/etc/more\n' "$spec" >more.def
		run -0 --separate-stderr coffer build $key --force more.sif more.def
		run -0 coffer exec more.sif cat /etc/more /etc/post.txt
		[ "$output" = $'more\nmade in post' ]
	done
	# Nobody shall believe that what comes of a secret image is one.
	key=--base-pem-path=rsa_pri.pem
	run -0 --separate-stderr coffer build $key --force copy.sif enc.sif
	err_has 'WARNING: enc.sif is encrypted, but --encrypt was not specified. NOT encrypting copy.sif.'
	run -0 --separate-stderr coffer build $key --force --sandbox box enc.sif
	err_has 'WARNING: enc.sif is encrypted, box will not be: a sandbox lies in the clear.'
	run -0 --separate-stderr coffer build $key --force --pem-path=rsa_pub.pem again.sif enc.sif
	refute grep -q 'WARNING.*encrypt' <<<"$stderr"
	run -0 --separate-stderr coffer build --force again.sif plain.sif
	refute grep -q 'WARNING.*encrypt' <<<"$stderr"
	rm again.sif
	sum=$(md5sum <copy.sif)
	run --separate-stderr coffer build --force copy.sif enc.sif
	refused 255 "While performing build: the base image is encrypted and there is no key for it"
	[ "$(md5sum <copy.sif)" = "$sum" ]
}

@test "a folder is packed where it lies, or copied where that does not do" {
	cp -a tree odd
	truncate -s 300000 odd/large
	describe() { (cd odd && find . -printf '%p %y %m %s %l %T@\n' | sort); }
	describe >before
	run -0 --separate-stderr coffer -v build --force odd.sif odd
	refute grep -q 'Copying the source' <<<"$stderr"
	describe | diff -u before -
	run -0 coffer exec odd.sif sh -c 'md5sum </bin/busybox && wc -c </large'
	[ "$output" = "$(md5sum </bin/busybox)"$'\n300000' ]
	# What the description changes lies in a folder that is the source's own.
	mkdir -p odd/usr
	mv odd/etc odd/usr/etc
	ln -s usr/etc odd/etc
	rm -f odd/usr/etc/hosts
	describe >before
	run -0 --separate-stderr coffer -v build --force odd.sif odd
	grep -q 'Copying the source: .*/etc/hosts.*read-only file system' <<<"$stderr"
	describe | diff -u before -
	run -0 coffer exec odd.sif sh -c 'test -e /usr/etc/hosts && readlink /etc && wc -c </large'
	[ "$output" = $'usr/etc\n300000' ]
	rm -r odd odd.sif before
}

@test "a sandbox: runs, and holds what the image does" {
	run -0 --separate-stderr coffer build --force --sandbox box image.def
	diff -u <(info <<<"$stderr" | tail -3) - <<-END
		INFO:    Running testscript
		INFO:    Creating sandbox directory...
		INFO:    Build complete: box
	END
	run -0 --separate-stderr coffer run box a
	[ "$output" = "hello, args: a" ]
	list='cd / && find bin etc .singularity.d home opt usr -xdev ! -type d 2>/dev/null | sort'
	[ "$(coffer exec --contain box sh -c "$list")" = "$(coffer exec --contain plain.sif sh -c "$list")" ]
	[ "$(cat box/etc/post.txt)" = "made in post" ]
	[ "$(stat -c %a box)" = 700 ]
	run --separate-stderr coffer build --force --sandbox --pem-path=rsa_pub.pem box image.def
	[ "$status" -eq 255 ]
}

# As on NFS, which takes no flags of a renaming. Only the command is traced: newuidmap would not be root's.
without_flags() { # OPTION COMMAND...
	strace -qq -o "$WORK/trace" --inject=renameat2:error=EINVAL "$@"
}

@test "a sandbox where the file system can neither exchange names nor keep one" {
	mkdir -p plain-names
	cd plain-names
	run -0 without_flags coffer -q build --sandbox box "$WORK/tree"
	grep -q 'renameat2.*INJECTED' "$WORK/trace"
	cmp box/etc/secret.txt "$WORK/tree/etc/secret.txt"
	echo old >box/old
	run -0 without_flags coffer -q build --force --sandbox box "$WORK/tree"
	[ ! -e box/old ] && cmp box/etc/secret.txt "$WORK/tree/etc/secret.txt"
	nothing_left box
	# What comes meanwhile is not overwritten.
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%setup\n    mkdir late; touch late/theirs\n' "$WORK" >late.def
	run --separate-stderr without_flags coffer build --sandbox late late.def
	refused 255 'while creating sandbox: create late: file exists'
	[ "$(ls -A late)" = theirs ]
	rm -r late late.def
	# The old one comes back when the new one cannot take its place, and is kept where not even that can be done.
	echo old >box/old
	run --separate-stderr without_flags '--inject=?rename,?renameat:error=EIO:when=2' coffer build --force --sandbox box "$WORK/tree"
	refused 255 'while creating sandbox: create box: input/output error'
	[ -e box/old ]
	nothing_left box
	run --separate-stderr without_flags '--inject=?rename,?renameat:error=EIO:when=2+' coffer build --force --sandbox box "$WORK/tree"
	refused 255 'while creating sandbox: create box: input/output error'
	[ ! -e box ]
	kept=$(sed -n 's/^WARNING: What was box before is \(.*\) now$/\1/p' <<<"$stderr")
	[ -e "$kept/old" ]
	cd "$WORK"
	chmod -R u+rwX plain-names && rm -r plain-names
}

@test "both kinds with both sorts of key, from a folder" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret
	for kind in luks2 gocryptfs; do
		run -0 coffer -q build --force --encrypt --encryption=$kind pass.sif plain.sif
		run -0 --separate-stderr coffer run pass.sif 1
		[ "$output$stderr" = "hello, args: 1" ]
		run -0 coffer -q build --force --encryption=$kind --pem-path=rsa_pub.pem pem.sif plain.sif
		run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem pem.sif 1
		[ "$output$stderr" = "hello, args: 1" ]
		run -255 coffer run --pem-path=other_pri.pem pem.sif
		refute grep -aq 'a marker that must stay hidden' pass.sif pem.sif
	done
}

@test "every compression runs" {
	for name in gzip zstd xz lz4 lzo; do
		run -0 coffer -q build --force --compression $name packed.sif tree
		offset=$(coffer sif list packed.sif | sed -n 's/.*|\([0-9]*\)-[0-9]* *|FS (Squashfs.*/\1/p')
		run -0 unsquashfs -s -o "$offset" packed.sif
		grep -q "^Compression $name\$" <<<"$output"
		[ "$(coffer exec packed.sif cat /bin/busybox | md5sum)" = "$(md5sum </bin/busybox)" ]
	done
	run -255 coffer build --force --compression none packed.sif tree
}

@test "a compression that there is not is refused before anything runs" {
	printf 'Bootstrap: localimage\nFrom: %s\n%%pre\n    touch %s\n%%post\n    true\n' "$WORK/tree" "$WORK/began" >level.def
	for name in none gzip:13 lzo:10 xz:10 lz4:1 zstd:23 zstd:99 zstd:0 zstd: zstd:x; do
		run --separate-stderr coffer build --compression $name level.sif level.def
		refused 255 compression
		[ ! -e began ] && [ ! -e level.sif ]
	done
	# The last word of a codec may come after that of its level.
	run --separate-stderr coffer build --mksquashfs-args '-Xcompression-level 20 -comp xz' level.sif level.def
	refused 255 'xz compression has levels 1 to 9, not 20'
	[ ! -e began ]
	run -0 coffer build --mksquashfs-args '-Xcompression-level 13 -comp zstd' level.sif level.def
	rm -f level.sif level.def began
}

@test "SOURCE_DATE_EPOCH: two plain builds are the same, byte for byte" {
	export SOURCE_DATE_EPOCH=1000000000
	coffer -q build --force first.sif all.def 2>/dev/null
	sleep 1
	coffer -q build --force second.sif all.def 2>/dev/null
	cmp first.sif second.sif
	run -0 coffer exec first.sif stat -c %Y /etc/post.txt
	[ "$output" = 1000000000 ]
	run -0 coffer inspect first.sif
	grep -q 'build-date: Sunday_9_September_2001_1:46:40_UTC' <<<"$output"
	SOURCE_DATE_EPOCH=soon run --separate-stderr coffer build --force second.sif all.def
	refused 255 soon
}

# Debian's own is tried by hand: here, what it is given, and what becomes of what it makes.
@test "debootstrap" {
	mkdir -p programs
	cat >programs/debootstrap <<END
#!/bin/sh
printf '%s\\n' "\$@" >$WORK/words
while [ \$# -gt 2 ]; do shift; done
cp -r $WORK/tree/. "\$1" && mkdir -p "\$1/etc/apt" "\$1/dev" || exit 9
[ -e "\$1/dev/null" ] || mknod "\$1/dev/null" c 1 3 || exit 8
echo thrown away >"\$1/dev/null" || exit 7
chown 0:42 "\$1/etc/apt" || exit 6
[ ! -e $WORK/fail ] || exit 5
END
	chmod 755 programs/debootstrap
	cat >debian.def <<END
Bootstrap: debootstrap
OSVersion: bookworm
MirrorURL: http://mirror.example/debian
Include: less  file
%post
	echo made in post >/etc/post.txt
END
	PATH=$WORK/programs:$PATH INCLUDE=tar run -0 --separate-stderr coffer build --force debian.sif debian.def
	diff words - <<END
--variant=minbase
--exclude=openssl,udev,debconf-i18n,e2fsprogs
--include=apt,less,file,tar
--arch=amd64
bookworm
$(sed -n 6p words)
http://mirror.example/debian
END
	# the root tree, which nobody else can see
	[ ! -e "$(sed -n 6p words)" ]
	run -0 --separate-stderr coffer run debian.sif
	[ "$output" = "" ]
	run -0 --separate-stderr coffer exec debian.sif cat /etc/post.txt
	[ "$output" = "made in post" ]
	refute coffer exec --no-mount dev debian.sif test -f /dev/null
	touch fail
	PATH=$WORK/programs:$PATH run --separate-stderr coffer build --force debian.sif debian.def
	rm fail
	refused 255 "While performing build: conveyor failed to get: while debootstrapping: exit status 5"
	sed /MirrorURL/d debian.def >bad.def
	PATH=$WORK/programs:$PATH run --separate-stderr coffer build --force debian.sif bad.def
	refused 255 "invalid debootstrap header, no mirrorurl specified"
}

@test "build arguments" {
	printf 'Bootstrap: localimage\nFrom: {{ BASE }}\n%%arguments\n    WORD=default\n%%post\n    echo "{{ WORD }}" >/etc/word\n' >args.def
	coffer -q build --force --build-arg "BASE=$WORK/tree" args.sif args.def
	run -0 coffer exec args.sif cat /etc/word
	[ "$output" = default ]
	coffer -q build --force --build-arg "BASE=$WORK/tree" --build-arg WORD=given args.sif args.def
	run -0 coffer exec args.sif cat /etc/word
	[ "$output" = given ]
	run --separate-stderr coffer build --force args.sif args.def
	refused 255 "FATAL:   Unable to build from args.def: build var BASE is not defined through either --build-arg (--build-arg-file) or 'arguments' section"
	run --separate-stderr coffer build --force --build-arg "BASE=$WORK/tree" --build-arg MORE=1 args.sif args.def
	refused 255 "unused build args: MORE. Use option --warn-unused-build-args to show a warning instead of a fatal message"
}

@test "%files from a stage that is not there is refused before anything runs" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\nStage: own\n%%pre\n    touch %s/began\n%%files from other\n    /a /b\n' "$WORK" "$WORK" >from.def
	run --separate-stderr coffer build from.sif from.def
	refused 255 'While performing build: unable to copy files from stage to container fs: stage other was not found'
	[ ! -e began ] && [ ! -e from.sif ]
	(cat from.def && printf 'Bootstrap: scratch\nStage: other\n') >later.def
	run --separate-stderr coffer build from.sif later.def
	refused 255 'unable to copy files from stage to container fs: stage other comes later in the definition'
	[ ! -e began ] && [ ! -e from.sif ]
	# Nobody wants files; or what is said of them names no stage.
	run -0 coffer build --section pre from.sif from.def
	sed 's/ from other/ from this other/' from.def >three.def
	run -0 --separate-stderr coffer build --force from.sif three.def
	err_has "Ignoring a %files section: 'from this other' names no stage"
	rm -f from.sif from.def later.def three.def began
}

@test "%post cannot reach out of its tree by a link, nor %files" {
	cp -r tree trap
	ln -s "$WORK" trap/out
	printf 'Bootstrap: localimage\nFrom: %s/trap\n%%files\n    %s/copied /out/escaped\n' "$WORK" "$WORK" >trap.def
	run coffer build --force trap.sif trap.def
	[ ! -e escaped ]
}

@test "--bind to a place that the base lacks is said so, with no word of --writable" {
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\n    true\n' "$WORK" >bind.def
	run --separate-stderr coffer build --force --bind /etc/passwd:/no/such/place bind.sif bind.def
	refused 255 "destination /no/such/place doesn't exist in container"
	err_has 'make it in %setup'
	[[ "$stderr" != *writable* ]]
	rm bind.def
}

@test "a build that is killed leaves no file, no process, no mount" {
	mounts=$(cat /proc/self/mountinfo)
	mark=$((40000 + $$ % 20000))
	mkdir -p killed
	cd killed
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%post\n    echo >%s/ready\n    sleep %s\n' "$WORK" "$WORK" $mark >slow.def
	for signal in TERM KILL; do
		for options in "" "--pem-path=$WORK/rsa_pub.pem"; do
			rm -f "$WORK/ready"
			coffer -q build $options slow.sif slow.def >/dev/null 2>"$WORK/killed.err" 3>&- &
			command=$!
			wait_for test -e "$WORK/ready"
			kill -$signal "$command"
			got=0
			wait "$command" || got=$?
			[ "$got" -ne 0 ]
			if [ $signal = TERM ]; then
				[ "$got" -eq 143 ]
				grep -q '^FATAL:   While performing build: .*interrupted by SIGTERM$' "$WORK/killed.err"
				grep -q '^         nothing was built' "$WORK/killed.err"
			fi
			wait_for bash -c "! pgrep -u $(id -u) -fx 'sleep $mark'"
			no_processes
			nothing_left slow.def
			[ "$(cat /proc/self/mountinfo)" = "$mounts" ]
		done
	done
}

@test "a build that is killed while it writes leaves no file" {
	mkdir -p writing big/bin
	cp /bin/busybox big/bin/sh
	head -c 40000000 /dev/urandom >big/noise
	cd writing
	for options in "" "--pem-path=$WORK/rsa_pub.pem"; do
		coffer build $options big.sif ../big >/dev/null 2>out 3>&- &
		command=$!
		wait_for grep -q 'Creating SIF file' out
		kill -9 "$command"
		got=0
		wait "$command" || got=$?
		[ "$got" -eq 137 ]
		no_processes
		nothing_left out
	done
}

@test "files that the kernel keeps in memory take no room in a control group" {
	# Of 256 MiB, 250 are used; seven eighths of what is left are for the tree, 64 MiB at least.
	printf 'Bootstrap: localimage\nFrom: %s/tree\n%%setup\n    df -B1 --output=size "$APPTAINER_ROOTFS" >%s/size\n' "$WORK" "$WORK" >group.def
	cat >group <<'END'
mount -t tmpfs groups /sys/fs/cgroup && mkdir -p "/sys/fs/cgroup/$1" && cd "/sys/fs/cgroup/$1" || exit 9
echo 268435456 | tee memory.max >memory.limit_in_bytes
echo 262144000 | tee memory.current >memory.usage_in_bytes
[ -z "$2" ] || printf 'x_inactive_file 7\ninactive_fileX 7\n%sinactive_file %s\n%sactive_file %s\n' "$3" "$2" "$3" "$2" >memory.stat
cd "$WORK" && exec coffer -q build --force group.sif group.def
END
	local version files place prefix tried=
	for version in '^0::' ':memory:'; do
		grep -q "$version" /proc/self/cgroup || continue
		place='' prefix=''
		[ "$version" = '^0::' ] || { place=memory prefix=total_; }
		# Without the file that tells; with twice 80 MiB in it; with more than is used.
		for files in :67108864 83886080:152305664 268435456:234881024; do
			run -0 unshare -Urm sh group "$place" "${files%:*}" "$prefix"
			[ "$(tail -n 1 size)" -eq "${files#*:}" ]
		done
		tried=$version
	done
	[ "$tried" ]
	rm group.sif group.def group size
}

@test "a definition without From takes the current folder, as Apptainer does, and warns" {
	cd tree
	printf 'Bootstrap: localimage\n' >"$WORK/no-from.def"
	run -0 --separate-stderr coffer build "$WORK/no-from.sif" "$WORK/no-from.def"
	err_has "WARNING: The definition has no From: the image is made of the current folder"
	run -0 coffer exec "$WORK/no-from.sif" cat /etc/secret.txt
}
