#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# build from images of other kinds: OCI layouts and archives, Docker's archives; what is in them gets
# into the tree as umoci puts it there, what is wrong with them is told, and nothing of them lies on
# a disk (spec deffile.md 4).

load helper

layout() { "$COFFER_ROOT/tests/cli/make-layout" "$@"; }
# Owners as in an image, whoever makes it.
pack() { tar --sort=name --owner=0 --group=0 --numeric-owner -C "$1" -cf "$2" "${@:3}" .; }

setup_file() {
	make_work
	make_keys
	make_tree first
	mkdir -p first/gone first/opaque first/kept
	echo old >first/gone/file
	echo old >first/opaque/old
	echo one >first/etc/one
	ln first/etc/one first/etc/second-name
	ln -s /etc/one first/absolute
	ln -s ../../etc first/kept/up
	mkfifo first/kept/pipe
	printf 'x' >"first/kept/$(printf 'e\xcc\x81-\xff')"
	printf 'long' >"first/kept/$(printf 'n%.0s' {1..200})"
	chmod 0750 first/kept
	chmod 0640 first/etc/secret.txt
	mkdir -p second/opaque second/kept/up
	: >second/.wh.gone
	: >second/opaque/.wh..wh..opq
	echo new >second/opaque/new
	echo two >second/etc-two
	truncate -s 100000 second/hole && echo end >>second/hole
	find first second -exec touch -h -d '2001-02-03 04:05:06.789' {} +
	pack first first.tar --format=posix
	pack second second.tar -S --format=posix
	gzip -k second.tar
	CONFIG='{"Env":["PATH=/bin:/usr/bin","GREETING=hello \"you\" $HOME","EMPTY="],"Entrypoint":["/bin/echo","a b","$HOME"],"Cmd":["default"],"WorkingDir":"/etc","User":"7:8","Labels":{"org.example.oci":"yes"}}'
	export CONFIG
	layout image "$CONFIG" first.tar second.tar.gz
	tar -C image -cf image.tar oci-layout index.json blobs
	skopeo copy -q --insecure-policy oci:image docker-archive:docker.tar:example:1
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

# Everything of a tree that is not put there by coffer: name, kind, mode, links, size, time, target.
listing() { # FOLDER
	(cd "$1" && find . -mindepth 1 \( -path ./.singularity.d -prune \) -o \
		! -name singularity ! -name environment ! -name .run ! -name .exec ! -name .test ! -name .shell \
		! -path ./etc/hosts ! -path ./etc/resolv.conf ! -path ./dev ! -path ./proc ! -path ./root \
		! -path ./var ! -path ./var/tmp ! -path ./tmp ! -path ./sys ! -path ./home ! -path ./etc ! -path . \
		-printf '%P %y %m %n %s %T@ %l %U:%G\n' | LC_ALL=C sed -E 's/^([^ ]* d [^ ]+ )[0-9]+ [0-9]+/\1/' | LC_ALL=C sort)
	(cd "$1" && find . -type f -path './[a-z]*' ! -path ./etc/hosts ! -path ./etc/resolv.conf -exec md5sum {} + | LC_ALL=C sort -k2)
}

@test "from a layout, an archive and Docker's archive: built encrypted, and run" {
	for source in oci:image "oci:$WORK/image" oci-archive:image.tar docker-archive:docker.tar; do
		run -0 --separate-stderr coffer build --force --pem-path=rsa_pub.pem image.sif "$source"
		for line in 'Fetching OCI image...' 'Extracting OCI image...' 'Inserting Apptainer configuration...'; do
			err_has "INFO:    $line"
		done
		run -0 coffer sif list image.sif
		[[ "$output" == *"$(default_kind)"* ]]
		run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem image.sif
		[ "$output" = "a b \$HOME default" ]
		run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem image.sif 'x  y' z
		[ "$output" = "a b \$HOME x  y z" ]
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem image.sif sh -c 'echo "$GREETING|$EMPTY|$PATH"; cat /etc/one /etc-two /opaque/new; ls /gone /opaque/old 2>&1 | wc -l'
		[ "$output" = "$(printf 'hello "you" $HOME||/bin:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin\none\ntwo\nnew\n2')" ]
	done
}

@test "a sandbox is its builder's, whoever the layer gives its root to" {
	mkdir -p given
	cp /bin/busybox given/busybox
	tar -C given --owner=1234 --group=1234 -cf given.tar .
	"$BATS_TEST_DIRNAME/make-layout" given-image '{"Entrypoint":["/busybox","echo","in"]}' given.tar
	run -0 --separate-stderr coffer -q build --force --sandbox theirs oci:given-image
	[ "$(stat -c '%u %a' theirs)" = "$(id -u) 700" ]
	run -0 --separate-stderr coffer -s run theirs it
	[ "$output" = 'in it' ]
	rm -rf given given.tar given-image
}

@test "the tree is as umoci unpacks it, file by file" {
	rootless=''
	am_root || rootless=--rootless
	layout named "$CONFIG" first.tar second.tar.gz
	layout -n latest tagged "$CONFIG" first.tar second.tar.gz
	umoci --log=error unpack $rootless --image tagged:latest bundle
	run -0 coffer build --force --sandbox box oci:named
	diff -u <(listing bundle/rootfs) <(listing box)
	# What there is to compare is there.
	[ "$(listing box | wc -l)" -gt 60 ]
	listing box | grep -aq '^hole f .* 100004 981173106.7890'
}

@test "what an image says of itself is in the new one" {
	run -0 coffer build --force image.sif oci-archive:image.tar
	run -0 coffer inspect image.sif
	[[ "$output" == *'org.example.oci: yes'* ]]
	run -0 coffer sif dump 3 image.sif
	[ "$output" = '{"Cmd":["default"],"Entrypoint":["/bin/echo","a b","$HOME"],"Env":["PATH=/bin:/usr/bin","GREETING=hello \"you\" $HOME","EMPTY="],"Labels":{"org.example.oci":"yes"},"User":"7:8","WorkingDir":"/etc"}' ]
	run -0 coffer sif dump 1 image.sif
	[ "$output" = "$(printf 'bootstrap: oci-archive\nfrom: image.tar')" ]
	# Not worked on by a shell.
	run -0 --separate-stderr coffer run --no-eval image.sif '$HOME'
	[ "$output" = 'a b $HOME $HOME' ]
}

@test "as the base of a definition" {
	cat >base.def <<-END
		Bootstrap: docker-archive
		From: docker.tar
		%setup
		    stat -f -c '%T %c' "\$APPTAINER_ROOTFS" >files
		%post
		    cat /etc/one >/etc/three
		    chown 12:34 /etc/three
		%runscript
		    echo "mine \$GREETING"
		%labels
		    org.example.more yes
	END
	run -0 coffer build --force --pem-path=rsa_pub.pem base.sif base.def
	# As many files as memory can hold: a number, where 0 is none.
	grep -qx 'tmpfs [1-9][0-9]*' files
	run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem base.sif
	[ "$output" = 'mine hello "you" $HOME' ]
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem base.sif cat /etc/three
	[ "$output" = one ]
	run -0 coffer inspect base.sif
	[[ "$output" == *'org.example.oci: yes'* && "$output" == *'org.example.more: yes'* ]]
}

@test "as the base of several stages" {
	cat >stages.def <<-END
		Bootstrap: oci
		From: image
		Stage: one
		%post
		    echo made >/etc/made

		Bootstrap: oci-archive
		From: image.tar
		%files from one
		    /etc/made /etc/copied
	END
	run -0 coffer build --force stages.sif stages.def
	run -0 --separate-stderr coffer exec stages.sif cat /etc/copied
	[ "$output" = made ]
	run -0 coffer sif list stages.sif
	[ "$(grep -c JSON.Generic <<<"$output")" -eq 2 ]
}

@test "owners of the image are kept where there are ids for them" {
	mkdir -p owned && echo x >owned/file
	tar --owner=12 --group=34 -C owned -cf owned.tar ./file
	tar --owner=3000000000 --group=7 -C owned -cf far.tar --transform 's/file/far/' ./file
	layout owners '{}' first.tar owned.tar far.tar
	run -0 --separate-stderr coffer build --force owners.sif oci:owners
	if am_root; then
		run -0 coffer exec owners.sif stat -c %u:%g /file /far
		[ "$output" = "$(printf '12:34\n3000000000:7')" ]
	elif have_subids; then
		err_has 'far belongs to root: its owner in the image has no number here'
		run -0 --separate-stderr coffer exec --fakeroot owners.sif stat -c %u:%g /file /far
		[ "$output" = "$(printf '12:34\n0:0')" ]
	else
		err_has 'All files will belong to root'
	fi
}

@test "of several images the one for the machine, by name or by digest" {
	echo arm >first/which && pack first arm.tar
	echo amd >first/which && pack first amd.tar
	rm first/which
	rm -rf several
	layout -a arm64 several '{}' arm.tar
	layout several '{}' amd.tar
	run -0 coffer build --force w.sif oci:several
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = amd ]
	run -0 coffer build --force --arch arm64 w.sif oci:several
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = arm ]
	digest=$(grep -o 'sha256:[0-9a-f]*' several/index.json | head -1)
	run -0 coffer build --force w.sif "oci:several@$digest"
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = arm ]
	run --separate-stderr coffer build --force --arch s390x w.sif oci:several
	refused 255 'there is no image for linux/s390x in it, but for linux/arm64, linux/'
	echo six >first/which && pack first six.tar
	rm first/which
	layout -a arm/v6 several '{}' six.tar
	layout -a arm/v7 several '{}' arm.tar
	run -0 coffer build --force --arch arm --arch-variant 6 w.sif oci:several
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = six ]
	APPTAINER_BUILD_ARCH_VARIANT=v7 run -0 coffer build --force --arch arm w.sif oci:several
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = arm ]
	run -0 coffer pull --force --arch arm --arch-variant v6 w.sif oci:several
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = six ]
	run --separate-stderr coffer build --force --arch arm --arch-variant 5 w.sif oci:several
	refused 255 'there is no image for linux/arm/v5 in it, but for linux/arm64, linux/'
	err_has ', linux/arm/v6, linux/arm/v7'
	run --separate-stderr coffer build --force --arch arm --arch-variant v/7 w.sif oci:several
	refused 255 'v/7 is no variant'
	layout -n one named-ones '{}' arm.tar
	layout -n two named-ones '{}' amd.tar
	run -0 coffer build --force w.sif oci:named-ones:one
	run -0 --separate-stderr coffer exec w.sif cat /which
	[ "$output" = arm ]
}

@test "hostile and broken images: refused, nothing is written anywhere, the old image stays" {
	mkdir -p outside && echo kept >outside/file
	echo old >target.sif
	# Through a link, to a file that is there, and a name for it.
	mkdir -p way && ln -sfn "$WORK/outside" way/link
	pack way link.tar
	mkdir -p through/link && echo bad >through/link/file
	tar --owner=0 --group=0 -C through -cf through.tar ./link/file
	layout hostile '{}' first.tar link.tar through.tar
	run --separate-stderr coffer build --force target.sif oci:hostile
	refused 255 'a path in a layer leads nowhere'
	# A byte of a layer is another one.
	cp -r image broken
	layer=$(ls -S broken/blobs/sha256 | head -1)
	printf 'XXXX' | dd of="broken/blobs/sha256/$layer" bs=1 seek=100000 conv=notrunc status=none
	run --separate-stderr coffer build --force target.sif oci:broken
	refused 255 'a layer does not have its digest'
	rm "broken/blobs/sha256/$layer"
	run --separate-stderr coffer build --force target.sif oci:broken
	refused 255 'no such file or directory'
	# Other layers, as they are in the field.
	cp -r image other && sed -i 's/image.manifest.v1/image.unknown.v1/' other/index.json
	run --separate-stderr coffer build --force target.sif oci:other
	refused 255 'which is no image'
	for source in oci:nowhere oci-archive:nowhere.tar docker-archive:nowhere.tar; do
		run --separate-stderr coffer build --force target.sif "$source"
		refused 255 'no such file or directory'
	done
	run --separate-stderr coffer build --force target.sif docker-archive:first.tar
	refused 255 'skopeo: '
	run --separate-stderr coffer build --force target.sif 'docker://'
	refused 255 'could not parse reference'
	run --separate-stderr coffer build --force target.sif 'docker://Not A Name'
	refused 255 'could not parse reference'
	# skopeo would write to co/layout of the folder that it is in.
	mkdir co:lon
	run --separate-stderr coffer build --force --tmpdir co:lon target.sif oci-archive:image.tar
	refused 255 'skopeo cannot write to a path with a colon'
	run --separate-stderr coffer build --force --sandbox co:lon/box oci-archive:image.tar
	refused 255 'skopeo cannot write to a path with a colon'
	[ -z "$(ls -A co:lon)" ]
	[ ! -e co ]
	[ "$(cat outside/file)" = kept ]
	[ "$(ls outside)" = file ]
	[ "$(cat target.sif)" = old ]
	[ -z "$(find . -maxdepth 1 -name '.*sif*' -o -maxdepth 1 -name 'build-temp*')" ]
	no_processes
}

@test "without skopeo the package is named, and a layout is read all the same" {
	hidden="mount --bind /dev/null $(readlink -f "$(command -v skopeo)") && exec coffer build --force"
	run --separate-stderr unshare -rm sh -c "$hidden target.sif oci-archive:image.tar"
	refused 255 'skopeo, which gets images from oci-archive, is not in PATH'
	err_has 'apt-get install skopeo'
	run -0 unshare -rm sh -c "$hidden target.sif oci:image"
}

@test "nothing of the layers lies on a disk" {
	number=$RANDOM$RANDOM
	mkdir -p marked && printf 'plain-text-%s\n' "marker-$number" >marked/file
	pack marked marked.tar
	layout marked-image '{}' first.tar marked.tar
	tar -C marked-image -cf marked.tar oci-layout index.json blobs
	skopeo copy -q --insecure-policy oci:marked-image docker-archive:marked-docker.tar:a:1
	touch stamp
	watcher=''
	if am_root; then
		"$COFFER_ROOT/bin/diskwatch" "$WORK/ready" /var/tmp "plain-text-marker-$number" "no-word-$number" "no-key-$number" >seen 3>&- &
		watcher=$!
		wait_for test -e ready
	fi
	for source in oci:marked-image oci-archive:marked.tar docker-archive:marked-docker.tar; do
		run -0 coffer build --force --pem-path=rsa_pub.pem marked.sif "$source"
	done
	if am_root; then
		kill "$watcher"
		status=0
		wait "$watcher" || status=$?
		grep -q '^seen ' seen
		[ "$status" -eq 0 ] || { cat seen; false; }
	fi
	[ -z "$(find /var/tmp /tmp /dev/shm "$HOME" -user "$(id -un)" -newer stamp -type f -exec grep -la "plain-text-marker-$number" {} + 2>/dev/null)" ]
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem marked.sif cat /file
	[ "$output" = "plain-text-marker-$number" ]
}
