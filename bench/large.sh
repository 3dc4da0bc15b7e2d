# SPDX-License-Identifier: Apache-2.0
# One file of 4 GB.

large_title="One file of 4 GB"
large_third="kernel, not encrypted"
large_text="The file is made of sci's files, one after another, over and over: programs and what they work on.
Both read the image that coffer built (gocryptfs, gzip). The mount is cold for each figure, the image in
the page cache; the times are the reader's own, without the start. Four readers take a quarter each.
Random reads are at multiples of their length, 2000 of 4 KiB and 1000 of 128 KiB, the same ones for all."

large_file() { # SIZE
	(
		cd "$work/sci"
		find . -type f -size +0 -print0 | LC_ALL=C sort -z >"$work/names"
		while :; do xargs -0 cat <"$work/names" || break; done 2>/dev/null | head -c "$1"
	)
}
large_round() { # KEY READER-ARGUMENTS...
	what=large/$1
	shift
	take "$what.ours" ours coffer exec $pri large.ours.sif /bin/reader "$@"
	take "$what.theirs" theirs apptainer -s exec $pri large.ours.sif /bin/reader "$@"
	take "$what.kernel" kernel large.plain.sif bwrap --ro-bind "$work/mnt" / --dev /dev --proc /proc \
		/bin/reader "$@"
}
large_run() {
	if [ ! -e "$work/large.ours.sif" ] || [ ! -e "$work/large.plain.sif" ]; then
		skeleton "$work/large"
		large_file "${COFFER_BENCH_LARGE:-4000000000}" >"$work/large/data"
		spec=large image large.ours.sif $pub
		spec=large image large.plain.sif
		rm -rf "$work/large"
	fi
	warm large.ours.sif large.plain.sif
	rounds 5 large_round sequential sequential /data 1
	rounds 5 large_round parallel sequential /data 4
	rounds 3 large_round random4k random /data 4096 2000
	rounds 3 large_round random128k random /data 131072 1000
}
large_rows() {
	row "sequential" s large/sequential.ours large/sequential.theirs large/sequential.kernel \
		"≥ 3 × Apptainer" 'per(t, 3)'
	row "four readers at once" s large/parallel.ours large/parallel.theirs large/parallel.kernel \
		"≥ 3 × Apptainer" 'per(t, 3)'
	row "random, 4 KiB" s large/random4k.ours large/random4k.theirs large/random4k.kernel \
		"≥ 3 × Apptainer" 'per(t, 3)'
	row "random, 128 KiB" s large/random128k.ours large/random128k.theirs large/random128k.kernel \
		"≥ 3 × Apptainer" 'per(t, 3)'
}
