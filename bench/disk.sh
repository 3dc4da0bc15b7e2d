# SPDX-License-Identifier: Apache-2.0
# What encryption adds to an image on the disk.

disk_title="On disk"
disk_third=""
disk_text="What the image of \`scripts/demo\` takes more than the same one without encryption."

disk_run() {
	mkdir -p "$work/demo"
	sed -n "/^cat >demo.def <<'END'\$/,/^END\$/p" scripts/demo | sed '1d;$d' >"$work/demo/demo.def"
	echo "patient 4711: the diagnosis" >"$work/demo/records.txt"
	chmod -R a+rwX "$work/demo"
	rm -f "$work/demo"/*.sif
	disk_build plain
	for kind in gocryptfs luks2; do
		disk_build $kind --encryption=$kind --pem-path=../pub.pem
		take disk/$kind disk_more $kind
	done
}
disk_build() { # KIND OPTIONS...: in the definition's folder, as its %files are there
	kind=$1
	shift
	ours sh -c 'cd demo && exec coffer build "$@"' - "$@" "$kind.sif" demo.def >&2 || true
}
disk_more() {
	with=$(stat -c %s "$work/demo/$1.sif") && without=$(stat -c %s "$work/demo/plain.sif") &&
		echo $((with - without))
}
disk_rows() {
	row "LUKS2 (cryptsetup's usual: 16 MiB)" MiB disk/luks2 - - "≤ 2.5 MiB" 2.5
	row "gocryptfs" MiB disk/gocryptfs - - "" ""
}
