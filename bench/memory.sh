# SPDX-License-Identifier: Apache-2.0
# Memory of everything but the payload, after the whole tree was read.

memory_title="Memory"
memory_third=""
memory_text="PSS of all processes but the payload's, after tar has read the whole tree through the mount and while
the container still runs."

# Runs a container in a pid namespace of its own, waits until its payload has read all, and prints
# the sum over all that is neither the payload nor what starts the two.
memory_of() { # ours|theirs COMMAND...
	side=$1
	shift
	unshare --pid --fork --mount-proc sh -c '
		. bench/lib.sh
		side=$1
		shift
		"$side" "$@" >"$work/memory.out" 2>"$work/memory.err" &
		for i in $(seq 600); do
			grep -q read-all "$work/memory.out" && break
			sleep 0.2
		done
		grep -q read-all "$work/memory.out" || { cat "$work/memory.err" >&2; exit 1; }
		bench/pss
	' - "$side" "$@"
}
memory_round() { # TREE
	command="$(read_command "tar-$1") && echo read-all && sleep 1000"
	take "memory/$1.ours" memory_of ours coffer exec $pri "$1.ours.sif" sh -c "$command"
	take "memory/$1.theirs" memory_of theirs apptainer exec $pri "$1.theirs.sif" sh -c "$command"
}
memory_run() {
	for tree in base sci; do
		build_images $tree
		warm $tree.ours.sif $tree.theirs.sif
		rounds 2 memory_round $tree
	done
}
memory_rows() {
	row "after reading base" MB memory/base.ours memory/base.theirs - "≤ 25 MB" 25
	row "after reading sci" MB memory/sci.ours memory/sci.theirs - "≤ 25 MB" 25
}
