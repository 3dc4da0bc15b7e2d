# SPDX-License-Identifier: Apache-2.0
# What of a figure cannot go, beside what its target allows. Out of the other parts' figures.

floor_title="What the targets leave"
floor_third="the target allows"
floor_text="In the first column, what cannot go: the least that any program must spend which unlocks, unpacks and
serves such an image to such a payload, if all else cost nothing. Above 1, the last ratio says that the
target is out of reach on this machine. The parts of a start are measured in the rounds of the figure that
they stand beside, unpacking and all else one after another: where the machine's speed changes meanwhile, a
least may lie above what was measured, and the ratio says less.

- A start: the least program, twice, as the command is one and \`true\` another; one operation with an RSA
  key of 4096 bits (OpenSSL's own, in a program that does nothing else); the least scrypt that gocryptfs
  takes, or what opens a LUKS2 keyslot of the least cost; and unpacking what is read (libdeflate,
  see below: coffer's, which has all of the C library unpacked), by all CPUs. They follow one another:
  nothing can be unpacked before there is a key. Namespaces and mounts another CPU may make meanwhile. *One
  CPU* unpacks alone, and has bwrap's whole start in place of the two programs: where the kernel keeps a
  start on one CPU (above, the idle time is then as long as the start, or longer), these are in the row, too.
- 32 starts: the same, shared by the CPUs, of which none is idle, with bwrap's 32.
- The image by Apptainer: a start with its KDF, the memory for which is made of large pages.
- A build: libdeflate alone, level 6, on all CPUs.
- tar, find: the payload and what the kernel does for it, and one after another the requests that it waits
  for, a READ for each file of sci and two READDIRPLUS for each of its folders, at what a request costs for
  which there is next to nothing to do (a name that is not there). The server's work is left out, as another
  CPU may do it meanwhile.
- The large file: libdeflate, AES, the kernel's part in the answers, the payload and what the kernel does for
  it, shared by CPUs that are never idle. Of random reads each waits for the one before: the same for 128
  KiB, by one CPU."

floor_run() {
	rounds 9 floor_round
	cpus=$(nproc)
	sum floor/start start/least.rsa start/least.scrypt "profile/start.unpack/$cpus" "start/least.true*2"
	sum floor/foreign start/least.rsa start/least.kdf "profile/start.unpack/$cpus" "start/least.true*2"
	sum floor/start.one start/least.rsa start/least.scrypt profile/start.unpack start/bwrap
	sum floor/first.gocryptfs first/least.rsa first/least.scrypt "profile/first.unpack/$cpus" \
		"first/least.true*2"
	sum floor/first.gocryptfs.one first/least.rsa first/least.scrypt profile/first.unpack start/bwrap
	sum floor/first.luks2 first/least.rsa first/least.luks2 "profile/first.unpack/$cpus" \
		"first/least.true*2"
	sum floor/first.luks2.one first/least.rsa first/least.luks2 profile/first.unpack start/bwrap
	files=$(find "$work/sci" -type f -size +0 | wc -l)
	folders=$(find "$work/sci" -type d | wc -l)
	sum floor/tar profile/tar.payload "floor/trip*$files" "floor/trip*2*$folders"
	sum floor/find profile/find.payload "floor/trip*2*$folders"
	for name in large four; do
		sum floor/$name "profile/$name.unpack/$cpus" "profile/$name.decrypt/$cpus" \
			"profile/$name.server/$cpus" "profile/$name.payload/$cpus"
	done
	blocks=$((${COFFER_BENCH_LARGE:-4000000000} / 131072))
	sum floor/random "floor/large*$cpus*1000/$blocks"
	sum floor/build "profile/build.unpack/$cpus"
	sum floor/crowd "start/least.rsa*32/$cpus" "start/least.scrypt*32/$cpus" \
		"profile/start.unpack*32/$cpus" start/crowd.bwrap
	sum floor/start.allowed start/bwrap*3
	sum floor/times.allowed start/own.theirs/30
	sum floor/crowd.allowed start/crowd.theirs/40
	echo 8000000 >"$results/floor/eight"
	sum floor/foreign.allowed start/scrypt floor/eight
	echo 15000000 >"$results/floor/first.allowed"
	sum floor/build.allowed build/base.theirs/8
	sum floor/tar.allowed read/tar-sci.theirs/2.5
	sum floor/find.allowed read/find.kernel*0.7
	sum floor/large.allowed large/sequential.theirs/3
	sum floor/parallel.allowed large/parallel.theirs/3
	sum floor/random.allowed large/random128k.theirs/3
}
floor_round() {
	take floor/trip ours coffer exec $pri large.ours.sif /bin/reader absent / 5000
}
# Adds up medians, each times or by what stands behind it; no figure when one of them is missing.
sum() { # PART/KEY FIGURE[*FACTOR][/DIVISOR]...
	sum_key=$1 sum_terms=0
	shift
	rm -f "$results/$sum_key"
	for term; do
		figure=$(expr "$term" : '\([a-z]*/[a-z0-9.-]*[a-z0-9]\)')
		number=$(value "$figure" ns)
		[ -n "$number" ] || return 0
		sum_terms="$sum_terms + $number${term#"$figure"}"
	done
	awk "BEGIN { printf \"%.0f\\n\", $sum_terms }" >"$results/$sum_key"
}
floor_rows() {
	row "start, gocryptfs: ≤ 3 × bwrap" ms floor/start - floor/start.allowed "" ""
	row "  one CPU" ms floor/start.one - floor/start.allowed "" ""
	row "start, gocryptfs: ≥ 30 × Apptainer" ms floor/start - floor/times.allowed "" ""
	row "the image by Apptainer: ≤ KDF + 8 ms" ms floor/foreign - floor/foreign.allowed "" ""
	row "32 starts: ≥ 40 × Apptainer" ms floor/crowd - floor/crowd.allowed "" ""
	row "first byte, gocryptfs: ≤ 15 ms" ms floor/first.gocryptfs - floor/first.allowed "" ""
	row "  one CPU" ms floor/first.gocryptfs.one - floor/first.allowed "" ""
	row "first byte, LUKS2: ≤ 15 ms" ms floor/first.luks2 - floor/first.allowed "" ""
	row "  one CPU" ms floor/first.luks2.one - floor/first.allowed "" ""
	row "build of base: ≥ 8 × Apptainer" s floor/build - floor/build.allowed "" ""
	row "tar of sci: ≥ 2.5 × Apptainer" s floor/tar - floor/tar.allowed "" ""
	row "find over sci: ≤ 0.7 × kernel" s floor/find - floor/find.allowed "" ""
	row "4 GB, sequential: ≥ 3 × Apptainer" s floor/large - floor/large.allowed "" ""
	row "4 GB, four readers: ≥ 3 × Apptainer" s floor/four - floor/parallel.allowed "" ""
	row "4 GB, 1000 random reads of 128 KiB: ≥ 3 × Apptainer" s floor/random - floor/random.allowed "" ""
	row "  RSA, one operation, beside the start" ms start/least.rsa - - "" ""
	row "  scrypt, N = 2^10" ms start/least.scrypt - - "" ""
	row "  scrypt, N = 2^16, large pages" ms start/least.kdf - - "" ""
	row "  the least program, \`true\`" ms start/least.true - - "" ""
	row "  RSA, one operation, beside the first byte" ms first/least.rsa - - "" ""
	row "  scrypt, N = 2^10" ms first/least.scrypt - - "" ""
	row "  a LUKS2 keyslot, PBKDF2 of 1000 rounds" ms first/least.luks2 - - "" ""
	row "  a request, there and back" us floor/trip - - "" ""
}
