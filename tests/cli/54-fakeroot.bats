#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User namespaces and --fakeroot, with subordinate ids and without (spec runtime.md 11).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --sandbox box tree
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

map() { tr -s ' ' <<<"$1" | sed 's/^ //'; }
# The ids of the machine's root inside: those that /etc/subuid gives root, else nobody's.
shifted="0 $(sed -n 's/^root:\([0-9]*:[0-9]*\)$/\1/p' /etc/subuid | head -1 | tr : ' ')"
[ "$shifted" != "0 " ] || shifted="0 2147287040 65536"
# The maps of a container's process as this machine sees them: inside, each id is mapped to itself.
outer_maps() {
	local pid said
	coproc PAYLOAD { exec coffer -q exec "$@" sh -c 'echo $$; read -r x'; }
	said=${PAYLOAD[1]}
	read -r pid <&"${PAYLOAD[0]}"
	cat "/proc/$pid/uid_map" "/proc/$pid/gid_map"
	echo >&"$said"
	# shellcheck disable=SC2154 # PAYLOAD_PID is coproc's
	wait "$PAYLOAD_PID"
}
subids() { sed -n "s/^$(id -un):\([0-9]*\):.*/\1/p" "/etc/$1" | head -1; }

@test "without options one is oneself, without capabilities" {
	run -0 coffer exec plain.sif sh -c 'id -u; id -g; cat /proc/self/uid_map; grep -e CapEff -e CapPrm -e CapBnd -e NoNewPrivs /proc/self/status'
	[ "${lines[0]}" = "$(id -u)" ]
	[ "${lines[1]}" = "$(id -g)" ]
	if am_root; then
		[ "$(map "${lines[2]}")" = "$(map "$(head -1 /proc/self/uid_map)")" ]
	else
		[ "$(map "${lines[2]}")" = "$(id -u) $(id -u) 1" ]
		[ "${lines[3]}" = $'CapPrm:\t0000000000000000' ]
		[ "${lines[4]}" = $'CapEff:\t0000000000000000' ]
		[ "${lines[6]}" = $'NoNewPrivs:\t1' ]
	fi
}

@test "--userns, root too" {
	run -0 --separate-stderr coffer exec --userns plain.sif id -u
	[ "$output" = "$(id -u)" ]
	run -0 --separate-stderr outer_maps --userns plain.sif
	if am_root; then set -- "$shifted"; else set -- "$(id -u) $(id -u) 1"; fi
	[ "$(map "${lines[0]}")" = "$1" ]
	for image in luks2.sif gocryptfs.sif; do
		run -0 --separate-stderr coffer exec --userns --pem-path=rsa_pri.pem $image cat /etc/post.txt
		[ "$output" = "made in post" ]
	done
}

@test "--fakeroot: root inside, its home /root, the ids as they should be" {
	for image in plain.sif luks2.sif gocryptfs.sif box; do
		key=
		case $image in luks2.sif | gocryptfs.sif) key=--pem-path=rsa_pri.pem ;; esac
		run -0 --separate-stderr coffer exec $key --fakeroot $image sh -c 'id -u; id -g; echo $HOME; grep CapEff /proc/self/status'
		[ "${lines[0]}:${lines[1]}:${lines[2]}" = "0:0:/root" ]
		grep -q 'CapEff:.*fffff$' <<<"${lines[3]}"
		if am_root; then
			err_has "INFO:    The home of root is left out: /root is an empty one"
		elif have_subids; then
			[ "$stderr" = "" ]
		else
			err_has "INFO:    User not listed in /etc/subuid, trying root-mapped namespace"
		fi
		run -0 --separate-stderr outer_maps $key --fakeroot $image
		if am_root; then
			[ "$(map "${lines[0]}")" = "$shifted" ]
			[ "$(map "${lines[1]}")" = "$shifted" ]
		elif have_subids; then
			[ "$(map "${lines[0]}")" = "0 $(id -u) 1" ]
			[ "$(map "${lines[1]}")" = "1 $(subids subuid) 65536" ]
			[ "$(map "${lines[2]}")" = "0 $(id -g) 1" ]
			[ "$(map "${lines[3]}")" = "1 $(subids subgid) 65536" ]
		else
			[ "$(map "${lines[0]}")" = "0 $(id -u) 1" ]
			[ "$(map "${lines[1]}")" = "0 $(id -g) 1" ]
		fi
	done
}

@test "--fakeroot: chown is kept with subordinate ids, pretended without" {
	run -0 --separate-stderr coffer exec --fakeroot --writable-tmpfs plain.sif \
		sh -c 'touch /f && chown 12:34 /f && stat -c %u:%g /f'
	if am_root || have_subids; then [ "$output" = 12:34 ]; else [ "$output" = 0:0 ]; fi
	# The machine's root is a stranger in there.
	if am_root; then return 0; fi
	run -0 --separate-stderr coffer exec --fakeroot -B "$WORK:/w" plain.sif sh -c 'touch /w/made; chown 5:6 /w/made; ls -ln /w/made'
	if have_subids; then
		[ "$(stat -c %u:%g made)" = "$(($(subids subuid) + 4)):$(($(subids subgid) + 5))" ]
	else
		[ "$(stat -c %u:%g made)" = "$(id -u):$(id -g)" ]
	fi
	coffer -q exec --fakeroot -B "$WORK:/w" plain.sif rm /w/made
}

@test "--fakeroot gives no power over this machine" {
	if ! am_root; then
		run -1 --separate-stderr coffer -q exec --fakeroot plain.sif cat /proc/1/environ
		err_has "Permission denied"
		run --separate-stderr coffer -q exec --fakeroot -B /etc:/host plain.sif sh -c 'echo x >>/host/shadow'
		[ "$status" -ne 0 ]
		err_has "Permission denied"
	else
		run -0 --separate-stderr coffer -q exec --fakeroot plain.sif id -u
		[ "$output" = 0 ]
	fi
	run --separate-stderr coffer -q exec --fakeroot --pem-path=rsa_pri.pem gocryptfs.sif sh -c 'mount -t tmpfs none /mnt 2>&1; hostname other 2>&1'
	[ "$(uname -n)" != other ]
}

@test "root of a namespace cannot remount the image; root can, and changes nothing in it" {
	for image in plain.sif luks2.sif gocryptfs.sif; do
		before=$(sha256sum <$image)
		for options in --fakeroot "--userns --fakeroot" ""; do
			[ -n "$options" ] || am_root || continue
			if [ -n "$options" ]; then expected=refused; else expected=remounted; fi
			# shellcheck disable=SC2086,SC2016 # words; the container's shell
			if [ $image = plain.sif ]; then key=; else key=--pem-path=rsa_pri.pem; fi
			run -0 --separate-stderr coffer exec $options $key $image sh -c '
				{ mount -o remount,rw / || mount -o remount,rw,bind /; } && echo remounted || echo refused
				cd /etc && changed() { "$@" && echo "CHANGED: $*"; }
				changed touch new; changed mkdir new; changed mv secret.txt new
				changed ln secret.txt new; changed ln -s secret.txt new
				changed chmod 777 secret.txt
				changed dd if=/bin/sh of=secret.txt conv=notrunc
				changed dd if=/bin/sh of=secret.txt; changed dd if=/bin/sh of=secret.txt seek=1
				changed rm secret.txt; cat secret.txt'
			refute grep CHANGED <<<"$output"
			[ "${lines[0]}" = $expected ]
			grep -q 'a marker that must stay hidden' <<<"$output"
		done
		[ "$(sha256sum <$image)" = "$before" ]
	done
}

@test "the mounts are locked for who is root of a namespace; its own are its own" {
	local options
	mkdir -p closed cover/inner
	echo closed >closed/file
	chmod 666 closed/file
	echo covered >cover/inner/secret
	for options in --fakeroot "--userns --fakeroot" "--fakeroot --containall" "--fakeroot --uts --ipc --net --network none"; do
		if am_root && [ "$options" = --fakeroot ]; then options=--userns; fi
		# shellcheck disable=SC2086,SC2016 # words; the container's shell
		run --separate-stderr coffer -q exec $options -B "$WORK/closed:/closed:ro,$WORK/cover:/cover,$WORK/closed:/cover/inner" plain.sif sh -c '
			tried() { (eval "$1") >/dev/null 2>&1 && echo "CAN $1"; }
			tried "mount -o remount,rw,bind /closed"
			tried "mount --bind /closed /mnt && mount -o remount,rw,bind /mnt"
			tried ": >>/closed/file"
			tried "umount /closed"; tried "umount -l /closed"
			tried "umount /cover/inner"; tried "umount -l /cover/inner"
			tried "mount --bind /cover /mnt && cat /mnt/secret"
			tried "mount --move /cover/inner /mnt"
			umount /mnt 2>/dev/null
			m=$(mktemp -d) && mount -t tmpfs none $m && touch $m/made &&
				mount -o remount,bind,ro $m && ! touch $m/more 2>/dev/null && umount $m &&
				mount --bind /bin $m && $m/busybox true && umount $m &&
				mount --rbind /dev $m && umount -l $m && rmdir $m && echo complete'
		[ "$output" = complete ] || { echo "$options: $output $stderr"; false; }
	done
	[ "$(cat closed/file)" = closed ]
	# With namespaces of its own it is root there: a name, a network.
	run -0 --separate-stderr coffer -q exec --fakeroot --uts --net --network none plain.sif \
		sh -c 'hostname other && hostname && ip link set lo down && ip addr add 10.9.8.7/32 dev lo && echo set'
	[ "$output" = $'other\nset' ]
	rm -r closed cover
}

@test "--fakeroot: files of the image are root's" {
	run -0 --separate-stderr coffer exec --fakeroot --pem-path=rsa_pri.pem gocryptfs.sif stat -c %u:%g /bin/busybox /etc/secret.txt /
	[ "$output" = $'0:0\n0:0\n0:0' ]
	run -0 --separate-stderr coffer exec plain.sif stat -c %u:%g /bin/busybox
	[ "$output" = "$(id -u):$(id -g)" ]
}

@test "--fakeroot --writable changes a sandbox" {
	run -0 --separate-stderr coffer exec --fakeroot --writable box sh -c 'echo kept >/etc/kept; mkdir -p /opt; id -u'
	[ "$output" = 0 ]
	[ "$(cat box/etc/kept)" = kept ]
	[ -d box/opt ]
}

# Other owners than elsewhere would be found out when the image is used.
@test "subordinate ids without the programs for them: an error that names the program, and the way out" {
	have_subids || return 0
	mkdir -p none one
	ln -sf "$(command -v newuidmap)" one/newuidmap
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\n\tchown 12:34 /etc/secret.txt\n' "$WORK/tree" >owner.def
	local options program
	for path in none one; do
		[ $path = one ] && program=newgidmap || program=newuidmap
		for options in "build new.sif owner.def" "exec --fakeroot plain.sif true"; do
			# shellcheck disable=SC2086
			run --separate-stderr env PATH="$WORK/$path" "$COFFER" $options
			refused 255 "$program was not found in PATH"
			err_has "the package uidmap"
			refute grep -q "not listed" <<<"$stderr"
			[ ! -e new.sif ]
		done
	done
	run -0 --separate-stderr env PATH="$WORK/none" "$COFFER" exec --fakeroot --ignore-subuid plain.sif cat /proc/self/uid_map
	[ "$(map "$output")" = "0 0 1" ]
	run -0 --separate-stderr env PATH="$WORK/none" "$COFFER" -q build --ignore-subuid new.sif owner.def
	err_has "WARNING: All files will belong to root"
	run -0 coffer -q exec --fakeroot new.sif stat -c %u:%g /etc/secret.txt
	[ "$output" = 0:0 ]
	rm new.sif
	run -0 --separate-stderr coffer -q build new.sif owner.def
	refute grep -q "belong to root" <<<"$stderr"
	run -0 coffer -q exec --fakeroot new.sif stat -c %u:%g /etc/secret.txt
	[ "$output" = 12:34 ]
	rm new.sif
}

# What is tried is opened, and nothing is written. A shell for each: the first that fails ends it.
tries='tried() { (eval "$1") 2>/dev/null && echo "CAN $1"; }
	tried ": >>/proc/sys/kernel/core_pattern"
	tried ": >>/proc/sysrq-trigger"
	tried ": >>/sys/kernel/uevent_helper"
	tried ": >>/sys/power/state"
	tried ": >>/etc/hosts"
	tried ": >>/etc/resolv.conf"
	tried "head -c 1 /w/private >/dev/null"
	tried ": >>/w/private"
	tried ": >>/w/public"
	tried "touch /w/new"
	tried "head -c 1 /w/disk >/dev/null"
	for d in /dev/[vs]d[a-z] /dev/nvme?n? /dev/xvd? /dev/loop0; do [ ! -b $d ] || tried "head -c 1 $d >/dev/null"; done
	tried "mknod /tmp/disk b 254 0"
	tried "mount -t tmpfs none /proc/1/root"
	head -c 1 /w/public >/dev/null && echo complete'

@test "the machine's root is not root inside: it opens nothing of the machine that a stranger could not" {
	if ! am_root; then return 0; fi
	local options image
	mkdir -p bound
	echo private >bound/private
	echo public >bound/public
	chmod 600 bound/private
	chmod 644 bound/public
	mknod bound/disk b 254 0
	chmod 660 bound/disk
	for options in --userns --fakeroot "--userns --fakeroot" "--userns --containall" "--fakeroot --containall" "--fakeroot --writable-tmpfs"; do
		for image in plain.sif box luks2.sif; do
			# shellcheck disable=SC2086
			case $image in luks2.sif) key=--pem-path=rsa_pri.pem ;; *) key= ;; esac
			run -0 --separate-stderr coffer exec $options $key -B "$WORK/bound:/w" $image sh -c "$tries"
			[ "$output" = complete ] || { echo "$options $image: $output $stderr"; false; }
		done
	done
	# The tool finds an open door: without these options it is root.
	run -0 --separate-stderr coffer exec -B "$WORK/bound:/w" plain.sif sh -c "$tries"
	grep -q 'CAN : >>/proc/sys/kernel/core_pattern' <<<"$output"
	grep -q 'CAN head -c 1 /w/private' <<<"$output"
	rm -r bound
}

@test "the machine's root: its home and a folder that is closed to others are not brought along" {
	if ! am_root; then return 0; fi
	mkdir -p closed/inner
	echo secret >closed/inner/file
	chmod 755 closed/inner
	chmod 700 closed
	cd closed/inner
	for options in --userns --fakeroot; do
		run -0 --separate-stderr coffer exec $options ../../plain.sif sh -c 'cat file; ls -A "$HOME"; pwd; touch "$HOME/mine" && echo made'
		[ "$output" = $'/root\nmade' ] || { echo "$output"; false; }
		err_has "INFO:    The home of root is left out: /root is an empty one"
		err_has "Error changing the container working directory"
		# Asked for by name it comes, and what others may read of it.
		run -0 --separate-stderr coffer exec $options -B "$PWD:/w" ../../plain.sif cat /w/file
		[ "$output" = secret ]
	done
	cd ../..
	rm -r closed
	mkdir -p house
	touch house/seen
	run -0 --separate-stderr coffer exec --userns --home "$WORK/house:/house" plain.sif sh -c 'echo $HOME; ls /house'
	[ "$output" = $'/house\nseen' ]
	# A pipe can be opened by its name.
	run -0 --separate-stderr coffer exec --userns plain.sif sh -c 'echo said >/dev/stdout'
	[ "$output" = said ]
}

@test "the machine's root: a sandbox keeps its owners, inside and on disk" {
	if ! am_root; then return 0; fi
	rm -rf owned
	cp -a box owned
	echo 7 >owned/etc/seven
	chown 7:8 owned/etc/seven
	for options in "" --writable --writable-tmpfs; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer exec --userns $options owned stat -c %u:%g /etc/seven /etc/secret.txt
		[ "$output" = $'7:8\n0:0' ]
	done
	run -0 --separate-stderr coffer exec --fakeroot --writable owned \
		sh -c 'touch /etc/mine && touch /etc/nine && chown 9:10 /etc/nine && cp /bin/busybox /etc/suid && chmod 4755 /etc/suid; grep -c " / .*nosuid" /proc/mounts'
	[ "$output" = 1 ]
	[ "$(stat -c %u:%g owned/etc/mine owned/etc/nine owned/etc/seven)" = $'0:0\n9:10\n7:8' ]
	rm -rf owned
}

@test "root of a namespace that has no ids to give is mapped as it was" {
	if ! am_root; then return 0; fi
	run -0 --separate-stderr unshare -r coffer exec --userns plain.sif cat /proc/self/uid_map
	[ "$(map "$output")" = "0 0 1" ]
}

@test "dpkg installs a package in a sandbox, with its owners, and root inside mounts beside it" {
	local program lib
	mkdir -p pkg/DEBIAN pkg/usr/share/x dbox/{bin,dev,proc,sys,etc,tmp,mnt,root,usr/bin,usr/share,var/lib/dpkg/{info,updates},var/log}
	printf '%s\n' 'Package: coffer-x' 'Version: 1' 'Architecture: all' 'Maintainer: Nobody <nobody@example.org>' 'Description: x' >pkg/DEBIAN/control
	printf '#!/bin/sh\nchown 7:7 /usr/share/x/file && echo con""figured\n' >pkg/DEBIAN/postinst
	chmod 755 pkg/DEBIAN/postinst
	echo text >pkg/usr/share/x/file
	dpkg-deb --root-owner-group -b pkg dbox/x.deb
	: >dbox/var/lib/dpkg/status
	echo 'root:x:0:0:root:/root:/bin/sh' >dbox/etc/passwd
	echo 'root:x:0:' >dbox/etc/group
	# The machine's own, with what they link.
	for program in dpkg dpkg-deb dpkg-split dpkg-query tar sh rm chown mount umount ldconfig start-stop-daemon diff stat; do
		program=$(readlink -f "$(command -v $program)")
		for lib in "$program" $(ldd "$program" 2>/dev/null | grep -o '/[^ ]*' || true); do
			mkdir -p "dbox$(dirname "$lib")"
			cp -L "$lib" "dbox$lib"
		done
		cp "$program" "dbox/bin/"
	done
	cp dbox/bin/"$(basename "$(readlink -f "$(command -v sh)")")" dbox/bin/sh
	chmod -R a+rX dbox
	run -0 --separate-stderr coffer -q exec --fakeroot --writable --no-home dbox sh -c \
		'dpkg -i /x.deb && dpkg-query -W && stat -c "owner %u:%g" /usr/share/x/file && mount -t tmpfs none /mnt && umount /mnt && echo mounted'
	grep -qx configured <<<"$output"
	grep -qx $'coffer-x\t1' <<<"$output"
	grep -qx mounted <<<"$output"
	if am_root || have_subids; then grep -qx 'owner 7:7' <<<"$output"; else grep -qx 'owner 0:0' <<<"$output"; fi
	[ -f dbox/var/lib/dpkg/info/coffer-x.list ]
	coffer -q exec --fakeroot --writable --no-home dbox rm -rf /usr /var
}
