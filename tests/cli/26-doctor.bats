#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `coffer doctor` on machines that are broken: in namespaces, behind filters, or by what it is told.

load helper

setup_file() { make_work; }
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# What it says of one thing: the line, and those below it.
of() { # NAME
	awk -v name="$1: " '/^[^ ]/ { on = index($0, name) == 7 } on' <<<"$output"
}
says() { # NAME WORDS
	grep -qF -- "$2" <<<"$(of "$1")" || { echo "no \"$2\" of $1 in:"; echo "$output"; false; }
}
# In namespaces of one's own, after a fault has been made there.
broken() { # STATUS FAULT
	run "-$1" unshare --user --map-root-user --mount bash -ec "$2; coffer doctor"
}

@test "a machine where coffer runs" {
	run -0 --separate-stderr coffer doctor
	refute grep -q '^bad' <<<"$output"
	says "user namespaces" "allowed, at most "
	says "mount namespaces" "ok    mount namespaces: allowed"
	says "/dev/fuse" "can be opened"
	says "kernel" "Linux $(uname -r)"
	says "debootstrap" "ok"
	if am_root; then says "subordinate ids" "root needs none"
	elif have_subids; then says "subordinate ids" "yours, with newuidmap"
	else
		says "subordinate ids" "less  subordinate ids: none for you"
		says "subordinate ids" "root: usermod --add-subuids"
	fi
}

@test "no user namespaces: status 1, and the knob" {
	broken 1 "echo 0 >/proc/sys/user/max_user_namespaces
		exec setpriv --bounding-set=-all --inh-caps=-all coffer doctor"
	says "user namespaces" "bad "
	says "user namespaces" "see /proc/sys/user/max_user_namespaces"
	says "user namespaces" "root: sysctl -w user.max_user_namespaces=15000"
	refute grep -q "pid namespaces" <<<"$output"
}

@test "no user namespaces for root, who can do without" {
	broken 0 "echo 0 >/proc/sys/user/max_user_namespaces"
	says "user namespaces" "less  user namespaces: refused: "
	says "user namespaces" "see /proc/sys/user/max_user_namespaces"
	says "user namespaces" "no image can be run with --userns or --fakeroot"
	says "pid namespaces" "ok    pid namespaces: allowed"
	# It is so: an image runs, and with those options none does.
	local image=$FIXTURES/plain.sif
	run -0 unshare --user --map-root-user --mount bash -ec "echo 0 >/proc/sys/user/max_user_namespaces; coffer exec $image true"
	for option in --userns --fakeroot; do
		run -255 unshare --user --map-root-user --mount bash -ec "echo 0 >/proc/sys/user/max_user_namespaces; coffer exec $option $image true"
	done
	broken 0 "echo 0 >/proc/sys/user/max_user_namespaces; echo 0 >/proc/sys/user/max_pid_namespaces"
	says "pid namespaces" "less  pid namespaces: refused; see /proc/sys/user/max_pid_namespaces"
	broken 1 "echo 0 >/proc/sys/user/max_user_namespaces; echo 0 >/proc/sys/user/max_mnt_namespaces"
	says "user namespaces" "no image can be run or built"
}

@test "a user namespace without rights in it, as AppArmor grants it" {
	run -1 without fsopen=EPERM -- "$COFFER" doctor
	says "user namespaces" "bad   user namespaces: refused: Operation not permitted"
	says "user namespaces" "no image can be run or built"
}

@test "each other kind of namespace" {
	local kind
	for kind in pid ipc net uts; do
		broken 0 "echo 0 >/proc/sys/user/max_${kind}_namespaces"
		says "$kind namespaces" "less  $kind namespaces: refused; see /proc/sys/user/max_${kind}_namespaces"
		says "$kind namespaces" "root: sysctl -w user.max_${kind}_namespaces=15000"
	done
}

@test "/dev/fuse not there, closed, or something else" {
	: >file
	broken 1 "mount -t tmpfs none /dev"
	says "/dev/fuse" "bad   /dev/fuse: No such file or directory"
	says "/dev/fuse" "root: modprobe fuse"
	broken 1 "mount --bind file /dev/fuse"
	says "/dev/fuse" "no device"
	chmod 000 file
	run -1 unshare --user --map-root-user --mount bash -ec "mount --bind file /dev/fuse
		exec setpriv --bounding-set=-all --inh-caps=-all coffer doctor"
	rm -f file
	says "/dev/fuse" "Permission denied (its mode is 0000)"
	says "/dev/fuse" "root: chmod 0666 /dev/fuse"
}

@test "calls that an older kernel lacks" {
	run -1 without mount_setattr open_tree -- "$COFFER" doctor
	says kernel "without the calls open_tree mount_setattr"
	says kernel "root: Linux 5.12 or newer"
	run -0 without memfd_secret -- "$COFFER" doctor
	says "secret memory" "less  secret memory: no memfd_secret"
}

@test "programs are looked for where a build looks: in PATH, and in the administrator's folders" {
	mkdir -p none
	PATH=$WORK/none run -0 "$COFFER" doctor
	says debootstrap "ok    debootstrap: /usr/sbin/debootstrap"
	says skopeo "ok    skopeo: /usr/bin/skopeo"
	broken 0 'for file in /usr/sbin/debootstrap /usr/bin/skopeo; do mount --bind /dev/null $file; done'
	says debootstrap "less  debootstrap: neither in PATH nor in the usual folders"
	says debootstrap "root: apt install debootstrap"
	says skopeo "less  skopeo: neither in PATH nor in the usual folders"
	PATH=$WORK/none run -0 "$COFFER" doctor
	! have_subids || am_root || {
		says "subordinate ids" "less  subordinate ids: newuidmap was not found in PATH"
		cp /usr/bin/newuidmap /usr/bin/newgidmap none
		PATH=$WORK/none run -0 "$COFFER" doctor
		says "subordinate ids" "none/newuidmap is not set-user-ID"
	}
}

@test "memory: little to lock, and swap" {
	printf 'Filename Type Size Used Priority\n/dev/zram0 partition 1 0 -2\n/dev/sdx2 partition 8 0 -2\n' >swaps
	broken 0 "ulimit -l 64; mount --bind swaps /proc/swaps"
	says "memory to lock" "less  memory to lock: at most 64 KiB"
	says swap "less  swap: on /dev/sdx2"
	says swap "root: swapoff -a"
}

@test "folders, surroundings, and a configuration with a fault" {
	broken 0 "mount -t tmpfs -o noexec none /tmp"
	says /tmp "less  /tmp: writable, mounted noexec"
	says surroundings "less  surroundings: in a user namespace"
	broken 0 "mount -t tmpfs -o ro none /tmp"
	says /tmp "less  /tmp: Read-only file system"
	broken 1 "mount -t tmpfs none /usr/local/etc; mkdir /usr/local/etc/coffer
		echo 'nonsense = 1' >/usr/local/etc/coffer/coffer.conf"
	says configuration "bad   configuration: "
	says configuration "you: coffer config check"
}

@test "an image: its kind, its key, what it is worth, or why not" {
	run -0 coffer doctor "$FIXTURES/luks-pem.sif"
	says image "(LUKS2)"
	says key "--pem-path"
	says tampering "less"
	run -0 coffer doctor "$FIXTURES/gocryptfs-pass.sif"
	says image "(gocryptfs)"
	says key "--passphrase"
	says tampering "a changed block is an I/O error"
	run -0 coffer doctor "$FIXTURES/plain.sif"
	says key "it needs none"
	echo rubbish >rubbish
	run -1 coffer doctor rubbish
	says image "bad   image: could not open image"
}

@test "as JSON" {
	run -1 --separate-stderr coffer doctor --json "$WORK/none/there.sif"
	python3 -c 'import json, sys
d = json.load(sys.stdin)
assert d["image"]["state"] == "bad", d
assert d["mount namespaces"] == {"state": "ok", "found": "allowed"}, d
assert all(f["state"] in ("ok", "less", "bad") and f["found"] for f in d.values())' <<<"$output"
}
