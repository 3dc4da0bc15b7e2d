# SPDX-License-Identifier: Apache-2.0
# What the parts of the bench share. A figure is a file below $results, PART/KEY, with one number a
# line and round; PART/KEY.failed holds the last words of a command that failed.

work=${COFFER_BENCH_WORK:-/var/tmp/coffer-bench}
results=$work/results
watch=$work/bin/stopwatch
peer=tests/peer/peer
pub=--pem-path=pub.pem
pri=--pem-path=pri.pem

say() { echo "bench: $*" >&2; }

quoted() {
	for word; do
		printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"
	done
}
# How a normal user is made of root.
as_user="setpriv --reuid coffer-test --regid coffer-test --init-groups env -i HOME=/home/coffer-test
	USER=coffer-test PATH=$work/bin:/usr/bin:/bin:/usr/sbin:/sbin"
# Both run a command as a normal user in $work; output and status are the command's.
ours() {
	# shellcheck disable=SC2086 # words
	(cd "$work" && exec $as_user "$@")
}
theirs() {
	$peer -u peer -b "$work:$work" "cd $work && $(quoted "$@")"
}
# The kernel's squashfs on the bytes of a plain image, mounted anew, as the root of a command.
kernel() { # IMAGE COMMAND...
	image=$work/$1
	shift
	# shellcheck disable=SC2046 # two words: where the partition begins, and its length
	set -- $("$work/bin/coffer" sif list "$image" |
		awk -F'|' '/FS \(Squashfs/ { split($4, p, "-"); printf "%d %.0f\n", p[1], p[2] - p[1] }') "$@"
	mount -t squashfs -o "ro,loop,offset=$1,sizelimit=$2" "$image" "$work/mnt" || return 1
	shift 2
	status=0
	ours "$@" || status=$?
	umount "$work/mnt"
	return $status
}
in_root() { # DIRECTORY COMMAND...: bwrap's usual container on it
	root=$1
	shift
	echo bwrap --ro-bind "$root" / --dev /dev --proc /proc "$@"
}

# Takes one figure: the number that the command prints. What a run leaves running is not to slow the
# next one down.
take() { # PART/KEY COMMAND...
	key=$1
	shift
	mkdir -p "$results/${key%/*}"
	if number=$("$@" 2>"$work/stderr") && [ -n "$number" ]; then
		echo "$number" >>"$results/$key"
	else
		{ grep -m 1 -E 'FATAL|[Ee]rror' "$work/stderr" || grep -v '^$' "$work/stderr" | tail -1; } |
			tr -s ' \t' ' ' >"$results/$key.failed"
		say "$key failed: $(cat "$results/$key.failed")"
	fi
	i_left=0
	while [ $i_left -lt 500 ] && left_behind; do
		i_left=$((i_left + 1))
		sleep 0.02
	done
	[ $i_left -lt 500 ] || say "$key: something is left running"
}
left_behind() {
	peer_id=$(sed -n 's/^peer:[^:]*:\([0-9]*\).*/\1/p' "${COFFER_PEER:-/var/lib/coffer-peer}/etc/passwd" 2>/dev/null)
	# One name at a time: pgrep takes a pattern of more than 15 characters for a name that is too long.
	for name_left in coffer starter squashfuse gocryptfs; do
		! pgrep -r D,R,S -u "coffer-test${peer_id:+,$peer_id}" "^$name_left" >/dev/null || return 0
	done
	return 1
}
# Rounds of a function, in which it takes each figure once: so they alternate. COFFER_BENCH_ROUNDS
# is the most there are.
rounds() { # COUNT FUNCTION ARGUMENTS...
	n=$1 i=0
	shift
	[ "$n" -le "${COFFER_BENCH_ROUNDS:-$n}" ] || n=$COFFER_BENCH_ROUNDS
	while [ $i -lt "$n" ]; do
		i=$((i + 1))
		say "$*, round $i of $n"
		"$@"
	done
}
# The image's bytes are in the page cache from here on.
warm() {
	for file; do
		cat "$work/$file" >/dev/null 2>&1 || true
	done
}
# And those of a tree's files.
warm_tree() { # DIRECTORY
	ours tar cf - "$1" | wc -c >&2
}
# Empties the kernel's caches, as its hash tables of names and inodes do not grow: a million of them left
# there by one part make find take twice as long in the next. Then brings back the images that are named
# and what a start needs on all sides.
calm() { # IMAGE...
	sync
	echo 3 >/proc/sys/vm/drop_caches
	warm "$@" base.ours.sif base.theirs.sif
	calm_once ours coffer exec $pri base.ours.sif true
	calm_once theirs apptainer exec $pri base.theirs.sif true
	# shellcheck disable=SC2046 # words
	calm_once ours $(in_root base true)
}
calm_once() {
	"$@" >&2 || say "not there yet: $*"
}
# What a command prints, or nothing.
try() { "$@" 2>/dev/null || true; }

# The median of a figure in a unit, or nothing.
value() { # PART/KEY UNIT
	[ -s "$results/$1" ] || return 0
	sort -n "$results/$1" | awk -v unit="$2" '
		{ v[NR] = $1 }
		END {
			m = NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2
			scale["s"] = 1e9; scale["ms"] = 1e6; scale["us"] = 1e3; scale["MB"] = 1e6; scale["MiB"] = 1048576
			printf "%.6g", m / (unit in scale ? scale[unit] : 1)
		}'
}
# What one figure is more than another in each round; nothing when one of them failed in some.
differences() { # PART/KEY PART/KEY-OF-LESS PART/KEY-OF-RESULT
	[ ! -e "$results/$1.failed" ] && [ ! -e "$results/$2.failed" ] || return 0
	paste "$results/$1" "$results/$2" | awk '{ print $1 - $2 }' >"$results/$3"
}
# One row of a table, for bench/report and bench/plot, fields separated by tabs: label, unit, coffer,
# Apptainer, third, what the target says, and the most that coffer may take by it. LIMIT is for awk:
# t is Apptainer's figure, k the third; smaller is better in all rows. Of a figure that failed, its
# last words.
row() { # LABEL UNIT OURS THEIRS THIRD TARGET LIMIT
	row_label=$1 row_unit=$2 row_target=$6 row_limit=$7
	for key in "$3" "$4" "$5"; do
		if [ "$key" = - ]; then
			echo -
		elif [ -s "$results/$key" ]; then
			echo "$(value "$key" "$row_unit")"
		elif [ -e "$results/$key.failed" ]; then
			echo failed
		else
			echo '?'
		fi
	done | awk -v label="$row_label" -v unit="$row_unit" -v target="$row_target" '
		{ v[NR] = $0 }
		END {
			t = v[2]; k = v[3]
			if (t !~ /^[0-9]/) t = ""
			if (k !~ /^[0-9]/) k = ""
			limit = '"${row_limit:-\"-\"}"'
			printf "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", label, unit, v[1], v[2], v[3], target, limit
		}
		function least(a, b) { return a == "-" ? b : b == "-" || a < b ? a : b }
		function per(a, b) { return a == "" ? "-" : a / b }
		function times(a, b) { return a == "" ? "-" : a * b }'
}

# A root tree in which a static command can run.
skeleton() { # DIRECTORY
	rm -rf "$1"
	for dir in bin dev etc home proc root run sys tmp usr var/tmp; do
		mkdir -p "$1/$dir"
	done
	cp /bin/busybox "$1/bin/"
	for name in sh cat true find wc sleep; do
		ln -s busybox "$1/bin/$name"
	done
	echo root:x:0:0:root:/root:/bin/sh >"$1/etc/passwd"
	echo root:x:0: >"$1/etc/group"
	echo 'NAME=bench' >"$1/etc/os-release"
	cp "$work/bin/reader" "$1/bin/"
	chmod -R a+rX "$1"
}
# Builds an image by coffer unless it is there; both users may read it.
image() { # NAME OPTIONS... SPEC
	name=$1
	shift
	[ -e "$work/$name" ] && return 0
	say "building $name"
	ours coffer build --force "$@" "$name.new" "$spec" >&2 || return 1
	chmod a+r "$work/$name.new"
	mv "$work/$name.new" "$work/$name"
}
