# SPDX-License-Identifier: Apache-2.0
# From a folder to an encrypted image.

build_title="Build"
build_third=""
build_text="From the folder to the image, encrypted for an RSA key of 4096 bits, the gocryptfs kind. gzip by
coffer is libdeflate at level 6, by Apptainer mksquashfs' zlib at level 9."

build_pair() { # TREE
	take "build/$1.ours" ours "$watch" coffer build --force $pub "$1.ours.sif" "$1"
	take "build/$1.theirs" theirs "$watch" apptainer build --force $pub "$1.theirs.sif" "$1"
}
build_sci() {
	build_pair sci
	build_zstd
}
build_zstd() {
	take build/zstd.ours ours "$watch" coffer build --force --compression zstd $pub sci.zstd.sif sci
}
# The images of a tree that other parts read, if this part has not made them.
build_images() { # TREE
	[ -e "$work/$1.ours.sif" ] || ours coffer build --force $pub "$1.ours.sif" "$1" >&2
	[ -e "$work/$1.theirs.sif" ] || theirs apptainer build --force $pub "$1.theirs.sif" "$1" >&2
	chmod a+r "$work/$1.ours.sif" "$work/$1.theirs.sif"
	spec=$1 image "$1.plain.sif"
}
build_run() {
	for tree in base sci; do
		warm_tree "$tree"
	done
	rounds 3 build_pair base
	rounds 2 build_sci
	rounds 1 build_zstd
	for name in base.ours base.theirs sci.ours sci.theirs sci.zstd; do
		take build/size.$name stat -c %s "$work/$name.sif"
	done
}
build_rows() {
	for tree in base sci; do
		row "$tree, gzip" s build/$tree.ours build/$tree.theirs - "≥ 8 ×" 'per(t, 8)'
	done
	row "sci, zstd (Apptainer: gzip)" s build/zstd.ours build/sci.theirs - "≥ 20 ×" 'per(t, 20)'
	for tree in base sci; do
		row "size of the image, $tree, gzip" MB build/size.$tree.ours build/size.$tree.theirs - \
			"not larger" 't'
	done
	row "size of the image, sci, zstd" MB build/size.sci.zstd build/size.sci.theirs - "" ""
}
