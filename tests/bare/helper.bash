# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A bare Debian, and commands in it: sourced by run, install and portable. Sets work (a folder that goes with the
# script), bare (the root in it), passed and failed (how many attempts have).
[ "$(id -u)" -eq 0 ] || { echo "$0 runs as root" >&2; exit 1; }

work=$(mktemp -d /var/tmp/coffer-bare.XXXXXX)
# Its mounts are those of a namespace that ends with its command.
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 130' INT TERM
bare=$work/bare

# Where the root of a release is kept, packed.
kept_root() { # RELEASE
	local kept=${COFFER_BARE:-/var/tmp/coffer-bare.tar}
	[ "$1" = bookworm ] || kept=${kept%.tar}-$1.tar
	echo "$kept"
}

# Makes the root of a release, with the user somebody. It is made once and kept packed in COFFER_BARE
# (/var/tmp/coffer-bare.tar; other releases than bookworm beside it); what is installed in it is not.
bare_root() { # RELEASE
	local kept this
	kept=$(kept_root "$1")
	if [ ! -s "$kept" ]; then
		unshare -m --propagation private debootstrap --variant=minbase --include=git,ca-certificates,sudo "$1" "$work/new" >"$work/log" 2>&1 ||
			{ tail -5 "$work/log" >&2; exit 1; }
		tar -cf "$kept.$$" -C "$work/new" . && mv "$kept.$$" "$kept"
		rm -rf "$work/new"
	fi
	mkdir "$bare"
	tar -xf "$kept" -C "$bare"
	cp /etc/resolv.conf "$bare/etc/resolv.conf"
	# Where this machine gets its packages, and what it trusts for that.
	this=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	if [ "$1" = "$this" ]; then
		rm -f "$bare"/etc/apt/sources.list.d/*
		cp -rL /etc/apt/sources.list* "$bare/etc/apt/" 2>/dev/null || true
	fi
	cp -rL /etc/apt/apt.conf.d /etc/apt/auth.conf* "$bare/etc/apt/" 2>/dev/null || true
	cp -rL /etc/ssl/certs/. "$bare/etc/ssl/certs/" 2>/dev/null || true
	printf '127.0.0.1 localhost\n' >"$bare/etc/hosts"
	# systemd makes this link on a machine, and debootstrap installs none. fusermount3, which gocryptfs
	# and its test take their mounts away with, refuses anybody but root without it.
	ln -sfn ../proc/self/mounts "$bare/etc/mtab"
	there root 'useradd -m -s /bin/bash somebody'
}

# A shell command there, in namespaces of its own.
there() { # USER COMMAND
	unshare --mount --pid --fork --kill-child --propagation private bash -euc '
		bare=$1 user=$2 command=$3
		mount --bind "$bare" "$bare"
		mount -t proc proc "$bare/proc"
		for m in sys dev; do mount --rbind "/$m" "$bare/$m"; done
		mount -t tmpfs -o mode=1777 tmpfs "$bare/tmp"
		cd "$bare"
		mkdir -p .old
		pivot_root . .old
		cd /
		umount -l /.old
		exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
			LANG=C.UTF-8 HOME="$([ "$user" = root ] && echo /root || echo "/home/$user")" \
			setpriv --reuid "$user" --regid "$user" --init-groups bash -c "$command"
	' - "$bare" "$1" "$2"
}

passed=0 failed=0
attempt() { # WHAT WHO COMMAND [COMMAND-OF-ROOT-BEFORE]
	if there root "${4:-true}" >"$work/log" 2>&1 && there "$2" "set -e; $3" >"$work/log" 2>&1; then
		passed=$((passed + 1))
		echo "ok $1"
	else
		failed=$((failed + 1))
		echo "not ok $1"
		tail -n 25 "$work/log"
	fi
}
