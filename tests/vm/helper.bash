# SPDX-License-Identifier: Apache-2.0
# For the scripts here: source it first.
set -euo pipefail
export APPTAINER_ENCRYPTION_PASSPHRASE=secret
seal=$COFFER_BUILD/tests/tools/seal

# A line that says what is checked, and a failure that says where.
check() { echo "  $* (at ${SECONDS}s)"; }
trap 'echo "  failed at line $LINENO: $BASH_COMMAND" >&2' ERR

# The command fails, and says this. (A plain "!" would not end the script.)
refused() {
	local words=$1
	shift
	if "$@" 2> says; then
		echo "  succeeded: $*" >&2
		return 1
	fi
	grep -q "$words" says
}

# What must be gone within two seconds of the last user's end.
devices() { ls /dev/mapper | grep -v '^control$' || true; losetup --noheadings --output NAME || true; }
nothing_left() {
	for _ in $(seq 20); do
		[ -n "$(devices)" ] || [ -n "$(dmsetup ls | grep -v '^No devices' || true)" ] || return 0
		sleep 0.1
	done
	echo "  left behind: $(devices) $(dmsetup ls)" >&2
	# That is too late, but tells what is slow from what stays.
	sleep 10
	echo "  ten seconds later: $(devices) $(dmsetup ls)" >&2
	return 1
}

# A folder `tree` to build of: a static shell and these of its names.
make_tree() { # NAME...
	local name
	mkdir -p tree/bin tree/etc
	cp /bin/busybox tree/bin/
	echo root:x:0:0:root:/root:/bin/sh > tree/etc/passwd
	echo root:x:0: > tree/etc/group
	for name; do ln -s busybox "tree/bin/$name"; done
}
# key.pem and public.pem
make_keys() {
	openssl genrsa -traditional -out key.pem 2048 2> says
	openssl rsa -in key.pem -RSAPublicKey_out -out public.pem 2> says
}
