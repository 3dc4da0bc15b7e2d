# SPDX-License-Identifier: Apache-2.0
# Where the CPU time goes: samples of perf over all processes, the payload's included.

profile_title="Where the time goes"
profile_third=""
profile_text="CPU time of all processes together until the command returns, the payload's too: what is left where a
target is not met. The sum is the scheduler's (perf stat), the parts are shares of it by samples of a second
run, which they slow down. Idle is what the CPUs had left meanwhile. Each count is of a run of its own.

- A start is \`exec IMAGE true\`. RSA and scrypt are OpenSSL's: one operation with a key of 4096 bits, and
  the least work that gocryptfs lets a KDF have. What is unpacked for it is ld.so, libc and \`true\`, which
  no start can do without. With bwrap's whole start these are more than the targets allow.
- A build is libdeflate at the level whose images are not larger than Apptainer's; one less makes that of
  sci so.
- find is the kernel's work for the payload: it makes an inode of each entry that it is given, and asks
  twice for each directory, as it takes only an empty answer for the end.
- tar is for half its own work and the kernel's for it, then libdeflate, and the kernel's part in the
  server's answers. It waits for the first READ of each file: nothing but a push into the page cache
  (FUSE_NOTIFY_STORE) would spare it that. Tried: 8 and 11 % less time for base and sci. It is left out,
  as a thread that pushes waits for a READ of the same page, where no signal reaches it.
- The large file, also by four readers, is libdeflate, and the copies from the server to the kernel and from
  there to the reader."

profile_starts=40
profile_run() {
	build_images base
	build_images sci
	warm base.ours.sif sci.ours.sif large.ours.sif
	profile_take start $profile_starts sh -c "i=0; while [ \$i -lt $profile_starts ]; do coffer exec $pri base.ours.sif true; i=\$((i + 1)); done"
	profile_take build 1 coffer build --force $pub profile.sif base
	rm -f "$work/profile.sif"
	profile_take tar 1 coffer exec $pri sci.ours.sif sh -c "$(read_command tar-sci)"
	[ ! -e "$work/first.gocryptfs.100.sif" ] ||
		profile_take first $profile_starts sh -c "i=0; while [ \$i -lt $profile_starts ]; do coffer exec $pri first.gocryptfs.100.sif cat /etc/os-release; i=\$((i + 1)); done"
	profile_take find 1 coffer exec $pri sci.ours.sif find / -xdev -size +0
	[ -e "$work/large.ours.sif" ] || return 0
	profile_take large 1 coffer exec $pri large.ours.sif /bin/reader sequential /data 1
	profile_take four 1 coffer exec $pri large.ours.sif /bin/reader sequential /data 4
}
# Gives profile/NAME.CATEGORY, in nanoseconds, one COUNTth of what the command takes: the time of a run
# that only the scheduler's clock watches, divided as the samples of another are.
profile_take() { # NAME COUNT COMMAND...
	name=$1 count=$2
	shift 2
	say "profile of $name"
	# shellcheck disable=SC2086 # words
	(cd "$work" && perf stat -x, -e task-clock,duration_time -o "$work/profile.clock" -- $as_user "$@") >/dev/null 2>&1 || true
	clock=$(awk -F, '$3 ~ /task-clock/ { printf "%.0f", $1 * 1e6 }' "$work/profile.clock")
	took=$(awk -F, '$3 ~ /duration_time/ { printf "%.0f", $1 }' "$work/profile.clock")
	for what in raw_syscalls:sys_enter=calls page-faults=faults fuse:fuse_request_send=requests; do
		# shellcheck disable=SC2086 # words
		(cd "$work" && perf stat -x, -e "${what%=*}" -o "$work/profile.count" -- $as_user "$@") >/dev/null 2>&1 || continue
		awk -F, -v count="$count" '$1 ~ /^[0-9]/ { printf "%.0f\n", $1 / count }' \
			"$work/profile.count" >"$results/profile/$name.${what#*=}"
	done
	# shellcheck disable=SC2086 # words
	(cd "$work" && perf record -q -B -N -e cpu-clock -F 5000 -g -o "$work/profile.data" -- \
		$as_user "$@") >/dev/null 2>&1 || true
	perf script -f -i "$work/profile.data" -F comm,time,ip,sym,dso 2>/dev/null | awk -v count="$count" \
		-v clock="${clock:-0}" -v took="${took:-0}" -v cpus="$(nproc)" '
		# One sample: a head, then its stack from the inside out, then an empty line.
		/^$/ { if (seen) add(); seen = 0; next }
		!seen { seen = 1; comm = $1; first = ""; stack = ""; next }
		{
			if (first == "") first = $NF
			stack = stack " " $2
		}
		function add() { samples[first ~ /kernel/ ? of_kernel() : of_program()]++ }
		function of_kernel() {
			if (comm !~ /^coffer/ && comm != "sh") return "payload"
			if (stack ~ / asm_exc_page_fault/) return "fault"
			if (stack ~ / __do_sys_clone| __x64_sys_(execve|exit_group|wait4)/) return "process"
			return comm ~ /^coffer-image/ ? "server" : "setup"
		}
		function of_program() {
			if (first ~ /libcrypto/) return comm ~ /^coffer-image/ ? "decrypt" : "crypto"
			if (first ~ /libdeflate/) return "unpack"
			if (comm !~ /^coffer/) return "payload"
			return first ~ /ld-linux/ ? "loader" : "own"
		}
		END {
			if (!clock)
				exit
			for (what in samples)
				all += samples[what]
			for (what in samples)
				printf "%s %.0f\n", what, samples[what] / all * clock / count
			printf "all %.0f\n", clock / count
			printf "idle %.0f\n", (took * cpus - clock) / count
		}' |
		while read -r what ns; do
			echo "$ns" >"$results/profile/$name.$what"
		done
	rm -f "$work/profile.data" "$work/profile.clock" "$work/profile.count"
}
profile_rows() {
	for name in start first build tar find large four; do
		case $name in start | first | find) unit=ms ;; *) unit=s ;; esac
		for what in all crypto unpack decrypt own loader process fault setup server payload idle calls faults requests; do
			[ -s "$results/profile/$name.$what" ] || continue
			case $what in
			all) label="all" ;;
			crypto) label="RSA, scrypt, the packer's AES, OpenSSL's start" ;;
			unpack) label="packing and unpacking (libdeflate)" ;;
			decrypt) label="the server's AES" ;;
			own) label="the rest of coffer, libc, libfuse" ;;
			loader) label="loading libraries" ;;
			process) label="kernel: fork, exec, exit" ;;
			fault) label="kernel: page faults" ;;
			setup) label="kernel: namespaces, mounts, files" ;;
			server) label="kernel: the server's requests" ;;
			payload) label="the payload, and the kernel for it" ;;
			idle) label="(idle)" ;;
			calls) label="(system calls)" unit="" ;;
			faults) label="(page faults)" unit="" ;;
			requests) label="(requests to the server)" unit="" ;;
			esac
			row "$name: $label" "$unit" "profile/$name.$what" - - "" ""
		done
	done
}
