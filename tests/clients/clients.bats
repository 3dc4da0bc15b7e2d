#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docs/engines.md: each file and each command of it that stands under the name of a program, by that
# program, on an encrypted image whose key no command line names.

load ../cli/helper

setup_file() {
	make_work
	mkdir -p home/.config/coffer
	export HOME=$WORK/home
	git config --global user.name somebody
	git config --global user.email somebody@example.org
	make_tree tree
	# The shell of Snakemake's rules, with its libraries.
	local file
	for file in /bin/bash $(ldd /bin/bash | grep -o '/[^ ]*'); do
		mkdir -p "tree$(dirname "$file")"
		cp -L "$file" "tree$file"
	done
	ln -sf busybox tree/bin/tr
	echo 'root:x:0:' >tree/etc/group
	printf 'Bootstrap: localimage\nFrom: %s/tree\n' "$WORK" >app.def
	page | commands_of Preface >preface
	[ "$(wc -l <preface)" -eq 2 ]
	bash -ec "$(cat preface)"
	# What is taken for encrypted is so.
	refute env HOME=/ coffer exec app.sif true
	echo some words >words.txt
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
	rm -f upper.txt
	# Debian's programs in Python are for Debian's Python.
	PATH=$(dirname "$COFFER"):/usr/bin:/bin:/usr/sbin:/sbin
}
teardown() { no_processes; }

# The page, with the link of its preface left out: the tests have the names already.
page() { sed '/^    ln -s /d' "$COFFER_ROOT/docs/engines.md"; }
# The indented lines of a part: those behind a line "`NAME`:" are that file, which is written here,
# the others are commands, which are printed.
commands_of() { # HEADING
	awk -v heading="$1" '
		BEGIN { at = heading == "Preface" }
		/^## / { at = $0 == "## " heading; file = "" }
		!at { next }
		/^`[^`]*`:$/ { file = substr($0, 2, length($0) - 3); seen = 0; printf "" >file; next }
		/^    / { line = substr($0, 5); if (file) { print line >file; seen = 1 } else print line; next }
		/^$/ { if (file && seen && blank_ends(file)) { close(file); file = "" } next }
		{ file = "" }
		function blank_ends(name) { return 1 }'
}
follow() { # HEADING
	page | commands_of "$1" >commands
	[ -s commands ]
	bash -euxo pipefail commands >log 2>&1 || { cat log; false; }
}
upper() { [ "$(cat "$1")" = 'SOME WORDS' ] || { cat log; cat "$1"; false; }; } # FILE

@test "Snakemake: a rule in a container" {
	follow Snakemake
	upper upper.txt
	grep -q 'Activating singularity image' log
}

@test "cwltool: a tool without network" {
	if am_root; then
		refute follow cwltool >out
		grep -A1 'FATAL: *failed to set working directory: chdir .*: permission denied' log |
			grep -q 'run it as a normal user'
		return
	fi
	follow cwltool
	upper upper.txt
	grep -q -- '--network' log
}

@test "DataLad: a container of a data set" {
	follow DataLad
	upper study/upper.txt
	rm -rf study.old
	chmod -R u+w study
	mv study study.old
}

@test "Slurm: an array of jobs, each with a step" {
	follow Slurm
	local i
	for i in 1 2 3; do [ "$(cat task.$i)" = "$i: SOME WORDS" ]; done
}

@test "Slurm: what is cancelled leaves nothing" {
	local id
	rm -f begun
	id=$(sbatch --parsable --output=long --wrap "srun singularity exec -B $WORK app.sif sh -c 'touch $WORK/begun; sleep 1000'")
	wait_for test -e begun
	[ -n "$(ours)" ]
	scancel "$id"
	wait_for no_processes
	[ -z "$(squeue -h -j "$id" 2>/dev/null)" ] || wait_for sh -c "! squeue -h -j $id | grep -q ."
}

@test "Slurm: a step that ends leaves another of the same user alone" {
	local id
	rm -f begun go
	id=$(sbatch --parsable --output=long --wrap "srun singularity exec -B $WORK app.sif sh -c 'touch $WORK/begun; while [ ! -e $WORK/go ]; do sleep 0.1; done; tr a-z A-Z <words.txt'")
	wait_for test -e begun
	run -0 srun singularity exec app.sif true
	touch go
	wait_for sh -c "! squeue -h -j $id | grep -q ."
	upper long
}

@test "Open MPI and MPICH: ranks" {
	# As root on a machine of two CPUs, or in a container, Open MPI asks whether that is meant.
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
	follow MPI
	[ "$(grep -c '^rank [01] of 2$' log)" -eq 4 ]
}

@test "Open MPI: ranks of a program in the container talk to each other" {
	export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
	mkdir -p bare/usr bare/lib bare/lib64 bare/bin bare/etc
	[ -e bare.sif ] || coffer build -r me.pub bare.sif bare >log 2>&1
	cat >ring.py <<'END'
from mpi4py import MPI
from array import array
c = MPI.COMM_WORLD
n = 1 << 18
mine, sum, left = array('d', [c.rank + 1] * n), array('d', [0] * n), array('d', [0] * n)
c.Allreduce(mine, sum)
c.Sendrecv(mine, (c.rank + 1) % c.size, 0, left, (c.rank - 1) % c.size, 0)
print("rank", c.rank, "of", c.size, sum[n - 1], left[n - 1])
END
	run --separate-stderr mpirun -n 2 singularity exec \
		-B /usr,/usr/lib:/lib,/usr/lib64:/lib64,/usr/bin:/bin,/etc/alternatives,/etc/openmpi \
		bare.sif /usr/bin/python3 ring.py
	[ "$status" -eq 0 ] || { echo "$stderr"; false; }
	[ "$(sort <<<"$output")" = $'rank 0 of 2 3.0 2.0\nrank 1 of 2 3.0 1.0' ]
}
