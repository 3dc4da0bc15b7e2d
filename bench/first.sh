# SPDX-License-Identifier: Apache-2.0
# How the time to the first byte depends on the size of the image.

first_title="Time to the first byte"
first_third=""
first_text="From the command's start to the first byte of \`cat /etc/os-release\`. The images are sparse files: a
small tree whose tables lie that far behind its data, and between them what was encrypted but not kept
(\`bench/sparse.c\`)."

first_each() { # FUNCTION: called with the kind, size in MB
	for kind in gocryptfs luks2; do
		for size in 100 10000 100000; do
			"$1" $kind $size
		done
	done
}
first_image() {
	[ -e "$work/first.$1.$2.sif" ] && return 0
	say "making an image of $2 MB, $1"
	ours sparse "$1" "${2}000000" small.plain.sif pub.pem "first.$1.$2.new" >&2 || return 0
	chmod a+r "$work/first.$1.$2.new"
	mv "$work/first.$1.$2.new" "$work/first.$1.$2.sif"
}
first_take() {
	take "first/$1.$2.ours" ours "$watch" -1 coffer exec $pri "first.$1.$2.sif" cat /etc/os-release
	[ "$1" = luks2 ] || take "first/$1.$2.theirs" theirs "$watch" -1 apptainer exec $pri \
		"first.$1.$2.sif" cat /etc/os-release
}
first_round() {
	first_each first_take
	take first/least.rsa ours unlock rsa pri.pem
	take first/least.scrypt ours unlock scrypt 10
	take first/least.luks2 ours unlock luks2
	take first/least.true ours "$watch" true
}
first_run() {
	skeleton "$work/small"
	spec=small image small.plain.sif
	first_each first_image
	rounds 11 first_round
}
first_row() {
	case $2 in 100) name="100 MB" ;; 10000) name="10 GB" ;; *) name="100 GB" ;; esac
	theirs=first/$1.$2.theirs
	[ "$1" = gocryptfs ] || theirs=-
	row "$1, $name" ms "first/$1.$2.ours" $theirs - "flat, ≤ 15 ms" 15
}
first_rows() { first_each first_row; }
