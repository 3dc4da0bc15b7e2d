#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Namespaces that a site has none of: the server does without some, the others are named rightly.
# The limits are set in a user namespace of the test's own, where they hold for it alone.

load helper

setup_file() {
	make_work
	chmod 0755 "$WORK"
	make_keys
	make_tree tree
	coffer -q build plain.sif tree
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif tree
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\n\ttrue\n' "$WORK/tree" >image.def
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }
K=--pem-path=rsa_pri.pem

# With no more than so many namespaces of a kind below the ones that are made here.
limited() { # KIND=N... -- COMMAND...
	local set=""
	while [ "$1" != -- ]; do
		set+="echo ${1#*=} >/proc/sys/user/max_${1%%=*}_namespaces; "
		shift
	done
	shift
	# A second one, in which one is a user again: 1234 has no entry in any file.
	run --separate-stderr unshare -Ur sh -c "$set"'exec unshare -U --map-user=1234 --map-group=1234 "$@"' - "$@"
}

@test "the image's server does without a network or IPC namespace, and says so at -v" {
	limited net=0 -- coffer -v exec $K gocryptfs.sif cat /etc/secret.txt
	[ "$status:$output" = '0:a marker that must stay hidden' ] || { echo "$stderr"; false; }
	err_has "The image server has no network namespace of its own (user.max_net_namespaces)"
	limited ipc=0 -- coffer -v exec plain.sif cat /etc/secret.txt
	[ "$status:$output" = '0:a marker that must stay hidden' ]
	err_has "The image server has no IPC namespace of its own (user.max_ipc_namespaces)"
	limited net=0 ipc=0 -- coffer -v exec $K gocryptfs.sif cat /etc/secret.txt
	[ "$status:$output" = '0:a marker that must stay hidden' ]
	err_has "The image server has no network and IPC namespace of its own"
	limited net=0 ipc=0 -- coffer exec $K gocryptfs.sif cat /etc/secret.txt
	[ "$status:$output" = '0:a marker that must stay hidden' ]
	refute grep -q "image server has no" <<<"$stderr"
	limited -- coffer -v exec plain.sif true
	[ "$status" -eq 0 ]
	refute grep -q "image server has no" <<<"$stderr"
	# As root of a namespace, who needs no further one.
	run -0 --separate-stderr unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; coffer -v exec plain.sif cat /etc/secret.txt'
	[ "$output" = 'a marker that must stay hidden' ]
	err_has "The image server has no network namespace of its own"
}

@test "the limit of each kind of namespace is named where it is the one that fails" {
	limited pid=0 -- coffer exec --pid plain.sif true
	refused 255 "Failed to create pid namespace"
	err_has "sysctl user.max_pid_namespaces="
	limited ipc=0 -- coffer exec --ipc plain.sif true
	refused 255 "Failed to create ipc namespace"
	err_has "sysctl user.max_ipc_namespaces="
	limited uts=0 -- coffer exec --uts plain.sif true
	refused 255 "Failed to create uts namespace"
	err_has "sysctl user.max_uts_namespaces="
	limited mnt=0 -- coffer exec plain.sif true
	refused 255 "Failed to create mnt namespace"
	err_has "sysctl user.max_mnt_namespaces="
	# The container has one, and nothing is left for a mount that is not attached yet.
	limited mnt=1 -- coffer exec plain.sif true
	refused 255 "no space left on device"
	err_has "sysctl user.max_mnt_namespaces="
	limited pid=0 -- coffer build out.sif image.def
	refused 255 "Failed to create pid namespace"
	err_has "sysctl user.max_pid_namespaces="
	limited mnt=0 -- coffer build out.sif image.def
	refused 255 "Failed to create mnt namespace"
	err_has "sysctl user.max_mnt_namespaces="
	[ ! -e out.sif ]
}
