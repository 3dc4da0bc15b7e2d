# SPDX-License-Identifier: Apache-2.0
# What a start waits for, one after another: from the kernel's tracepoints, as root.

steps_title="A start, step by step"
steps_third=""
steps_text="The road to the first byte, medians of single starts with the kernel's tracepoints on (they cost a little).
What is on the road follows from what is before it; what another process does meanwhile is not. The same
commands as above: \`true\` in the tree base, and \`cat\` in the image of 100 MB. Why each step is there:

1. To the fork of the container's process: the kernel's exec, the loader, options, the configuration, the
   image's list of objects, the key file, the user's names. A third of it is libcrypto, whose
   17,000 relocations and 3,300 names Debian has resolved at once (LD_DEBUG=statistics).
2. To the fork of the server: OpenSSL's start and tables, RSA, the KDF (their least is below), the headers
   of the image. The container's process makes its namespaces and mounts meanwhile.
3. To the first request that is answered: the server's own namespaces, hidden memory for the key, an
   empty root, no capabilities, its threads, the filter of system calls. It comes after the key, since the
   image says which decompressor has to be loaded before the host's root is out of reach.
4. To the exec: mounts in the container, one after another, each with the names that it needs of the image;
   its user and group files, its environment, the program in its PATH; then reading the program's
   beginning, as far as exec needs it.
5. The program: the loader, libraries and what it touches of them. What is read was asked for at once and
   is unpacked by all CPUs; the program waits for the rest of it here.
6. To the command's end: the mount is taken down, the server wipes its keys and ends, so that the image is
   closed when the command returns. The first byte does not wait for that.

What could go and stays, because it is the safer way: the blinding of the RSA operation; the KDF between the
secret and the volume key, as a second copy of the key without one would be another format to keep right;
Debian's libcrypto, whose security updates reach every start, in place of a copy linked in; and a network
namespace for the server, beside a filter under which it makes no socket anyway. A C library that is stored
unpacked would be there sooner, but the image would be larger than Apptainer's."

steps_starts=25
steps_run() {
	build_images base
	spec=base image base.luks2.sif $pub --encryption=luks2
	warm base.ours.sif base.luks2.sif
	steps_take gocryptfs base.ours.sif true
	steps_take luks2 base.luks2.sif true
	for kind in gocryptfs luks2; do
		[ ! -e "$work/first.$kind.100.sif" ] ||
			steps_take "first.$kind" "first.$kind.100.sif" cat /etc/os-release
	done
}
steps_take() { # NAME IMAGE COMMAND...
	name=$1 image=$2
	shift 2
	say "steps of $name"
	# shellcheck disable=SC2086 # words
	(cd "$work" && perf record -q -a -o "$work/steps.data" \
		-e 'sched:sched_process_exec,sched:sched_process_fork,sched:sched_process_exit,fuse:fuse_request_end' -- \
		$as_user sh -c "i=0; while [ \$i -lt $steps_starts ]; do coffer exec $pri $image $*; i=\$((i + 1)); sleep 0.05; done") \
		>/dev/null 2>&1 || true
	perf script -f --ns -i "$work/steps.data" -F tid,time,event,trace 2>/dev/null | awk '
		{ tid = $1; split($2, t, "[.:]"); ns = t[1] * 1e9 + t[2] }
		/sched_process_exec: filename=[^ ]*\/coffer / { command = tid; step = 1; at[0] = ns; next }
		step == 1 && /sched_process_fork/ && tid == command { sub(/.*child_pid=/, ""); container = $0 + 0; at[step++] = ns; next }
		step == 2 && /sched_process_fork/ && tid == command { at[step++] = ns; next }
		step == 3 && /fuse_request_end/ { at[step++] = ns; next }
		step == 4 && /sched_process_exec/ && tid == container { at[step++] = ns; next }
		step == 5 && /sched_process_exit/ && tid == container { at[step++] = ns; next }
		step == 6 && /sched_process_exit/ && tid == command {
			at[step] = ns
			for (i = 1; i <= 6; i++)
				print i, at[i] - at[i - 1]
			print "all", at[6] - at[0]
			step = 0
		}' |
		while read -r step ns; do
			echo "$ns" >>"$results/steps/$name.$step"
		done
	rm -f "$work/steps.data"
}
steps_rows() {
	for name in gocryptfs luks2 first.gocryptfs first.luks2; do
		for step in 1 2 3 4 5 6 all; do
			[ -s "$results/steps/$name.$step" ] || continue
			case $step in
			1) label="1, the command begins" ;;
			2) label="2, the key" ;;
			3) label="3, the server locks itself in" ;;
			4) label="4, the container is set up" ;;
			5) label="5, the program" ;;
			6) label="6, the end" ;;
			all) label="all" ;;
			esac
			case $name in first.*) what="cat, ${name#first.}" ;; *) what="true, $name" ;; esac
			row "$what: $label" ms "steps/$name.$step" - - "" ""
		done
	done
}
