# SPDX-License-Identifier: Apache-2.0
# For the tests that run as root, in mount and pid namespaces of their own (scripts/faults).
load ../cli/helper

# A key for a plain image is refused.
key_of() { case $1 in plain*) ;; *) echo --pem-path=rsa_pri.pem ;; esac; } # IMAGE

# The user who tries what root is not kept from.
as_user() {
	setpriv --reuid coffer-test --regid coffer-test --init-groups env -i HOME="$WORK" USER=coffer-test \
		LOGNAME=coffer-test PATH="$PATH" LANG=C.UTF-8 "$@"
}

# A control group with one limit; a command is put into it by `in_group`. Version 1 or 2.
make_group() { # CONTROLLER FILE-V1 FILE-V2 VALUE
	local name=coffer-test.$$ root=/sys/fs/cgroup
	if [ -d $root/$1 ]; then
		GROUP=$root/$1/$name
		mkdir -p "$GROUP"
		echo "$4" >"$GROUP/$2"
	else
		echo "+$1" >$root/cgroup.subtree_control
		GROUP=$root/$name
		mkdir -p "$GROUP"
		echo "$4" >"$GROUP/$3"
	fi
}
in_group() { # COMMAND...
	timeout 60 bash -c 'echo $$ >"$0/cgroup.procs" && exec "$@"' "$GROUP" "$@"
}
drop_group() {
	[ -n "${GROUP:-}" ] || return 0
	wait_for rmdir "$GROUP"
	GROUP=
}
