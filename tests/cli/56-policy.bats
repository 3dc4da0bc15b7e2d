#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the site's coffer.conf forbids does not happen: coffer.conf(5).

load helper

setup_file() {
	make_work
	chmod 755 "$WORK"
	make_keys
	make_tree tree
	cp "$COFFER_ROOT/bin/calls" tree/bin/calls
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --sandbox box tree
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	chmod -R a+rX .
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; rm -rf site out*; mkdir -p site/coffer; }

K=--pem-path=rsa_pri.pem
# The site's file; where this is no root, it is one's own in a namespace of one's own.
site() { printf '%s\n' "$@" >site/coffer/coffer.conf; }
# Runs a command where the site's folder is ours.
at_site() { # COMMAND...
	local own=-Urm
	am_root && own=-m
	unshare $own sh -c 'mkdir -p /usr/local/etc 2>/dev/null; mount --bind "$WORK/site" /usr/local/etc && exec "$@"' - "$@"
}
# The same as somebody who is not root.
as_user() {
	at_site setpriv --reuid 65533 --regid 65533 --clear-groups env HOME=/tmp "$@"
}

@test "config check tells every fault, with its line, and what is meant" {
	printf 'mount tmp: no\nmount proc = no # as told\n\nMount Sys = no\nmount dev = some\nmount hostfs = yes\n' >x.conf
	run -1 --separate-stderr coffer config check x.conf
	[ "$output" = "" ]
	err_has 'x.conf: line 1: "mount tmp: no" is no "directive = value"'
	err_has 'x.conf: line 4: there is no directive "Mount Sys": "mount sys" is meant?'
	err_has 'x.conf: line 5: value authorized for directive "mount dev" are [yes no minimal]'
	err_has 'x.conf: line 6: coffer cannot do "mount hostfs = yes"'
	[ "$(grep -c ^ERROR <<<"$stderr")" -eq 4 ]
	echo 'mount proc = no' >x.conf
	run -0 coffer config check x.conf
	[ "$output" = "x.conf: OK" ]
	run -255 coffer config check nosuch.conf
	run -1 coffer config bogus
}

@test "a file with a fault stops everything, and says how to find it" {
	am_root || return 0 # nobody else has a file that counts: see below
	site 'alow container sif = no'
	run --separate-stderr at_site coffer exec plain.sif true
	refused 255 'line 1: there is no directive "alow container sif": "allow container sif" is meant?'
	err_has 'coffer config check /usr/local/etc/coffer/coffer.conf'
	run --separate-stderr at_site coffer build out.sif tree
	refused 255 'line 1'
	[ ! -e out.sif ]
	run -1 --separate-stderr at_site coffer config check
	err_has 'line 1'
	site 'mount tmp = no' 'mount proc ='
	run --separate-stderr as_user coffer exec plain.sif true
	refused 255 'line 2: "mount proc" has no value'
}

@test "in a namespace of one's own nobody is root of the site" {
	am_root && { chown 65533 site/coffer; }
	site 'allow container sif = yes'
	# Owner 0 there is whoever made it.
	if am_root; then
		chown 65533:65533 site/coffer/coffer.conf
		run --separate-stderr as_user unshare -Ur coffer exec plain.sif true
	else
		run --separate-stderr at_site coffer exec plain.sif true
	fi
	refused 255 "is not root's alone: it is not honoured"
	err_has "root of this user namespace is not the machine's"
	am_root || return 0
	# Real root's has no number there, and counts.
	site 'allow container sif = no'
	chown 0:0 site/coffer site/coffer/coffer.conf
	run --separate-stderr as_user unshare -Ur coffer exec plain.sif true
	refused 255 "configuration disallows users from running unencrypted SIF containers"
	# That cannot be told of a file that the caller names.
	run --separate-stderr unshare -U -m --map-user=5 coffer -c "$WORK/site/coffer/coffer.conf" exec plain.sif true
	refused 255 "is not root's alone"
}

@test "--config and its variable only tighten, but for root" {
	am_root || return 0
	site 'allow container sif = no' 'mount tmp = yes'
	echo 'allow container sif = yes' >loose.conf
	echo 'mount tmp = no' >tight.conf
	run -0 at_site coffer -c loose.conf exec plain.sif true
	run --separate-stderr as_user coffer -c loose.conf exec plain.sif true
	refused 255 'loose.conf: line 1: "allow container sif = yes" is not as tight as the site has it (no)'
	run --separate-stderr as_user env APPTAINER_CONFIG_FILE=loose.conf coffer exec plain.sif true
	refused 255 'not as tight'
	# What it does not speak of stays as it was.
	run --separate-stderr as_user coffer -c tight.conf exec plain.sif true
	refused 255 "configuration disallows users from running unencrypted SIF containers"
	# Root of a namespace is not root.
	run --separate-stderr at_site unshare -Ur coffer -c loose.conf exec plain.sif true
	[ "$status" -eq 255 ]
	site 'mount tmp = yes'
	run -0 --separate-stderr as_user coffer -c tight.conf exec plain.sif ls /tmp
	[ "$output" = "" ]
}

@test "enable overlay = no refuses what needs one; folders of --overlay are images to the rules" {
	am_root || return 0
	mkdir -p site/over
	site 'enable overlay = no'
	run --separate-stderr at_site coffer exec --overlay site/over plain.sif true
	refused 255 "overlay images requires 'enable overlay', but set to 'no' by administrator"
	run --separate-stderr at_site coffer exec --writable-tmpfs plain.sif true
	refused 255 "--writable-tmpfs requires 'enable overlay', but set to 'no' by administrator"
	run -0 --separate-stderr at_site coffer exec -B /etc:/new/place plain.sif test -e /new/place/passwd
	run --separate-stderr at_site coffer exec -B /etc:/new/place box true
	refused 255 "destination /new/place doesn't exist in container"
	site 'enable overlay = try'
	run -0 --separate-stderr at_site coffer exec --overlay site/over plain.sif touch /x
	[ -e site/over/upper/x ]
	site 'allow container dir = no'
	run --separate-stderr at_site coffer exec --overlay site/over plain.sif true
	refused 255 'configuration disallows users from running sandbox containers'
	site "limit container paths = $WORK/plain.sif"
	run --separate-stderr at_site coffer exec --overlay site/over plain.sif true
	refused 255 'apptainer image is not in an allowed configured path'
}

@test "limits of owner, group and place ask the open file" {
	am_root || return 0
	mkdir -p site/images site/images-not "site/linked"
	cp plain.sif site/images/
	cp plain.sif site/images-not/
	ln -s ../images-not/plain.sif site/images/link.sif
	ln -s "$WORK/site/images" site/linked/images
	local in=$WORK/site/images not=$WORK/site/images-not
	site "limit container paths = $in"
	run -0 as_user coffer exec "$in/plain.sif" true
	run -0 as_user coffer exec "$WORK/site/linked/images/plain.sif" true
	for path in "$not/plain.sif" "$in/link.sif" "$in/../images-not/plain.sif" "$WORK/plain.sif" "$WORK/box"; do
		run --separate-stderr as_user coffer exec "$path" true
		refused 255 "apptainer image is not in an allowed configured path"
	done
	# The limit may be a link itself, and end in a slash.
	site "limit container paths = $WORK/site/linked/images/"
	run -0 as_user coffer exec "$in/plain.sif" true
	site 'limit container owners = daemon, 65533'
	run --separate-stderr as_user coffer exec "$in/plain.sif" true
	refused 255 "apptainer image is not owned by required user(s)"
	chown 65533 "$in/plain.sif"
	run -0 as_user coffer exec "$in/plain.sif" true
	chown daemon "$in/plain.sif"
	run -0 as_user coffer exec "$in/plain.sif" true
	# An unknown name is nobody's.
	site 'limit container owners = nosuchuser'
	run -255 as_user coffer exec "$in/plain.sif" true
	# In a namespace one's own file shows as root's.
	site 'limit container owners = root'
	chown 65533 "$in/plain.sif"
	run --separate-stderr as_user unshare -Ur coffer exec "$in/plain.sif" true
	refused 255 "in a user namespace nobody can tell whose an image is"
	site 'limit container groups = daemon'
	run --separate-stderr as_user coffer exec "$in/plain.sif" true
	refused 255 "apptainer image is not owned by required group(s)"
	chgrp daemon "$in/plain.sif"
	run -0 as_user coffer exec "$in/plain.sif" true
}

@test "an active execution control list is never passed over" {
	am_root || return 0
	site 'mount tmp = yes'
	echo 'activated = false' >site/coffer/ecl.toml
	run -0 as_user coffer exec plain.sif true
	echo 'activated = true' >site/coffer/ecl.toml
	for who in at_site as_user; do
		run --separate-stderr $who coffer exec plain.sif true
		refused 255 "ecl.toml activates an execution control list, which coffer cannot obey"
	done
	run -255 at_site coffer build out.sif tree
	[ ! -e out.sif ]
}

@test "build asks the policy before anything runs" {
	am_root || return 0
	printf 'Bootstrap: localimage\nFrom: %s/plain.sif\n%%pre\n    touch %s/out.ran\n%%post\n    true\n' "$WORK" "$WORK" >pre.def
	echo 'allow container sif = no' >x.conf
	run --separate-stderr coffer -c x.conf build out.sif pre.def
	refused 255 "configuration disallows users from running unencrypted SIF containers"
	[ ! -e out.ran ]
	run --separate-stderr coffer -c x.conf build out.sif plain.sif
	refused 255 "configuration disallows"
	echo 'allow container luks2 = no' >x.conf
	run --separate-stderr coffer -c x.conf build --base-pem-path=rsa_pri.pem out.sif luks2.sif
	refused 255 "configuration disallows users from running LUKS2 containers"
	run -0 coffer -c x.conf build --base-pem-path=rsa_pri.pem out.sif gocryptfs.sif
	echo 'allow container dir = no' >x.conf
	run --separate-stderr coffer -c x.conf build -F out.sif tree
	refused 255 "configuration disallows users from running sandbox containers"
	# The tree of a build is no user's sandbox.
	run -0 coffer -c x.conf build -F out.sif pre.def
	[ -e out.ran ]
	rm -f out.ran
	site 'allow user ns = no'
	chmod 777 site
	run --separate-stderr as_user coffer build "$WORK/site/out.sif" pre.def
	refused 255 "user namespace disabled by the configuration"
	[ ! -e out.ran ]
}

@test "a key on the command line and a plain image: refused; by a variable: said once" {
	run --separate-stderr coffer exec $K plain.sif true
	refused 255 "plain.sif is not encrypted, but a key is given for it"
	run --separate-stderr coffer exec --passphrase plain.sif true <<<secret
	refused 255 "is not encrypted, but a key is given for it"
	run -0 --separate-stderr env APPTAINER_ENCRYPTION_PASSPHRASE=secret coffer exec plain.sif true
	[ "$(grep -c 'is not encrypted' <<<"$stderr")" -eq 1 ]
	run --separate-stderr coffer build --base-pem-path=rsa_pri.pem out.sif plain.sif
	refused 255 "plain.sif is not encrypted, but a key is given for it"
	[ ! -e out.sif ]
}

@test "only encrypted images, and none of LUKS2: by option, variable and directive" {
	for name in plain.sif box; do
		run --separate-stderr coffer exec --require-encrypted $name true
		refused 255 "is not encrypted, and only encrypted images may be run"
		run --separate-stderr env APPTAINER_REQUIRE_ENCRYPTED=1 coffer exec $name true
		refused 255 "only encrypted images may be run"
	done
	run -0 coffer exec --require-encrypted $K luks2.sif true
	run --separate-stderr coffer exec --no-luks2 $K luks2.sif true
	refused 255 "configuration disallows users from running LUKS2 containers"
	run -0 coffer exec --require-encrypted --no-luks2 $K gocryptfs.sif true
	am_root || return 0
	site 'require encrypted = yes' 'allow container luks2 = no'
	run --separate-stderr as_user coffer exec plain.sif true
	refused 255 "only encrypted images may be run"
	run --separate-stderr as_user coffer exec --require-encrypted=false plain.sif true
	refused 255 "only encrypted images may be run"
	chmod a+r rsa_pri.pem
	run --separate-stderr as_user coffer exec $K luks2.sif true
	refused 255 "configuration disallows users from running LUKS2 containers"
	run -0 as_user coffer exec $K gocryptfs.sif true
	chmod 600 rsa_pri.pem
}

# Runs a command where /dev/log is ours: what it gets is in `log`, one record a line. Without a
# reader with NOBODY=1; with STREAM=1 it is a stream, whose records NULs end.
with_log() { # COMMAND...
	rm -rf dev log
	mkdir dev
	: >log
	unshare -m sh -c '
		mount -t tmpfs -o mode=755 none dev
		for node in null zero urandom random tty fuse; do touch dev/$node; mount --bind /dev/$node dev/$node; done
		ln -s /proc/self/fd dev/fd
		if [ -z "$NOBODY" ]; then
			python3 -c "
import os, socket, sys
stream = bool(os.environ.get(\"STREAM\"))
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if stream else socket.SOCK_DGRAM)
s.bind(\"dev/log\")
if stream:
    s.listen()
os.chmod(\"dev/log\", 0o666)
if os.fork():
    os._exit(0)
os.setsid()
log = open(\"log\", \"ab\", 0)
s.settimeout(60)
while True:
    try:
        if stream:
            with s.accept()[0].makefile(\"rb\") as f:
                one = f.read()
        else:
            one = s.recv(1 << 20)
    except TimeoutError:
        break
    if one == b\"stop\":
        break
    one = one.replace(b\"\\n\", b\"LINE\")
    log.write(one.replace(b\"\\0\", b\"\\n\") if stream else one + b\"\\n\")
" >/dev/null 2>&1 3>&- 4>&- 5>&-
		fi
		mount --rbind dev /dev
		"$@"; status=$?
		[ -n "$NOBODY" ] || python3 -c "
import os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM if os.environ.get(\"STREAM\") else socket.SOCK_DGRAM)
s.connect(\"/dev/log\"); s.send(b\"stop\")"
		exit $status' - "$@"
}

@test "audit log: who started what with which kind of key, and how it ended" {
	am_root || return 0
	export NOBODY=
	site 'audit log = syslog'
	chmod a+r rsa_pri.pem
	local finger uuid digest
	finger=$(openssl rsa -in rsa_pri.pem -pubout -outform DER 2>/dev/null | sha256sum | cut -d ' ' -f 1)
	uuid=$(coffer sif header gocryptfs.sif | sed -n 's/^ID: *//p')
	digest=$({ head -c 128 gocryptfs.sif; tail -c +4097 gocryptfs.sif | head -c $((48 * 585)); } | sha256sum | cut -d ' ' -f 1)
	run -7 with_log "$BASH" -c "$(declare -f at_site as_user am_root); as_user coffer exec $K gocryptfs.sif sh -c 'exit 7'"
	cat log
	[ "$(wc -l <log)" -eq 2 ]
	grep -Eq "^<86>[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} coffer\[[0-9]+\]: start id=([0-9a-f]{16}) uid=65533 user=\"[^\"]*\" loginuid=[0-9-]+ action=exec kind=gocryptfs uuid=$uuid sha256=$digest key=rsa-sha256:$finger image=\"$WORK/gocryptfs.sif\"\$" log
	[[ "$(tail -n 1 log)" == *": end id=$(sed -n 's/.*start id=\([0-9a-f]*\) .*/\1/p' log) status=7" ]]
	refute grep -q 'PRIVATE' log
	# What is refused is told, too; and a name is one line.
	cp plain.sif $'bad\n"\\name\e.sif'
	site 'audit log = required' 'allow container sif = no'
	run -255 with_log "$BASH" -c "$(declare -f at_site as_user am_root); as_user coffer run $'bad\n\"\\\\name\e.sif'"
	cat log
	[ "$(wc -l <log)" -eq 2 ]
	refute grep -q LINE log
	grep -qF ' image="'"$WORK"'/bad\x0a\x22\x5cname\x1b.sif"' log
	# By no name is the rest pushed out of what a log keeps (RFC 3164, 4.1: 1024 bytes).
	head -n 1 log | cut -c 1-1024 | grep -q ' action=run kind=sif uuid=[0-9a-f-]* sha256=[0-9a-f]\{64\} key=none image="'
	grep -q 'end id=[0-9a-f]* failed="configuration disallows users from running unencrypted SIF containers"$' log
	rm -f bad*.sif
	chmod 600 rsa_pri.pem
}

@test "audit log: a log that takes streams has both records as well" {
	am_root || return 0
	export NOBODY='' STREAM=1
	site 'audit log = required'
	run -7 with_log "$BASH" -c "$(declare -f at_site as_user am_root); as_user coffer exec plain.sif sh -c 'exit 7'"
	cat log
	[ "$(wc -l <log)" -eq 2 ]
	head -n 1 log | grep -q '^<86>.* coffer\[[0-9]*\]: start id=.* action=exec kind=sif .* image="'"$WORK"'/plain.sif"$'
	[[ "$(tail -n 1 log)" == *": end id=$(sed -n 's/.*start id=\([0-9a-f]*\) .*/\1/p' log) status=7" ]]
}

@test "audit log = required: without the log nothing is run" {
	am_root || return 0
	export NOBODY=1
	site 'audit log = required'
	run --separate-stderr with_log "$BASH" -c "$(declare -f at_site as_user am_root); as_user coffer exec plain.sif echo ran"
	refused 255 "nothing is run without an audit record: write to the system's log (/dev/log)"
	[ "$output" = "" ]
	site 'audit log = syslog'
	run -0 --separate-stderr with_log "$BASH" -c "$(declare -f at_site as_user am_root); as_user coffer exec plain.sif echo ran"
	[ "$output" = ran ]
	err_has "No audit record"
}

@test "seccomp profile: in place of the default filter, for each user and in the sections of a build; nobody drops it" {
	am_root || return 0
	local who
	cp "$COFFER_ROOT/tests/cli/profile.json" site/list.json
	echo '{"defaultAction":"SCMP_ACT_ALLOW"}' >mine.json
	make_definition post.def "$WORK/tree"
	printf '\n%%post\n    calls terminal default >/etc/calls-post\n' >>post.def
	site 'seccomp profile = /usr/local/etc/list.json' 'user seccomp control = no'
	is_lists() { # TEXT
		grep -qx 'tiocsti EPERM' <<<"$1"
		grep -qx 'keyctl ENOSYS' <<<"$1"
		grep -qx 'io_uring_setup EPERM' <<<"$1"
	}
	for who in at_site as_user; do
		for options in "" --fakeroot --containall; do
			# shellcheck disable=SC2086
			run -0 --separate-stderr $who coffer -q exec $options plain.sif calls terminal default
			is_lists "$output"
		done
		rm -rf /tmp/coffer-policy-out.$$
		run -0 --separate-stderr $who coffer -q build --sandbox /tmp/coffer-policy-out.$$ post.def
		is_lists "$(cat /tmp/coffer-policy-out.$$/etc/calls-post)"
		rm -rf /tmp/coffer-policy-out.$$
		for word in unconfined mine.json; do
			run --separate-stderr $who coffer exec --security seccomp:$word plain.sif true
			refused 255 'configuration disallows users from choosing the filter of system calls'
		done
	done
	site 'seccomp profile = /usr/local/etc/list.json'
	run -0 --separate-stderr as_user coffer -q exec --security seccomp:unconfined plain.sif calls page-zero
	[ "$output" = 'page-zero done' ]
	# Another by --config is no tighter, as far as anybody can tell.
	echo "seccomp profile = $WORK/mine.json" >other.conf
	run --separate-stderr as_user coffer -c other.conf exec plain.sif true
	refused 255 'other.conf: line 1: "seccomp profile = '"$WORK"'/mine.json" is not as tight as the site has it (/usr/local/etc/list.json)'
}

@test "a seccomp profile that is not root's alone, or not understood, stops everything, with file and path" {
	am_root || return 0
	local words
	sed 's/"names"/"nams"/' "$COFFER_ROOT/tests/cli/profile.json" >site/typo.json
	cp "$COFFER_ROOT/tests/cli/profile.json" site/open.json
	chmod 0666 site/open.json
	cp site/open.json site/theirs.json
	chmod 0644 site/theirs.json
	chown 65533 site/theirs.json
	for name in typo open theirs none; do
		case $name in
		typo) words='/usr/local/etc/typo.json: syscalls.0.nams is not supported' ;;
		none) words='open /usr/local/etc/none.json: no such file or directory' ;;
		*) words="/usr/local/etc/$name.json is not root's alone" ;;
		esac
		site "seccomp profile = /usr/local/etc/$name.json"
		run --separate-stderr as_user coffer exec plain.sif true
		refused 255 "$words"
		run --separate-stderr at_site coffer exec --security seccomp:unconfined plain.sif true
		refused 255 "$words"
		run --separate-stderr at_site coffer build out.sif image.def
		refused 255 "$words"
		[ ! -e out.sif ]
		run -1 --separate-stderr at_site coffer config check
		err_has "$words"
	done
	# Of whoever made a namespace.
	site 'seccomp profile = /usr/local/etc/theirs.json'
	run --separate-stderr as_user unshare -Ur coffer exec plain.sif true
	refused 255 "theirs.json is not root's alone"
}
