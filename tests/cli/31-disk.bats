#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Nothing in clear and no key ever reaches a disk, while building and running, in any file that any
# process writes, named or not. Watches with fanotify, so it is root's test; it builds and runs as
# whoever is named.

load helper

setup_file() {
	make_work
	chmod 0755 "$WORK"
	make_keys
	make_tree tree
	make_definition d.def "$WORK/tree"
	# The marker comes to be in %post alone, so that no file of the test holds it; nor does a copy of
	# this file, which somebody may make meanwhile.
	export NUMBER=$RANDOM$RANDOM
	cat >>d.def <<END
%post
    printf '%s%s\n' 'plain-text-' 'marker-$NUMBER' >/etc/marker.txt
    i=0; while [ \$i -lt 2000 ]; do cat /etc/marker.txt; i=\$((i+1)); done >/etc/markers.txt
END
	chmod 0644 ./*.pem
	chmod 0777 .
}
teardown_file() { drop_work; }

# The watcher, unless this user cannot have one: then the test is root's alone.
watched() { # KIND KEY COMMAND-PREFIX...
	local kind=$1 key=$2 watcher status=0
	shift 2
	rm -f ready image.sif
	"$COFFER_ROOT/bin/diskwatch" "$WORK/ready" /var/tmp \
		"plain-text-marker-$NUMBER" "tea-for-two-$NUMBER" "$(sed -n 5p rsa_pri.pem)" >seen 3>&- &
	watcher=$!
	while [ ! -e ready ]; do sleep 0.01; done
	if [ "$key" = pem ]; then
		"$@" coffer build --force --encryption="$kind" --pem-path=rsa_pub.pem image.sif d.def
		"$@" coffer exec --pem-path=rsa_pri.pem image.sif cat /etc/markers.txt >/dev/null
	else
		echo "tea-for-two-$NUMBER" | cheaply "$@" coffer build --force --encryption="$kind" --passphrase image.sif d.def
		echo "tea-for-two-$NUMBER" | "$@" coffer exec --passphrase image.sif cat /etc/markers.txt >/dev/null
	fi
	sleep 0.2
	kill "$watcher"
	wait "$watcher" || status=$?
	# It did watch: the image itself was seen being written.
	grep -q "^seen .*" seen
	[ "$status" -eq 0 ] || { cat seen; false; }
}

@test "no plaintext and no key on disk while building and running" {
	cd "$WORK"
	if ! am_root; then
		# Only root can watch everybody; that run does this user's part too. What this user can
		# see is looked at: no new file is left with the marker.
		touch stamp
		run -0 coffer build --force --pem-path=rsa_pub.pem image.sif d.def
		run -0 coffer exec --pem-path=rsa_pri.pem image.sif cat /etc/marker.txt
		[ "$(find /var/tmp /tmp /dev/shm "$HOME" -user "$(id -un)" -newer stamp -type f -exec grep -la plain-text-marker-$NUMBER {} + 2>/dev/null)" = "" ]
		return 0
	fi
	watched luks2 pem env
	watched luks2 passphrase env
	watched gocryptfs pem env
	watched gocryptfs passphrase env
	if id coffer-test >/dev/null 2>&1; then
		rm -f image.sif
		for kind in luks2 gocryptfs; do
			watched $kind pem setpriv --reuid coffer-test --regid coffer-test --init-groups env HOME=/home/coffer-test
			watched $kind passphrase setpriv --reuid coffer-test --regid coffer-test --init-groups env HOME=/home/coffer-test
			rm -f image.sif
		done
	fi
}

@test "the watcher finds what is planted" {
	cd "$WORK"
	if ! am_root; then
		echo "plain-text-marker-$NUMBER" >planted
		[ "$(grep -la plain-text-marker-$NUMBER planted)" = planted ]
		return 0
	fi
	rm -f ready
	"$COFFER_ROOT/bin/diskwatch" "$WORK/ready" /var/tmp "plain-text-marker-$NUMBER" >seen 3>&- &
	local watcher=$!
	while [ ! -e ready ]; do sleep 0.01; done
	python3 - <<'END'
import os
fd = os.open(".", os.O_TMPFILE | os.O_RDWR)  # a file that never has a name
os.write(fd, b"x" * 1048000 + b"plain-text-" + b"marker-" + os.environb[b"NUMBER"] + b"y" * 5000)
os.close(fd)
END
	sleep 0.2
	kill "$watcher"
	local status=0
	wait "$watcher" || status=$?
	[ "$status" -eq 1 ]
	grep -q '^FOUND 0 ' seen
}
