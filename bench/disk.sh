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
	for kind in plain gocryptfs luks2; do
		option="--encryption=$kind $pub"
		[ $kind != plain ] || option=""
		# shellcheck disable=SC2086 # words
		(cd "$work/demo" && ours sh -c 'cd demo && exec coffer build --force "$@"' - ${option:+--encryption=$kind --pem-path=../pub.pem} $kind.sif demo.def) >/dev/null 2>"$work/stderr" || cat "$work/stderr" >&2
	done
	for kind in gocryptfs luks2; do
		take disk/$kind disk_more $kind
	done
}
disk_more() {
	a=$(stat -c %s "$work/demo/$1.sif") b=$(stat -c %s "$work/demo/plain.sif")
	echo $((a - b))
}
disk_rows() {
	row "LUKS2 (cryptsetup's usual: 16 MiB)" MiB disk/luks2 - - "≤ 2.5 MiB" 2.5
	row "gocryptfs" MiB disk/gocryptfs - - "" ""
}
