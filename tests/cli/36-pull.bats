#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# pull: names as Apptainer's, what is there stays, and a key encrypts on the way.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	tar --owner=0 --group=0 -C tree -cf layer.tar .
	"$COFFER_ROOT/tests/cli/make-layout" -n 1 image '{"Cmd":["/bin/echo","pulled"]}' layer.tar
	tar -C image -cf image.tar oci-layout index.json blobs
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

pulls() { # FILE ARGUMENT...
	rm -f -- "$1"
	run -0 --separate-stderr coffer pull "${@:2}"
	run -0 --separate-stderr coffer run "$1"
	[ "$output" = pulled ]
}

@test "the name follows from the source, or is given" {
	pulls image_latest.sif oci:image
	# As Apptainer 1.4.5 says it.
	run -0 --separate-stderr coffer pull --force oci:image
	[ "$(grep '^INFO: ' <<<"$stderr" | grep -v 'subuid')" = "$(printf 'INFO:    %s\n' 'Converting OCI blobs to SIF format' 'Starting build...' \
		'Fetching OCI image...' 'Extracting OCI image...' 'Inserting Apptainer configuration...' 'Creating SIF file...')" ]
	pulls image_1.sif oci:image:1
	pulls image.tar_latest.sif oci-archive:image.tar
	pulls given.sif given.sif oci-archive:image.tar
	mkdir -p folder
	pulls folder/image_latest.sif --dir folder oci:image
	pulls folder/given.sif --dir folder given.sif oci:image
	APPTAINER_PULLDIR=folder pulls folder/image_1.sif oci:image:1
}

@test "what is there stays, without --force" {
	echo old >there.sif
	run --separate-stderr coffer pull there.sif oci:image
	refused 255 'Image file already exists: "there.sif" - will not overwrite'
	[ "$(cat there.sif)" = old ]
	run -0 coffer pull --force there.sif oci:image
	run -0 --separate-stderr coffer run there.sif
	[ "$output" = pulled ]
}

@test "encrypted on the way, for a key, a passphrase, and as it is said" {
	run -0 coffer pull --force --pem-path=rsa_pub.pem e.sif oci-archive:image.tar
	run -0 coffer sif list e.sif
	[[ "$output" == *"$(default_kind)"* ]]
	run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem e.sif
	[ "$output" = pulled ]
	run -0 coffer pull --force --encryption gocryptfs --passphrase e.sif oci:image <<<'one line'
	run -0 --separate-stderr coffer run --passphrase e.sif <<<'one line'
	[ "$output" = pulled ]
	run --separate-stderr coffer pull --force --encrypt e.sif oci:image
	refused 255 'Missing encryption info'
	run -0 --separate-stderr coffer run --passphrase e.sif <<<'one line'
}

@test "what coffer does not pull is told" {
	run --separate-stderr coffer pull shub://alpine
	refused 255 'Unsupported transport type: shub'
	run --separate-stderr coffer pull alpine
	refused 255 'No transport type URI supplied'
	err_has 'docker://alpine'
	run --separate-stderr coffer pull none.sif oci:nowhere
	refused 255 'no such file or directory'
	[ ! -e none.sif ]
}
