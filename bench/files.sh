# SPDX-License-Identifier: Apache-2.0
# How build, start and find depend on the number of files.

files_title="A million files"
files_tables=$(grep -oE '[di]hash_entries=[0-9]+' /proc/cmdline | paste -sd' ')
files_third=""
files_text="Small files, a thousand a directory: build (gocryptfs, gzip), \`exec IMAGE true\`, and \`find -size +0\`
through a cold mount, the start included. Linear: ten times the files may take 12.5 times as long. Of a
start: 1.25 times. Apptainer's build of a million is left out: it had not ended after seven minutes.

The kernel's tables of names and inodes have as many places as it was told when it was booted, or one for
so much memory (this kernel: ${files_tables:-the latter}).
What is looked up there is in a chain at its place, as long as there are inodes for a place: with many more of
them than places no file system is linear on a kernel. So the last rows part the CPU time that is spent in the
chains (__d_lookup, find_inode; perf) from the rest of the same run."

files_counts=${COFFER_BENCH_FILES:-10000 100000 1000000}

files_tree() { # COUNT
	[ -e "$work/files.$1/.ready" ] && return 0
	say "making $1 files"
	skeleton "$work/files.$1"
	"$work/bin/generate" "$work/files.$1" "$1"
	touch "$work/files.$1/.ready"
}
files_build() { # COUNT
	take "files/build.$1.ours" ours "$watch" coffer build --force $pub "files.$1.ours.sif" "files.$1"
	chmod a+r "$work/files.$1.ours.sif"
}
files_build_theirs() { # COUNT
	take "files/build.$1.theirs" theirs "$watch" apptainer build --force $pub "files.$1.theirs.sif" "files.$1"
}
files_start() { # COUNT
	take "files/start.$1.ours" ours "$watch" coffer exec $pri "files.$1.ours.sif" true
	take "files/start.$1.theirs" theirs "$watch" apptainer exec $pri "files.$1.ours.sif" true
}
files_command() { # COUNT
	echo "test \$(find / -xdev -type f -size +0 2>/dev/null | wc -l) -ge $1"
}
files_find() { # COUNT
	command=$(files_command "$1")
	take "files/find.$1.ours" ours "$watch" coffer exec $pri "files.$1.ours.sif" sh -c "$command"
	take "files/find.$1.theirs" theirs "$watch" apptainer exec $pri "files.$1.ours.sif" sh -c "$command"
}
# How much of a find is spent in the kernel's chains, and the rest of that very run.
files_chains() { # COUNT
	# shellcheck disable=SC2086 # words
	took=$(cd "$work" && perf record -q -B -N -e cpu-clock -F 1000 -o "$work/chains.data" -- $as_user \
		"$watch" coffer exec $pri "files.$1.ours.sif" sh -c "$(files_command "$1")" 2>/dev/null) || return 0
	chains=$(perf script -f -i "$work/chains.data" -F ip,sym 2>/dev/null |
		awk '$2 ~ /^(find_inode|__d_lookup(_rcu)?)$/ { n++ } END { print n * 1000000 }')
	echo "$chains" >>"$results/files/chains.$1"
	echo $((took - chains)) >>"$results/files/rest.$1"
	rm -f "$work/chains.data"
}
files_run() {
	for count in $files_counts; do
		files_tree "$count"
		few=$((count < 1000000 ? 3 : 1))
		warm_tree "files.$count"
		rounds $few files_build "$count"
		[ "$count" -ge 1000000 ] || rounds 1 files_build_theirs "$count"
		calm "files.$count.ours.sif"
		rounds 7 files_start "$count"
		rounds $few files_find "$count"
		rounds 3 files_chains "$count"
	done
}
files_rows() {
	for what in build start find; do
		unit=s factor=12.5
		[ $what != start ] || unit=ms factor=1.25
		before=""
		for count in $files_counts; do
			theirs=files/$what.$count.theirs
			if [ $what = build ] && [ "$count" -ge 1000000 ]; then theirs=-; fi
			target="" limit=""
			if [ -n "$before" ]; then
				[ $what = start ] && target=flat || target=linear
				limit="$before * $factor"
			fi
			row "$what, $count files" $unit files/$what.$count.ours $theirs - "$target" "$limit"
			before=$(value files/$what.$count.ours $unit)
		done
	done
	for count in $files_counts; do
		row "  find, $count files: in the kernel's chains" s "files/chains.$count" - - "" ""
	done
	before=""
	for count in $files_counts; do
		row "  find, $count files: all else" s "files/rest.$count" - - "${before:+linear}" "${before:+$before * 12.5}"
		before=$(value "files/rest.$count" s)
	done
}
