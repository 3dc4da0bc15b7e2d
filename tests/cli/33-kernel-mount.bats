#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --mount=kernel where it cannot be done. Where it can, tests/vm/ tests it.

load helper

@test "a gocryptfs image and a sandbox are refused" {
	export APPTAINER_ENCRYPTION_PASSPHRASE=secret
	run --separate-stderr coffer exec --mount=kernel "$FIXTURES/gocryptfs-pass.sif" true
	refused 255 "--mount=kernel: the kernel cannot mount a gocryptfs image"
	unset APPTAINER_ENCRYPTION_PASSPHRASE
	mkdir "$BATS_TEST_TMPDIR/box"
	run --separate-stderr coffer exec --mount=kernel "$BATS_TEST_TMPDIR/box" true
	refused 255 "--mount=kernel: a sandbox has nothing to mount"
}

@test "nobody but root in the first user namespace is let" {
	for image in plain luks-pass; do
		for option in --userns --fakeroot; do
			APPTAINER_ENCRYPTION_PASSPHRASE=secret run --separate-stderr \
				coffer exec --mount=kernel $option "$FIXTURES/$image.sif" true
			refused 255 "--mount=kernel: it is for root alone, and outside of user namespaces"
		done
	done
	# root, for whom the kernel's part would only fail later
	run --separate-stderr unshare -r coffer exec --mount=kernel "$FIXTURES/plain.sif" true
	refused 255 "--mount=kernel: it is for root alone"
}
