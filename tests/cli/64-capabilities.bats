#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Capabilities of the payload, as options and the site limit them (spec runtime.md 12), and --dns.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	# What root becomes inside may not be root of this folder.
	chmod 0777 .
	coffer -q build plain.sif tree
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem secret.sif tree
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# The payload's sets, as one line: effective, permitted and bounding, and whether it may get more.
sets='sed -n "s/^Cap\(Eff\|Prm\|Bnd\):.//p; s/^NoNewPrivs:.//p" /proc/self/status | tr "\n" " "'
sets_are() { # EFFECTIVE-AND-PERMITTED BOUNDING NO-NEW-PRIVS OPTIONS... IMAGE
	local permitted=$1 bounding=$2 none=$3
	shift 3
	run -0 --separate-stderr coffer exec "$@" sh -c "$sets"
	# In the order of the file: permitted, effective, bounding.
	[ "$output" = "$permitted $permitted $bounding $none " ] || { echo "$*: $output"; false; }
}
all() { sed -n 's/^CapBnd:\t//p' /proc/1/status; }
without() { printf '%016x' $((0x$(all) & ~(1 << $1))); } # NUMBER
none=0000000000000000

@test "a user's container has none, whatever is asked for" {
	! am_root || return 0
	sets_are $none $none 1 plain.sif
	sets_are $none $none 1 --drop-caps=CAP_KILL plain.sif
	sets_are $none $none 1 --no-privs plain.sif
	run --separate-stderr coffer exec --add-caps=CAP_NET_RAW plain.sif true
	refused 255 "--add-caps is not supported for a user's container"
	err_has --fakeroot
	run --separate-stderr coffer exec --keep-privs plain.sif true
	refused 255 "Could not configure --keep-privs: --keep-privs requires root privileges"
}

@test "root's container has all, but those that are dropped" {
	am_root || return 0
	local image key
	for image in plain.sif secret.sif; do
		key=
		[ $image = plain.sif ] || key=--pem-path=rsa_pri.pem
		sets_are "$(all)" "$(all)" 0 $key $image
		# CAP_KILL is 5, CAP_NET_RAW 13, CAP_SYS_ADMIN 21. Without that the filter of system calls
		# wants no_new_privs.
		sets_are "$(without 13)" "$(without 13)" 1 --drop-caps=CAP_NET_RAW $key $image
		sets_are "$(without 13)" "$(without 13)" 1 --drop-caps=net_raw $key $image
		sets_are $none $none 1 --drop-caps=all $key $image
		sets_are "$(without 21)" "$(without 21)" 1 --drop-caps sys_admin $key $image
		sets_are $none $none 1 --no-privs $key $image
	done
	sets_are "$(all)" "$(all)" 0 --keep-privs --add-caps=CAP_KILL,all plain.sif
	sets_are $none $none 1 --no-privs --add-caps=all plain.sif
	APPTAINER_DROP_CAPS=kill sets_are "$(without 5)" "$(without 5)" 1 plain.sif
	# A program that exec starts has no more, nor has its child.
	run -0 --separate-stderr coffer exec --drop-caps=all plain.sif sh -c "sh -c '$sets'"
	[ "$output" = "$none $none $none 1 " ]
}

@test "a name that is none: a warning where it would be added, an error where it shall go" {
	local fakeroot=
	am_root || fakeroot=--fakeroot
	run -0 --separate-stderr coffer exec $fakeroot --add-caps=CAP_FOO plain.sif true
	err_has "WARNING: won't add unknown capability: CAP_FOO"
	run --separate-stderr coffer exec --drop-caps=CAP_KILL,CAP_FOO plain.sif true
	refused 255 "unknown capability in --drop-caps: CAP_FOO"
}

@test "with --fakeroot they are those of its user namespace, and may be dropped too" {
	run -0 --separate-stderr coffer exec --fakeroot --drop-caps=CAP_CHOWN plain.sif sh -c "$sets; id -u"
	[[ "$output" =~ ^([0-9a-f]{15}e\ ){3}1\ 0$ ]]
}

@test "root default capabilities = no: none, but with --keep-privs and --add-caps" {
	am_root || return 0
	echo 'root default capabilities = no' >site.conf
	local site=(-c site.conf exec)
	run -0 --separate-stderr coffer "${site[@]}" plain.sif sh -c "$sets"
	[ "$output" = "$none $none $none 1 " ]
	run -0 --separate-stderr coffer "${site[@]}" --keep-privs plain.sif sh -c "$sets"
	[ "$output" = "$(all) $(all) $(all) 0 " ]
	run -0 --separate-stderr coffer "${site[@]}" --add-caps cap_chown plain.sif sh -c "$sets"
	[ "$output" = "0000000000000001 0000000000000001 0000000000000001 1 " ]
	echo 'root default capabilities = file' >site.conf
	run --separate-stderr coffer "${site[@]}" plain.sif true
	[ "$status" -eq 255 ]
	err_has 'root default capabilities'
}

@test "who joins an instance has those of the instance" {
	local options
	for options in "" --drop-caps=CAP_KILL --no-privs --fakeroot "--fakeroot --drop-caps=CAP_KILL"; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr coffer exec $options plain.sif sh -c "$sets"
		fresh=$output
		# shellcheck disable=SC2086 # words
		coffer instance start $options plain.sif "caps-$$"
		run -0 --separate-stderr coffer exec "instance://caps-$$" sh -c "$sets"
		coffer instance stop "caps-$$"
		[ "$output" = "$fresh" ] || { echo "$options: $output, not $fresh"; false; }
	done
}

@test "--dns: a resolv.conf with these servers, and no other" {
	local image key
	for image in plain.sif secret.sif; do
		key=
		[ $image = plain.sif ] || key=--pem-path=rsa_pri.pem
		run -0 --separate-stderr coffer exec $key --dns 9.9.9.9,2620:fe::fe $image cat /etc/resolv.conf
		[ "$output" = $'nameserver 9.9.9.9\nnameserver 2620:fe::fe' ]
	done
	APPTAINER_DNS=' 1.1.1.1 , 8.8.8.8' run -0 --separate-stderr coffer exec plain.sif cat /etc/resolv.conf
	[ "$output" = $'nameserver 1.1.1.1\nnameserver 8.8.8.8' ]
	for key in foo 1.2.3 1.1.1.1,, '1.1.1.1 2.2.2.2' "$(printf '1%.0s' {1..300})"; do
		run --separate-stderr coffer exec --dns "$key" plain.sif true
		[ "$status" -eq 255 ]
		err_has "dns ip "
		err_has "is not a valid IP address"
	done
	# Only root can speak for a site.
	am_root || return 0
	echo 'config resolv_conf = no' >site.conf
	run --separate-stderr coffer -c site.conf exec --dns 9.9.9.9 plain.sif true
	refused 255 "configuration disallows a resolv.conf in containers"
}
