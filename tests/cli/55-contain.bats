#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What --contain and --net keep from the payload: the caller's descriptors, keyrings and sockets.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	cp "$(command -v pry)" tree/bin/
	ln -sf busybox tree/bin/readlink
	ln -sf busybox tree/bin/nc
	ln -sf busybox tree/bin/ip
	ln -sf busybox tree/bin/cut
	ln -sf busybox tree/bin/tr
	ln -sf busybox tree/bin/sed
	mkdir -p tree/sys tree/proc
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	mkdir folder
	echo text >folder/file
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }
teardown() { no_processes; }

every_image=(plain.sif luks2.sif gocryptfs.sif)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }

# ------------------------------------------------------------------ descriptors

# Without ls's own, which is opened last.
list='cd /proc/self/fd; for f in *; do [ ! -e $f ] || case $(readlink $f) in /proc/*) ;; *) echo $f ;; esac; done'
kept() { # OPTIONS...: the payload's descriptors above 2
	coffer exec "$@" sh -c "$list" 3>&- 4>&- 5<folder 7<folder/file 8</dev/null | grep -v '^[012]$' | tr '\n' ' '
}

@test "a folder that the caller has open is closed with --contain, before anything of the image runs" {
	[ "$(kept plain.sif | grep -o '\b[578]\b' | tr '\n' ' ')" = "5 7 8 " ]
	for image in "${every_image[@]}"; do
		for options in --contain --containall "--contain --fakeroot" "--contain --no-init --pid" "--contain --userns" --compat; do
			# shellcheck disable=SC2046,SC2086 # words
			[ -z "$(kept $options $(key_of $image) $image)" ]
		done
	done
	[ -z "$(kept --contain tree)" ]
	# The image's environment scripts run beside.
	cp -r tree box
	mkdir -p box/.singularity.d/env
	echo 'export SEEN=$(cat /proc/self/fd/5/file 2>&1; test -e /proc/self/fd/5/. && echo there)' >box/.singularity.d/env/10-look.sh
	run -0 coffer exec box sh -c 'echo "[$SEEN]"' 5<folder
	grep -q there <<<"$output"
	run -0 coffer exec --contain box sh -c 'echo "[$SEEN]"' 5<folder
	refute grep -q there <<<"$output"
	rm -r box
}

@test "--keep-fd keeps what it names" {
	[ "$(kept --contain --keep-fd 7 plain.sif)" = "7 " ]
	[ "$(kept --containall --keep-fd 7 --keep-fd=5 plain.sif)" = "5 7 " ]
	[ "$(kept --containall --keep-fd 8 --pem-path=rsa_pri.pem luks2.sif)" = "8 " ]
	run -0 coffer exec --contain --keep-fd 7 plain.sif sh -c 'cat <&7' 7<folder/file
	[ "$output" = text ]
	# Without --contain everything is kept.
	[ "$(kept --keep-fd 7 plain.sif | grep -o '\b[578]\b' | tr '\n' ' ')" = "5 7 8 " ]
	for bad in 2 0 -1 x 7x "" 99999999999; do
		run --separate-stderr coffer exec --contain --keep-fd="$bad" plain.sif true
		refused 255 "--keep-fd $bad: not the number of a descriptor above 2"
	done
	run --separate-stderr coffer exec --contain --keep-fd=77 plain.sif true
	refused 255 '--keep-fd 77: no such descriptor is open'
}

@test "a descriptor of coffer's own cannot be kept" {
	run -0 bash -c 'for n in {3..40}; do eval "exec $n>&-"; done
		for n in {3..20}; do
			"$COFFER" exec --contain --keep-fd="$n" --pem-path=rsa_pri.pem luks2.sif true 2>/dev/null
			[ $? -eq 255 ] || echo "kept $n"
		done'
	[ -z "$output" ]
}

@test "LISTEN_FDS: the descriptors are kept, and the payload is told that they are its own" {
	local said='echo "$LISTEN_FDS ${LISTEN_FDNAMES-} $([ "$LISTEN_PID" = $$ ] && echo mine)"; cat <&4'
	for options in "" --contain --containall "--contain --pid" "--containall --no-init"; do
		for image in plain.sif gocryptfs.sif; do
			# shellcheck disable=SC2046,SC2086 # words
			run -0 sh -c 'LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=a:b exec "$@"' - \
				coffer exec $options $(key_of $image) $image sh -c "$said" 3</dev/null 4<folder/file 5<folder
			[ "$output" = "2 a:b mine"$'\n'text ]
		done
	done
	# Only these, and only when they are meant for this process.
	local left='for f in 3 4 5; do [ ! -e /proc/self/fd/$f ] || echo -n $f; done; echo "${LISTEN_PID-none}"'
	run -0 sh -c 'LISTEN_PID=$$ LISTEN_FDS=2 exec "$@"' - coffer exec -c plain.sif sh -c "${left/LISTEN_PID-none/LISTEN_FDS-none}" 3</dev/null 4</dev/null 5<folder
	[ "$output" = 342 ]
	run -0 env LISTEN_PID=1 LISTEN_FDS=3 coffer exec -c plain.sif sh -c "$left" 3</dev/null 4</dev/null 5<folder
	[ "$output" = none ]
	for count in 0 -1 x 2x 99999999999; do
		run -0 sh -c "LISTEN_PID=\$\$ LISTEN_FDS=$count exec \"\$@\"" - coffer exec -c plain.sif sh -c "$left" 3</dev/null 4</dev/null 5<folder
		[ "$output" = none ]
	done
}

@test "--contain: a folder as standard input, output or error is refused" {
	run --separate-stderr coffer exec --contain plain.sif true <folder
	refused 255 'standard input is a folder, by which the payload could leave the container'
	run -0 coffer exec plain.sif ls /proc/self/fd/0/ <folder
	[ "$output" = file ]
	run --separate-stderr sh -c 'coffer exec --containall plain.sif true 1<folder'
	refused 255 'standard output is a folder'
}

# ------------------------------------------------------------------ keyrings

@test "--contain: a key of the caller's session keyring is not found inside" {
	run -0 pry planted-key -- pry find-key
	[ "$output" = "found 4 ways" ]
	# The filter of system calls leaves one of them.
	run -0 pry planted-key -- coffer exec plain.sif pry find-key
	[ "$output" = "found 1 ways" ]
	for image in "${every_image[@]}"; do
		for options in --contain --containall "--contain --fakeroot" "--contain --userns"; do
			# shellcheck disable=SC2046,SC2086 # words
			run -0 --separate-stderr pry planted-key -- coffer exec $options $(key_of $image) $image pry find-key
			[ "$output" = "found 0 ways" ]
		done
	done
}

# ------------------------------------------------------------------ the network

@test "--net --network none: an abstract socket of this machine is out of reach" {
	coproc PRY { exec pry abstract-serve coffer-test-$$ 3>&-; }
	wait_for grep -q "@coffer-test-$$" /proc/net/unix
	run -0 coffer exec plain.sif pry abstract-reach coffer-test-$$
	for image in "${every_image[@]}"; do
		for options in "--net --network none" "--network=none" "--network none --fakeroot" "-n --network none --containall" "--network none --userns"; do
			# shellcheck disable=SC2046,SC2086 # words
			run -1 coffer exec $options $(key_of $image) $image pry abstract-reach coffer-test-$$
		done
	done
	run -1 env APPTAINER_NET=1 APPTAINER_NETWORK=none coffer exec plain.sif pry abstract-reach coffer-test-$$
	kill "$PRY_PID"
	wait "$PRY_PID" || true
}

@test "--net --network none: lo is up, and no other interface is seen" {
	for options in "" --contain "--fakeroot" "--containall --fakeroot" --userns; do
		for image in plain.sif luks2.sif; do
			# shellcheck disable=SC2046,SC2086 # words
			run -0 --separate-stderr coffer exec $options --net --network none $(key_of $image) $image sh -c '
				sed 1,2d /proc/net/dev | cut -d: -f1 | tr -d " "
				pry loopback
				if [ -d /sys/class/net ]; then ls /sys/class/net; else echo lo; fi'
			[ "$output" = lo$'\n''through lo'$'\n'lo ]
		done
	done
	run -0 --separate-stderr coffer exec --contain --network none plain.sif cat /etc/hosts
	[ "${#lines[@]}" -eq 4 ]
	[ "${lines[0]}" = $'127.0.0.1\tlocalhost' ]
	run -0 --separate-stderr coffer -v exec --network none plain.sif true
	err_has 'INFO:    Setting --net (required by --network)'
	grep -q 'Namespaces: .*, net' <<<"$stderr"
}

@test "other networks are refused, with what there is" {
	local way='--net --network none'
	run --separate-stderr coffer exec --net plain.sif true
	if am_root; then
		refused 255 'network bridge needs CNI plugins, which coffer does not use'
	else
		refused 255 'non-root users can only use --network=none unless permitted by the administrator'
	fi
	err_has "$way"
	for name in ptp nonesuch none,bridge; do
		run --separate-stderr coffer exec --net --network $name plain.sif true
		refused 255 "network $name needs CNI plugins"
		err_has "$way"
	done
	run --separate-stderr coffer exec --net --network none --network-args x=y plain.sif true
	refused 255 '--network-args is not supported by coffer'
	run -0 --separate-stderr coffer exec --fakeroot --net plain.sif sh -c 'sed 1,2d /proc/net/dev | wc -l'
	[ "$output" = 1 ]
	err_has "fallback to 'none' network"
}
