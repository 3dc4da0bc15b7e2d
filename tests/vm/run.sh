#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Boots a real kernel with dm-crypt once and runs the scripts of this folder in it, as root, each in
# a directory of its own: run.sh [SCRIPT...]. Ends with the line "N passed, N failed".
#
# The guest's root is this machine's, under a tmpfs; so the build directory (COFFER_BUILD, default
# build) is there by its path. `boot` boots it.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
root=$(realpath "$here/../..")
export COFFER_BUILD=$(realpath "${COFFER_BUILD:-$root/build}")
[ -x "$COFFER_BUILD/tests/tools/seal" ] || { echo "build coffer first: $COFFER_BUILD" >&2; exit 1; }
[ $# -gt 0 ] || set -- "$here"/[0-9]*.sh

share=$(mktemp -d)
trap 'rm -rf "$share"' EXIT
{
	echo "export COFFER_BUILD='$COFFER_BUILD' COFFER_SOURCE='$root'"
	for script; do echo "set -- \"\$@\" '$(realpath "$script")'"; done
	cat <<'EOF'
passed=0 failed=0
ln -sfn /proc/self/fd /dev/fd
for script; do
	dir=$(mktemp -d)
	if (cd "$dir" && bash "$script"); then
		passed=$((passed + 1)) && echo "ok ${script##*/}"
	else
		failed=$((failed + 1)) && echo "not ok ${script##*/}"
		# what it left is its own failure, not the next one's
		dmsetup remove_all --deferred; losetup -D
	fi
done
echo "$passed passed, $failed failed"
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
EOF
} > "$share/all"
VM_TIMEOUT=${VM_TIMEOUT:-900} "$here/boot" / "$share" "$share/all"
