#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images besides the one that is run: above it (--overlay), and bound into it (spec runtime.md 9, 10).

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	mkdir -p tree/data/deep tree/low
	echo one >tree/data/one
	echo two >tree/data/deep/two
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --sandbox box plain.sif
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	mkdir -p over/data over/upper over/sub high/data
	echo over | tee over/data/one >over/new
	echo below >over/upper/below
	echo here >over/sub/here
	ln -s /etc/passwd over/absolute
	ln -s sub over/led
	ln -s ../../../etc/passwd over/relative
	echo high >high/data/one
	mksquashfs over over.sqfs -quiet -no-progress -noappend -all-root >/dev/null
	mksquashfs high high.sqfs -quiet -no-progress -noappend -all-root >/dev/null
	with_partition plain.sif overlaid.sif 1 4 over.sqfs
	with_partition plain.sif data.sif 1 3 over.sqfs
	chmod 0777 .
}
teardown_file() { drop_work; }
setup() { cd "$WORK" && mkdir -p folder; }
teardown() {
	# Of a test that failed, the container that waits.
	[ -z "${command:-}" ] || kill -9 "$command" 2>/dev/null || true
	cd "$WORK" && chmod -R u+rwX folder && rm -rf folder
}

key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }
# The processes that serve for this command: children of it, by the name that they give themselves.
servers_of() { # PID
	local pid
	for pid in $(pgrep -P "$1"); do [ "$(cat "/proc/$pid/comm")" != coffer-image ] || echo "$pid"; done
}
@test "a squashfs image lies above every kind of image, and is only read" {
	local image
	for image in plain.sif luks2.sif gocryptfs.sif box; do
		# shellcheck disable=SC2046
		run --separate-stderr coffer exec $(key_of "$image") --overlay over.sqfs:ro "$image" \
			sh -c 'cat /data/one /data/deep/two /upper/below; echo x >/x'
		[ "$status" -eq 1 ]
		[ "$output" = $'over\ntwo\nbelow' ]
		err_has "can't create /x: Read-only file system"
	done
	run -0 --separate-stderr coffer exec --overlay over.sqfs plain.sif true
	[ "$stderr" = "WARNING: Overlay image $WORK/over.sqfs is not writable, proceeding with read-only" ]
}

@test "several images and folders: the last one lies uppermost, and a folder is written to" {
	run -0 --separate-stderr coffer exec --overlay over.sqfs:ro,high.sqfs:ro plain.sif cat /data/one /new
	[ "$output" = $'high\nover' ]
	run -0 --separate-stderr coffer exec --overlay high.sqfs:ro --overlay over.sqfs:ro plain.sif cat /data/one
	[ "$output" = over ]
	run -0 --separate-stderr coffer exec --overlay folder --overlay over.sqfs:ro plain.sif \
		sh -c 'echo x >>/data/one; cat /data/one; rm /new'
	[ "$output" = $'over\nx' ]
	[ "$(cat folder/upper/data/one)" = $'over\nx' ]
	run -1 --separate-stderr coffer exec --overlay over.sqfs:ro,folder:ro plain.sif cat /new
	run -0 --separate-stderr coffer exec --writable-tmpfs --overlay over.sqfs:ro plain.sif \
		sh -c 'echo y >/data/one; cat /data/one /new'
	[ "$output" = $'y\nover' ]
}

@test "overlay partitions of a SIF, of another's and of its own" {
	run -0 --separate-stderr coffer exec --overlay overlaid.sif plain.sif cat /data/one
	[ "$output" = over ]
	[ -z "$stderr" ]
	run -0 --separate-stderr coffer exec overlaid.sif cat /data/one
	[ "$output" = over ]
	run -0 --separate-stderr coffer exec --overlay high.sqfs:ro overlaid.sif cat /data/one /new
	[ "$output" = $'high\nover' ]
	run -0 --separate-stderr coffer exec --overlay plain.sif plain.sif cat /data/one
	[ "$output" = one ]
	err_has "$WORK/plain.sif has no overlay partition"
}

# Without a key anybody who can write to the file puts a partition beside the one that is sealed; laid over it
# it would be run with all of the tree in front of it.
@test "over an encrypted image no partition in clear lies unasked, its own neither" {
	local kind
	for kind in luks2 gocryptfs; do
		with_partition $kind.sif beside.sif 1 4 over.sqfs
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem beside.sif cat /data/one
		[ "$output" = one ]
		err_has "WARNING: An overlay partition in clear is left out, since the image is encrypted"
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem --overlay beside.sif beside.sif cat /data/one
		[ "$output" = over ]
		# Who wants encrypted images alone has neither an overlay nor data in clear.
		run -0 --separate-stderr coffer exec --require-encrypted --pem-path=rsa_pri.pem beside.sif cat /data/one
		[ "$output" = one ]
		run --separate-stderr coffer exec --require-encrypted --pem-path=rsa_pri.pem --overlay over.sqfs:ro $kind.sif true
		refused 255 'only encrypted images may be'
		run --separate-stderr coffer exec --require-encrypted --pem-path=rsa_pri.pem -B over.sqfs:/a:image-src=/ $kind.sif true
		refused 255 'only encrypted images may be'
	done
}

@test "a file of an image is bound where nothing is yet, or over a file" {
	local layer
	for layer in "" --writable-tmpfs "--overlay folder"; do
		# shellcheck disable=SC2086 # words
		run -0 --separate-stderr coffer exec $layer -B over.sqfs:/newfile:image-src=/new,ro \
			-B over.sqfs:/data/one:image-src=/upper/below,ro plain.sif cat /newfile /data/one
		[ "$output" = $'over\nbelow' ]
	done
	# In a folder of the host's that is bound, too.
	mkdir -p host
	run -0 --separate-stderr coffer exec -B "$WORK/host:/host" -B over.sqfs:/host/file:image-src=/new,ro plain.sif cat /host/file
	[ "$output" = over ]
	[ -f host/file ]
	rm -r host
}

@test "a part of an image is bound, and no link and no dots lead out of it" {
	run -0 --separate-stderr coffer exec -B over.sqfs:/mnt/a:image-src=/ plain.sif sh -c 'cat /mnt/a/new; ls /mnt/a/sub'
	[ "$output" = $'over\nhere' ]
	[ "$stderr" = "WARNING: Data image $WORK/over.sqfs is not writable, proceeding with read-only" ]
	local source
	for source in image-src=/sub image-src=sub image-src=/led image-src=/../sub,ro id=1,image-src=/sub; do
		run -0 --separate-stderr coffer exec -B "over.sqfs:/low:$source" plain.sif ls /low
		[ "$output" = here ]
	done
	for source in /absolute /relative /nowhere /../../../../etc/passwd; do
		run --separate-stderr coffer exec -B "over.sqfs:/low:image-src=$source,ro" plain.sif true
		refused 255 "container creation failed: mount hook function failure: hook function for tag prelayer returns error: $source doesn't exist in image $WORK/over.sqfs"
	done
	run -0 --separate-stderr coffer exec -B over.sqfs:/data/one:image-src=/new,ro plain.sif cat /data/one
	[ "$output" = over ]
	run --separate-stderr coffer exec -B over.sqfs:/data:image-src=/new,ro plain.sif true
	refused 255 'could not mount /new: not a directory'
	run --separate-stderr coffer exec -B over.sqfs:/low:image-src=/,ro plain.sif sh -c 'echo x >/low/x; grep " /low " /proc/self/mounts'
	[[ "$output" == *' ro,nosuid,nodev'* ]]
	err_has "can't create /low/x: Read-only file system"
}

@test "several binds, more after commas, --mount, the variable, and an overlay beside them" {
	# shellcheck disable=SC2016
	run -0 --separate-stderr coffer exec -B over.sqfs:/a:image-src=/sub,ro,high.sqfs:/b:image-src=/data,ro,"$WORK/over:/c" \
		plain.sif sh -c 'cat /a/here /b/one /c/new; echo "$APPTAINER_BIND"'
	[ "$output" = $'here\nhigh\nover\n/a,/b,/c' ]
	run -0 --separate-stderr coffer exec --mount type=bind,source=over.sqfs,destination=/a,image-src=/sub,ro \
		--mount src=data.sif,dst=/b,id=4 plain.sif cat /a/here /b/new
	[ "$output" = $'here\nover' ]
	APPTAINER_BIND=over.sqfs:/a:image-src=/sub,ro run -0 --separate-stderr coffer exec --overlay high.sqfs:ro \
		plain.sif cat /a/here /data/one
	[ "$output" = $'here\nhigh' ]
}

@test "which partition of a SIF is bound" {
	run -0 --separate-stderr coffer exec -B data.sif:/a:image-src=/sub plain.sif cat /a/here
	[ "$output" = here ]
	[ -z "$stderr" ]
	local root
	root=$(coffer sif list data.sif | sed -n 's/^\([0-9]*\) .*System.*/\1/p')
	run -0 --separate-stderr coffer exec -B "data.sif:/a:id=$root" plain.sif cat /a/data/one
	[ "$output" = one ]
	for bind in plain.sif:/a:image-src=/ data.sif:/a:id=99 overlaid.sif:/a:image-src=/ over.sqfs:/a:id=2; do
		run --separate-stderr coffer exec -B "$bind" plain.sif true
		refused 255 "container creation failed: no data partition found in $WORK/${bind%%:*}"
	done
	run --separate-stderr coffer exec -B data.sif:/a:id=x plain.sif true
	refused 255 'container creation failed: while parsing id bind option: strconv.ParseUint: parsing "x": invalid syntax'
	run --separate-stderr coffer exec -B data.sif:/a:id=99999999999 plain.sif true
	refused 255 'parsing "99999999999": value out of range'
}

@test "what cannot be laid over or bound" {
	run --separate-stderr coffer exec --overlay image.def plain.sif true
	refused 255 'while loading overlay images: failed to open overlay image image.def: image format not recognized'
	run --separate-stderr coffer exec -B image.def:/a:image-src=/ plain.sif true
	refused 255 "while loading data bind images: failed to load data image $WORK/image.def: image format not recognized"
	run --separate-stderr coffer exec -B over:/a:image-src=/ plain.sif true
	refused 255 'image format not recognized'
	err_has 'a folder is bound without image-src'
	run --separate-stderr coffer exec -B nowhere.sqfs:/a:image-src=/ plain.sif true
	refused 255 'failed to load data image'
	run --separate-stderr coffer exec -B "luks2.sif:/a:id=$(coffer sif list luks2.sif | sed -n 's/^\([0-9]*\) .*System.*/\1/p')" plain.sif true
	refused 255 'luks2.sif is encrypted (LUKS2), and only the image that is run can be'
	head -c 300 over.sqfs >short.sqfs
	run --separate-stderr coffer exec --overlay short.sqfs:ro plain.sif true
	[ "$status" -eq 255 ]
	err_has short.sqfs
	run --separate-stderr coffer exec --writable --overlay over.sqfs:ro box true
	refused 255 'cannot use --overlay in conjunction with --writable'
	local many=
	for i in $(seq 17); do many=$many,over.sqfs:/m$i:image-src=/; done
	run --separate-stderr coffer exec -B "${many#,}" plain.sif true
	refused 255 'more than 16 images'
}

@test "--fakeroot, --userns, --containall, --pid and --no-init" {
	local option
	for option in --fakeroot --userns --containall --pid '--pid --no-init'; do
		# shellcheck disable=SC2086
		run -0 --separate-stderr coffer exec $option --overlay over.sqfs:ro -B high.sqfs:/low:image-src=/data,ro \
			plain.sif cat /data/one /low/one
		[ "$output" = $'over\nhigh' ]
	done
}

@test "the site is asked for them, too" {
	am_root || return 0
	echo 'allow container squashfs = no' >no.conf
	run --separate-stderr coffer --config no.conf exec --overlay over.sqfs:ro plain.sif true
	refused 255 'configuration disallows users from running squashFS containers'
	run --separate-stderr coffer --config no.conf exec -B over.sqfs:/a:image-src=/ plain.sif true
	refused 255 'configuration disallows users from running squashFS containers'
	# What is served is asked for, not the root beside it: that is sealed, this is not.
	with_partition luks2.sif beside.sif 1 3 over.sqfs
	echo 'allow container sif = no' >no.conf
	run --separate-stderr coffer --config no.conf exec -B beside.sif:/a:image-src=/ box true
	refused 255 'configuration disallows users from running unencrypted SIF containers'
	echo 'allow container encrypted = no' >no.conf
	run -0 coffer --config no.conf exec -B beside.sif:/a:image-src=/,ro plain.sif true
	echo "limit container paths = $WORK/over" >no.conf
	run --separate-stderr coffer --config no.conf exec --overlay over.sqfs:ro box true
	refused 255 'not in an allowed configured path'
	echo 'enable overlay = no' >no.conf
	run --separate-stderr coffer --config no.conf exec --overlay over.sqfs:ro plain.sif true
	refused 255 "overlay images requires 'enable overlay', but set to 'no' by administrator"
}

@test "an instance keeps them, and they go with it" {
	run -0 --separate-stderr coffer instance start --overlay over.sqfs:ro -B high.sqfs:/low:image-src=/data,ro plain.sif "images$$"
	run -0 --separate-stderr coffer exec "instance://images$$" cat /data/one /low/one
	[ "$output" = $'over\nhigh' ]
	local keeper served
	keeper=$(coffer instance list --json "images$$" | python3 -c 'import json, sys; print(json.load(sys.stdin)["instances"][0]["pid"])')
	keeper=$(ps -o ppid= -p "$keeper")
	keeper=${keeper// /}
	mapfile -t served < <(servers_of "$keeper")
	[ "${#served[@]}" -eq 3 ]
	run -0 --separate-stderr coffer instance stop "images$$"
	all_gone "$keeper"
	all_gone "${served[@]}"
}

# A container that waits; $command, and $three, those who serve it.
start_waiting() {
	local i
	rm -f up
	coffer exec --pem-path=rsa_pri.pem --pid --overlay over.sqfs:ro -B high.sqfs:/low:image-src=/data,ro -B "$WORK:/w" luks2.sif \
		sh -c 'touch /w/up; sleep 300' 2>err 3>&- &
	command=$!
	for i in $(seq 100); do [ ! -e up ] || break; sleep 0.1; done
	mapfile -t three < <(servers_of "$command" | sort -n)
	[ "${#three[@]}" -eq 3 ]
}

@test "each is served by a process that is locked in, and has no key" {
	local pid
	start_waiting
	for pid in "${three[@]}"; do
		grep -qx $'Seccomp:\t2' "/proc/$pid/status"
		grep -qx $'NoNewPrivs:\t1' "/proc/$pid/status"
		grep -qx $'CapEff:\t0000000000000000' "/proc/$pid/status"
		# Nobody may look into it but the machine's root, who finds an empty root there.
		if am_root; then [ -z "$(ls -A "/proc/$pid/root/")" ]; else run ! ls "/proc/$pid/root/"; fi
	done
	# The first serves the image that is run. Of its keys the others have none, nor the person's.
	if am_root; then
		mkdir -p keys
		sed -n 12p rsa_pri.pem >keys/private.text
		APPTAINER_ENCRYPTION_PEM_PATH=rsa_pri.pem "$COFFER_ROOT/bin/seal" secrets luks2.sif keys
		[ "$(ls keys | wc -l)" -ge 3 ]
		for pid in "${three[@]:1}"; do
			run -0 "$COFFER_ROOT/bin/hunt" process -m "$pid" keys
			grep -q ', 1 memories' <<<"$output"
		done
	fi
	kill -9 "$command"
	wait "$command" || true
	all_gone "${three[@]}"
}

@test "the death of any server ends the container, and that of the command ends them all" {
	local i status
	for i in 0 1 2; do
		start_waiting
		kill -9 "${three[i]}"
		status=0
		wait "$command" || status=$?
		[ "$status" -eq 255 ]
		grep -q 'was killed by signal 9: the container was ended' err
		all_gone "${three[@]}"
	done
	start_waiting
	kill -9 "$command"
	wait "$command" || true
	all_gone "${three[@]}"
}
