# SPDX-License-Identifier: Apache-2.0
# A tree read through the mount, the container's start included.

read_title="Read"
read_third="kernel, not encrypted"
read_text="The start of the container included; the mount cold, the image in the page cache. The third column
is the kernel's own squashfs on the same tree without encryption, mounted by root by a loop device,
with bwrap's container on it. It is mounted anew for each figure; neither that nor the unmounting is
counted. coffer's mount is taken down by a child after the command has returned, so the end of that is
not counted either; it is waited for before the next figure.

tar writes to /dev/zero and counts itself what it wrote; that is to be nine tenths of the tree. Through
a pipe, most of its time goes from tar to wc and back, 10 KiB at a time, on the CPUs that the server needs."

# Commands by name, for sh.
read_command() { # NAME
	least=$(du -sm --apparent-size "$work/${1#*-}" 2>/dev/null | awk '{ print int($1 * 0.9) }')
	case $1 in
	tar-*)
		echo "test \$(tar --totals -cf /dev/zero --one-file-system / 2>&1 |
			sed -n 's/^Total bytes written: //p' | cut -d' ' -f1) -gt ${least}000000" ;;
	pipe-*) echo "test \$(tar cf - --one-file-system / 2>/dev/null | wc -c) -gt ${least}000000" ;;
	import) echo "python3 -c 'import scipy.stats, pandas'" ;;
	find) echo "test \$(find / -xdev -size +0 2>/dev/null | wc -l) -gt 30000" ;;
	esac
}
read_round() { # NAME TREE
	command=$(read_command "$1")
	take "read/$1.ours" ours "$watch" coffer exec $pri "$2.ours.sif" sh -c "$command"
	take "read/$1.theirs" theirs "$watch" apptainer exec $pri "$2.theirs.sif" sh -c "$command"
	take "read/$1.kernel" kernel "$2.plain.sif" "$watch" bwrap --ro-bind "$work/mnt" / --dev /dev \
		--proc /proc sh -c "$command"
}
read_run() {
	for tree in base sci; do
		build_images $tree
		warm $tree.ours.sif $tree.theirs.sif $tree.plain.sif
	done
	rounds 7 read_round tar-base base
	rounds 5 read_round tar-sci sci
	rounds 3 read_round pipe-sci sci
	rounds 7 read_round import sci
	rounds 15 read_round find sci
}
read_rows() {
	for tree in base sci; do
		row "tar of the whole tree, $tree" s read/tar-$tree.ours read/tar-$tree.theirs read/tar-$tree.kernel \
			"≥ 2.5 × Apptainer, ≤ 0.75 × kernel" 'least(per(t, 2.5), times(k, 0.75))'
	done
	row "the same of sci, through a pipe to wc" s read/pipe-sci.ours read/pipe-sci.theirs read/pipe-sci.kernel "" ""
	row "python3: import scipy.stats, pandas" s read/import.ours read/import.theirs read/import.kernel \
		"≤ 0.9 × kernel" 'times(k, 0.9)'
	row "find -size +0, sci" s read/find.ours read/find.theirs read/find.kernel \
		"≤ 0.7 × kernel" 'times(k, 0.7)'
}
