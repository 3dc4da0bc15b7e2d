#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The command lines that workflow engines and batch systems make, which docs/engines.md speaks of and
# Debian does not have; on an encrypted image, whose key is an identity in its place. The engines'
# own words were taken from what they print (Nextflow's issue 4801, ReFrame's pull request 2581,
# Galaxy's pull requests 14429 and 18628) and from their manuals.

load helper

setup_file() {
	make_work
	chmod 0777 .
	mkdir -p home/.config/coffer tasks/ab/12 job stage data
	export HOME=$WORK/home
	coffer keygen --unprotected | sed -n 's/^public key: *//p' >me.pub
	make_tree tree
	mkdir -p tree/opt tree/.singularity.d/env
	ln -s busybox tree/bin/tr
	# What Nextflow and others call is bash.
	local file
	for file in /bin/bash $(ldd /bin/bash | grep -o '/[^ ]*'); do
		mkdir -p "tree$(dirname "$file")"
		cp -L "$file" "tree$file"
	done
	cat >app.def <<END
Bootstrap: localimage
From: $WORK/tree

%runscript
    echo "args: \$*; force \$FORCE; at \$(pwd)"
END
	local kind
	for kind in luks2 gocryptfs; do
		coffer build --encryption=$kind -r me.pub $kind.sif app.def
	done
	echo some words >data/words.txt
	echo "tr a-z A-Z <$WORK/data/words.txt >upper.txt" >tasks/ab/12/.command.sh
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export HOME=$WORK/home
}
teardown() { no_processes; }

each_image() { # FUNCTION
	local image
	for image in "$WORK/luks2.sif" "$WORK/gocryptfs.sif"; do
		"$1" "$image" || { echo "with $image"; return 1; }
	done
}

nextflow() { # IMAGE
	local dir=$WORK/tasks/ab/12 NXF_TASK_WORKDIR=$WORK/tasks/ab/12 TMPDIR=/tmp
	rm -f "$dir/upper.txt"
	(
		cd "$dir"
		env - PATH="$PATH" HOME="$HOME" ${TMPDIR:+SINGULARITYENV_TMPDIR="$TMPDIR"} \
			SINGULARITYENV_NXF_TASK_WORKDIR="$NXF_TASK_WORKDIR" \
			singularity exec --no-home --pid -B "$WORK" "$1" \
			/bin/bash -c "cd $dir; [ \"\$NXF_TASK_WORKDIR\" = $dir ] && /bin/bash -ue $dir/.command.sh"
	) && [ "$(cat "$dir/upper.txt")" = 'SOME WORDS' ]
}
@test "Nextflow: an emptied environment, variables by prefix, --pid, --no-home" { each_image nextflow; }

# Nextflow hands on no HOME either: then it is the account's, where this user has no identity.
@test "without HOME the identities are those of the account's home" {
	run --separate-stderr env - PATH="$PATH" singularity exec --no-home "$WORK/luks2.sif" true
	refused 255 "FATAL:"
	am_root || return 0
	unshare -m sh -c 'mount --bind "$1" "$2" && exec env - PATH="$PATH" singularity exec --no-home "$3" true' \
		sh "$HOME" "$(getent passwd root | cut -d: -f6)" "$WORK/luks2.sif"
}

galaxy() { # IMAGE
	echo 'echo "$GALAXY_SLOTS $(cat /galaxy/words.txt)" >out.txt' >job/script.sh
	SINGULARITYENV_GALAXY_SLOTS=4 HOST_ONLY=1 singularity -s exec --cleanenv --contain --ipc --pid \
		-B "$WORK/data:/galaxy:ro" -B "$WORK/job" --no-mount tmp --pwd "$WORK/job" \
		"$1" /bin/sh "$WORK/job/script.sh" && [ "$(cat job/out.txt)" = '4 some words' ]
}
@test "Galaxy: --cleanenv --contain --no-mount tmp, read-only data" { each_image galaxy; }

condor() { # IMAGE
	rm -f job/out.txt
	printf '#!/bin/sh\necho "$1 $(pwd)" >out.txt\ntouch /tmp/x /var/tmp/x\n' >job/condor_exec.exe
	chmod 0755 job/condor_exec.exe
	singularity exec -S /tmp -S /var/tmp --pwd /srv/job -B "$WORK/job:/srv/job" -W "$WORK/stage" \
		--no-home -C "$1" /srv/job/condor_exec.exe one && [ "$(cat job/out.txt)" = 'one /srv/job' ]
}
@test "HTCondor: scratch folders, a work folder, -C" { each_image condor; }

toil() { # IMAGE
	rm -f job/out.txt
	singularity --quiet exec --contain --ipc --cleanenv --no-eval --home "$WORK/job:/out" \
		--mount="type=bind,source=$WORK/data/words.txt,target=/var/lib/cwl/words.txt,readonly" \
		--pwd /out --net --network none "$1" tr a-z A-Z <data/words.txt >job/out.txt &&
		[ "$(cat job/out.txt)" = 'SOME WORDS' ]
}
@test "Toil: cwltool's line with --mount" { each_image toil; }

cromwell() { # IMAGE
	echo 'tr a-z A-Z </cromwell/data/words.txt >/cromwell/job/out.txt' >job/script
	singularity exec --containall --bind "$WORK/job:/cromwell/job" --bind "$WORK/data:/cromwell/data" \
		"$1" /bin/bash /cromwell/job/script && [ "$(cat job/out.txt)" = 'SOME WORDS' ]
}
@test "Cromwell: --containall and two binds" { each_image cromwell; }

reframe() { # IMAGE
	[ "$(singularity exec -B"$WORK/data:/one" -B"$WORK/stage:/rfm_workdir" --pwd /rfm_workdir "$1" \
		bash -c 'pwd; cat /one/words.txt')" = $'/rfm_workdir\nsome words' ]
}
@test "ReFrame: -B with the words behind it, --pwd" { each_image reframe; }

alphafold() { # IMAGE
	[ "$(singularity run --env FORCE=1,FRACTION=4.0 --bind "$WORK/data:/data:ro" --pwd /opt --nv "$1" \
		--fasta=/data/x --preset=full 2>err)" = 'args: --fasta=/data/x --preset=full; force 1; at /opt' ]
}
@test "a launcher of models: run with --nv, --env and the program's own options" { each_image alphafold; }
