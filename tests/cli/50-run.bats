#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What runs, with which arguments, input, output and status (spec runtime.md 1, 3, 4, 18), on images
# that Apptainer made and on coffer's own of every kind.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --sandbox box image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# ACTION on an image that Apptainer made, with its key.
fixture() { # NAME ACTION ARGUMENTS...
	local name=$1 action=$2
	shift 2
	case $name in
	*-pass) APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer "$action" "$FIXTURES/$name.sif" "$@" ;;
	*-pem) coffer "$action" --pem-path="$FIXTURES/rsa_private.pem" "$FIXTURES/$name.sif" "$@" ;;
	*) coffer "$action" "$FIXTURES/$name.sif" "$@" ;;
	esac
}

# It runs, and holds exactly the files that went in; five are covered by this machine's.
same_as_made() { # NAME
	local bound=' \./etc/\(hosts\|resolv.conf\|passwd\|group\|localtime\)$'
	run -0 --separate-stderr fixture "$1" run a b c
	[ "$output" = "runscript: hello from the environment, args: a b c" ]
	[ "$stderr" = "" ]
	run -0 --separate-stderr fixture "$1" exec sh -c 'cd / && find ./bin ./etc ./usr -type f -exec md5sum {} +'
	[ "$(grep -v "$bound" <<<"$output" | sort)" = "$(grep -v "$bound" "$FIXTURES/contents.md5" | sort)" ]
}

@test "Apptainer's plain image" { same_as_made plain; }
@test "Apptainer's LUKS2 image with a passphrase" { same_as_made luks-pass; }
@test "Apptainer's LUKS2 image with a PEM key" { same_as_made luks-pem; }
@test "Apptainer's gocryptfs image with a passphrase" { same_as_made gocryptfs-pass; }
@test "Apptainer's gocryptfs image with a PEM key" { same_as_made gocryptfs-pem; }

every_kind=(plain.sif luks2.sif gocryptfs.sif box)
# The key, where there is something to unlock: without, it would only be warned about.
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }

@test "run gives the runscript its arguments as they are" {
	for image in "${every_kind[@]}"; do
		run -0 --separate-stderr coffer run $(key_of $image) $image 'a  b' --help '$HOME' '*' ''
		[ "$output" = 'hello, args: a  b --help $HOME * ' ]
		[ "$stderr" = "" ]
	done
}

@test "exec gives the command its arguments as they are" {
	for image in "${every_kind[@]}"; do
		run -0 --separate-stderr coffer exec $(key_of $image) $image \
			sh -c 'for a; do echo "[$a]"; done' - 'a  b' '' '$x' '*' $'two\nlines'
		[ "$output" = $'[a  b]\n[]\n[$x]\n[*]\n[two\nlines]' ]
	done
}

@test "shell reads commands and ends with their status" {
	for image in "${every_kind[@]}"; do
		run -7 --separate-stderr coffer shell $(key_of $image) $image \
			<<<'cat /etc/secret.txt; echo "$0 $SHELL"; exit 7'
		[ "$output" = $'a marker that must stay hidden\n/bin/sh /bin/sh' ]
	done
	run -0 --separate-stderr coffer shell plain.sif extra </dev/null
	err_has "WARNING: Parameters to shell command are ignored"
}

@test "shell --shell takes another one, and skips what is not there" {
	run -0 --separate-stderr coffer shell --shell /bin/cat plain.sif <<<'echo as it is'
	[ "$output" = "echo as it is" ]
	run -0 --separate-stderr coffer shell --shell /bin/none plain.sif <<<'echo $0'
	[ "$output" = "/bin/sh" ]
}

@test "test runs the image's test and ends with its status" {
	for image in "${every_kind[@]}"; do
		run -0 --separate-stderr coffer test $(key_of $image) $image
		[ "$output$stderr" = "" ]
	done
	cp -r box broken
	printf '#!/bin/sh\necho "testing $*"; exit 3\n' >broken/.singularity.d/test
	run -3 --separate-stderr coffer test broken a b
	[ "$output" = "testing a b" ]
}

@test "an image without test or runscript" {
	run -0 --separate-stderr coffer test "$FIXTURES/plain.sif"
	grep -qF "No test found in container" <<<"$output$stderr"
	mkdir -p bare/bin
	cp /bin/busybox bare/bin/busybox
	ln -sf busybox bare/bin/sh
	run -0 --separate-stderr coffer run bare -c 'echo shell: $1' - x
	[ "$output" = "shell: x" ]
	err_has "INFO:    No runscript found in container, executing /bin/sh"
	run -0 --separate-stderr coffer exec bare /bin/busybox echo direct
	[ "$output" = "direct" ]
}

@test "the program called apptainer does the same" {
	for action in 'run plain.sif x' 'exec plain.sif cat /etc/post.txt' 'test plain.sif' \
		'exec --cleanenv plain.sif env' 'exec plain.sif false'; do
		run --separate-stderr coffer $action
		was="$status:$output:$stderr"
		run --separate-stderr apptainer $action
		[ "$status:$output:$stderr" = "$was" ]
	done
}

@test "the status is the command's" {
	for n in 0 1 2 42 100 126 127 128 137 143 254 255; do
		run -$n --separate-stderr coffer exec plain.sif sh -c "exit $n"
		[ "$output$stderr" = "" ]
	done
	for image in luks2.sif gocryptfs.sif box; do
		run -77 coffer exec $(key_of $image) $image sh -c "exit 77"
		run -78 coffer exec --pid $(key_of $image) $image sh -c "exit 78"
	done
}

@test "a command that is not there, or is none" {
	run --separate-stderr coffer exec plain.sif nothing
	refused 255 'FATAL:   "nothing": executable file not found in $PATH'
	run --separate-stderr coffer exec plain.sif /bin/nothing
	refused 255 'FATAL:   stat /bin/nothing: no such file or directory'
	run --separate-stderr coffer exec plain.sif /etc/secret.txt
	refused 255 'FATAL:   permission denied'
	err_has "is /etc/secret.txt a program, and may you run it?"
	run --separate-stderr coffer exec plain.sif /etc
	refused 255 'FATAL:   is a directory'
}

@test "--app without such an app" {
	run -1 --separate-stderr coffer exec --app nothing plain.sif true
	[ "$output" = "Could not locate the container application: nothing" ]
	run -1 --separate-stderr coffer run --app nothing plain.sif
	[ "$output" = "Could not locate the container application: nothing" ]
}

@test "input and output pass through, byte for byte" {
	head -c 3000000 /dev/urandom >noise
	for image in "${every_kind[@]}"; do
		coffer exec $(key_of $image) $image cat <noise >same
		cmp noise same
	done
	coffer exec --pid plain.sif cat <noise | cmp noise -
	run -0 --separate-stderr coffer exec plain.sif sh -c 'echo to err >&2; echo to out'
	[ "$output" = "to out" ]
	[ "$stderr" = "to err" ]
	printf 'one\ntwo\n' | {
		coffer exec plain.sif true
		[ "$(cat)" = $'one\ntwo' ]
	}
}

@test "closed standard descriptors" {
	run -0 --separate-stderr bash -c 'coffer exec plain.sif sh -c "cat; echo end" <&-'
	[ "$output" = "end" ]
	run -3 bash -c 'coffer exec plain.sif sh -c "exit 3" >&- 2>&-'
	run -4 bash -c 'coffer exec --pem-path=rsa_pri.pem gocryptfs.sif sh -c "exit 4" <&- >&- 2>&-'
	[ "$output" = "" ]
}

@test "a reader that goes away ends it as a pipe does" {
	run -0 --separate-stderr bash -c 'coffer exec plain.sif sh -c "while echo y; do :; done" | head -1; exit ${PIPESTATUS[1]}'
	[ "$output" = "y" ]
	no_processes
}

@test "the caller's open files are the command's, the image's file is not" {
	echo inherited >given
	run -0 --separate-stderr bash -c 'exec 7<given; coffer exec plain.sif cat /proc/self/fd/7'
	[ "$output" = "inherited" ]
	for image in "${every_kind[@]}"; do
		run -0 --separate-stderr bash -c \
			'coffer exec '"$(key_of $image) $image"' sh -c "ls -l /proc/self/fd" 3>&- 4>&- 5>&- 6>&- | grep -v " [012] -> "'
		refute grep -q -e sif -e fuse -e box <<<"$output"
	done
}

@test "the umask is the caller's, or 0022 with --no-umask" {
	run -0 bash -c 'umask 0027; coffer exec plain.sif sh -c umask'
	[ "$output" = "0027" ]
	run -0 bash -c 'umask 0077; coffer exec --no-umask plain.sif sh -c umask'
	[ "$output" = "0022" ]
}

@test "an image is not written to" {
	for image in "${every_kind[@]}"; do
		run -1 --separate-stderr coffer exec $(key_of $image) $image sh -c 'echo x >/etc/new'
		err_has "can't create /etc/new: Read-only file system"
	done
	[ ! -e box/etc/new ]
	run --separate-stderr coffer exec --writable plain.sif true
	refused 255 "no SIF writable overlay partition found in $WORK/plain.sif"
}

@test "--writable of an image names what can be written" {
	run --separate-stderr coffer exec --writable "$FIXTURES/plain.sif" true
	refused 255 "no SIF writable overlay partition found in $FIXTURES/plain.sif"
	err_has '--writable-tmpfs'
	err_has 'coffer build --sandbox'
}

@test "--writable writes into a sandbox" {
	run -0 coffer exec --writable box sh -c 'echo kept >/etc/kept'
	[ "$(cat box/etc/kept)" = kept ]
	rm box/etc/kept
}

# The program is static: beside it lies what looks like a loader and a C library.
@test "what a program begins with is read ahead" {
	loader=$(LC_ALL=C readelf -lW "$COFFER" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p')
	[ -n "$loader" ]
	cp -r tree dynamic
	mkdir -p "dynamic${loader%/*}" dynamic/opt/lib
	ln -s /opt/lib/the-loader "dynamic$loader"
	head -c 300000 /dev/urandom >dynamic/opt/lib/the-loader
	head -c 5000000 /dev/urandom >dynamic/opt/lib/libc.so.6
	# Of a file two and a half megabytes, and its end.
	steps=$((($(stat -c %s /bin/busybox) + 131071) / 131072))
	[ $steps -le 21 ] || steps=21
	for options in "" "--encryption=luks2 --pem-path=rsa_pub.pem" "--encryption=gocryptfs --pem-path=rsa_pub.pem"; do
		# shellcheck disable=SC2086 # words
		coffer -q build $options dynamic.sif dynamic
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr strace -f -qq -e trace=readahead -o trace \
			coffer exec ${options:+--pem-path=rsa_pri.pem} dynamic.sif echo started
		[ "$output" = "started" ]
		grep -o 'readahead([0-9]*, [0-9]*, 131072' trace | sed 's/.*(//; s/, 131072//' >steps
		[ "$(wc -l <steps)" -eq $((steps + 3 + 21)) ]
		# The ends first: of the second file 128 KiB apart at 0 and 262144, of the third at 4980736.
		[ "$(sed -n '3,6s/.*, //p' steps | paste -sd' ')" = "0 262144 0 4980736" ]
		rm dynamic.sif
	done
	# Where there are other things in these places, the program starts without.
	rm dynamic/opt/lib/the-loader dynamic/opt/lib/libc.so.6
	mkfifo dynamic/opt/lib/the-loader
	coffer -q build dynamic.sif dynamic
	run -0 timeout 60 coffer exec dynamic.sif echo started
	[ "$output" = "started" ]
	rm -rf dynamic dynamic.sif
}

@test "32 starts of one image at once" {
	for image in luks2.sif plain.sif; do
		rm -f many.*
		pids=()
		for i in $(seq 32); do
			coffer exec $(key_of $image) $image sh -c "echo $i; md5sum </bin/busybox" >many.$i 2>&1 3>&- &
			pids+=($!)
		done
		for i in $(seq 32); do wait "${pids[i - 1]}"; done
		sum=$(md5sum </bin/busybox)
		for i in $(seq 32); do [ "$(cat many.$i)" = "$i"$'\n'"$sum" ]; done
	done
	no_processes
}

# What takes the mount down after a longer run is no longer waited for, but it goes.
@test "after a longer run nothing is left either" {
	for image in "${every_kind[@]}"; do
		for options in "" --pid --writable-tmpfs; do
			run -5 --separate-stderr coffer exec $options $(key_of $image) $image sh -c 'find / -xdev >/dev/null 2>&1; sleep 0.3; exit 5'
			[ "$stderr" = "" ]
		done
		run -0 --separate-stderr bash -c "coffer exec $(key_of $image) $image sh -c 'sleep 0.3; echo end' | cat"
		[ "$output" = "end" ]
	done
	no_processes
}

@test "a file that is executed runs its runscript, through run-singularity" {
	run -0 ./plain.sif 'p  q' --help
	[ "$output" = "hello, args: p  q --help" ]
	APPTAINER_ENCRYPTION_PEM_PATH=rsa_pri.pem run -0 --separate-stderr ./gocryptfs.sif x
	[ "$output" = "hello, args: x" ]
	[ "$stderr" = "" ]
}

@test "-v tells what is run and how, -d what is mounted too" {
	run -0 --separate-stderr coffer -v exec --pid --pem-path=rsa_pri.pem luks2.sif true
	err_has "VERBOSE: The key is that of rsa_pri.pem"
	err_has "VERBOSE: $WORK/luks2.sif is a SIF with an encrypted squashfs (LUKS2)"
	err_has "VERBOSE: Namespaces: mount, "
	grep -q '^VERBOSE: Process [0-9]* serves the image$' <<<"$stderr"
	refute grep -q DEBUG <<<"$stderr"
	run -0 --separate-stderr coffer -d exec plain.sif true
	err_has "VERBOSE: $WORK/plain.sif is a SIF with a plain squashfs"
	err_has "DEBUG:   Mounting /tmp"
	err_has "DEBUG:   Running /bin/true"
}

@test "set-id programs and device files of an image have no effect" {
	cp -r tree other
	mkdir -p other/suid other/lib64 other/lib other/usr
	cp /usr/bin/cat other/suid/cat
	mksquashfs other x.squashfs -quiet -no-progress -root-owned -p 'zero c 666 0 0 1 5' \
		-p 'suid/cat m 6755 1234 1234' >/dev/null
	run -0 --separate-stderr coffer exec -B /usr,/usr/lib:/lib,/usr/lib64:/lib64 x.squashfs \
		sh -c 'stat -c %a /suid/cat; /suid/cat /proc/self/status | grep -e ^Uid'
	[ "${lines[0]}" = 6755 ]
	id=$(id -u)
	[ "${lines[1]}" = "Uid:"$'\t'"$id"$'\t'"$id"$'\t'"$id"$'\t'"$id" ]
	run -1 --separate-stderr coffer exec x.squashfs head -c 1 /zero
	err_has "Permission denied"
}

@test "coffer.conf: what it forbids is refused" {
	conf() { printf '%s\n' "$1" >policy.conf; }
	if am_root; then
		conf 'allow container encrypted = no'
		run --separate-stderr coffer -c policy.conf exec --pem-path=rsa_pri.pem luks2.sif true
		refused 255 "configuration disallows users from running encrypted SIF containers"
		run --separate-stderr coffer -c policy.conf exec --pem-path=rsa_pri.pem gocryptfs.sif true
		refused 255 "configuration disallows users from running encrypted SIF containers"
		run -0 coffer -c policy.conf exec plain.sif true
		conf 'allow container sif = no'
		run --separate-stderr coffer -c policy.conf exec plain.sif true
		refused 255 "configuration disallows users from running unencrypted SIF containers"
		run -0 coffer -c policy.conf exec --pem-path=rsa_pri.pem luks2.sif true
		conf 'allow container dir = no'
		run -255 coffer -c policy.conf exec box true
		conf 'mount tmp = no'
		run -0 --separate-stderr coffer -c policy.conf exec plain.sif ls /tmp
		[ "$output" = "" ]
		conf 'mount dev = none of these'
		run --separate-stderr coffer -c policy.conf exec plain.sif true
		refused 255 "mount dev"
		chmod 666 policy.conf
	else
		conf 'allow container encrypted = yes'
	fi
	run --separate-stderr coffer -c policy.conf exec plain.sif true
	refused 255 "policy.conf"
	rm -f policy.conf
}

@test "a squashfs behind a launch line, as Singularity 2 wrote them" {
	make_tree old
	mkdir -p old/.singularity.d
	printf '#!/bin/sh\necho "old, args: $*"\n' >old/.singularity.d/runscript
	chmod 755 old/.singularity.d/runscript
	mksquashfs old old.sqfs -quiet -no-progress -all-root >/dev/null
	{ printf '#!/usr/bin/env run-singularity\n'; cat old.sqfs; } >old.simg
	run -0 --separate-stderr coffer exec old.simg cat /etc/secret.txt
	[ "$output" = 'a marker that must stay hidden' ]
	run -0 --separate-stderr coffer run old.simg a b
	[ "$output" = 'old, args: a b' ]
	# It runs by that line, too.
	chmod 755 old.simg
	run -0 --separate-stderr ./old.simg c
	[ "$output" = 'old, args: c' ]
	# And can be encrypted.
	APPTAINER_ENCRYPTION_PASSPHRASE=simg cheaply run -0 --separate-stderr coffer -s build --encrypt new.sif old.simg
	refute grep -q 'a marker that must stay hidden' new.sif
	APPTAINER_ENCRYPTION_PASSPHRASE=simg run -0 --separate-stderr coffer run new.sif d
	[ "$output" = 'old, args: d' ]
	# The line alone, and one that ends with the file system cut off.
	printf '#!/usr/bin/env run-singularity\n' >line.simg
	run -255 --separate-stderr coffer run line.simg
	[[ "$stderr" == *"image format not recognized"*"it is a script"* ]]
	head -c 100 old.simg >cut.simg
	run -255 --separate-stderr coffer run cut.simg
	[[ "$stderr" == *"cut.simg"* ]]
}

@test "a script whose interpreter is missing: that is named, no library" {
	make_tree scripts
	mkdir -p scripts/opt scripts/.singularity.d
	printf '#!/bin/bash\necho x\n' >scripts/opt/bash
	printf '#! \t/opt/none -e\necho x\n' >scripts/opt/blanks
	printf '#!/bin/sh\r\necho x\r\n' >scripts/opt/windows
	printf '#!/opt/windows.txt x\n' >scripts/opt/closed
	printf '#!/opt\n' >scripts/opt/folder
	printf 'text' >scripts/opt/windows.txt
	printf '#!/usr/bin/python3\nprint(1)\n' >scripts/.singularity.d/runscript
	chmod 755 scripts/opt/{bash,blanks,windows,closed,folder} scripts/.singularity.d/runscript
	run --separate-stderr coffer exec scripts /opt/bash
	refused 255 'exec /opt/bash failed: its interpreter /bin/bash does not exist in the image'
	[[ "$stderr" != *library* ]]
	run --separate-stderr coffer exec scripts /opt/blanks
	refused 255 'exec /opt/blanks failed: its interpreter /opt/none does not exist in the image'
	run --separate-stderr coffer exec scripts /opt/windows
	refused 255 'exec /opt/windows failed: its first line, #!/bin/sh, ends with a carriage return'
	run --separate-stderr coffer exec scripts /opt/closed
	refused 255 'exec /opt/closed failed: its interpreter /opt/windows.txt may not be run: permission denied'
	run --separate-stderr coffer exec scripts /opt/folder
	refused 255 'exec /opt/folder failed: its interpreter /opt may not be run: permission denied'
	run --separate-stderr coffer run scripts a
	refused 255 'exec /.singularity.d/runscript failed: its interpreter /usr/bin/python3 does not exist in the image'
	# A program that lacks its loader is still said to lack a library.
	cp "$(command -v cat)" scripts/opt/program
	run --separate-stderr coffer exec scripts /opt/program
	refused 255 'a shared library is likely missing in the image'
}
