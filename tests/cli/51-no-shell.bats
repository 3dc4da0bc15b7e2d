#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Images without any shell, as those of OCI registries often are: their environment scripts and their
# runscripts, on each kind of image. runtime.md 4.
load helper

setup_file() {
	make_work
	chmod 0777 "$WORK"
	mkdir -p tree/app tree/etc
	echo 'root:x:0:0:root:/root:/bin/sh' >tree/etc/passwd
	echo 'root:x:0:' >tree/etc/group
	cp /bin/busybox tree/app/busybox
	for name in env printf echo cat; do ln -s busybox tree/app/$name; done
	tar -C tree --owner=0 --group=0 -cf layer.tar .
	config='{"Env":["PATH=/app:/usr/bin","GREETING=hello \"you\" $HOME","EMPTY=","NOVALUE","URL=http://x/y?a=b&c=d;e","B=a\\b"],'
	config+='"Entrypoint":["/app/busybox","printf","[%s]"],"Cmd":["a b","$HOME","it'"'"'s"]}'
	"$BATS_TEST_DIRNAME/make-layout" layout "$config" layer.tar
	printf 'one line' >phrase
	coffer -q build plain.sif oci:layout
	cheaply coffer -q build --passphrase --encryption=luks2 luks.sif oci:layout <phrase
	cheaply coffer -q build --passphrase --encryption=gocryptfs gocryptfs.sif oci:layout <phrase
	coffer -q build --sandbox box oci:layout
}
setup() { cd "$WORK"; }
teardown_file() { drop_work; }

# COMMAND [OPTIONS...] on each kind of image: `on_each run [OPTIONS...] -- ARGUMENTS...`
on_each() {
	local command=$1 options=() image
	shift
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	shift
	for image in plain.sif luks.sif gocryptfs.sif box; do
		unset APPTAINER_ENCRYPTION_PASSPHRASE
		case $image in luks* | gocryptfs*) export APPTAINER_ENCRYPTION_PASSPHRASE='one line' ;; esac
		run --separate-stderr coffer "$command" "${options[@]}" $image "$@"
		check || { echo "$image: status $status, '$output', $stderr"; return 1; }
	done
}

@test "the environment that the image was made with, and what the user sets, without a shell" {
	check() {
		[ "$status" -eq 0 ] && [ -z "$stderr" ] &&
			[ "$(grep -E '^(PATH|GREETING|EMPTY|NOVALUE|URL|B|Q|LD_LIBRARY_PATH|PS1)=' <<<"$output" | sort)" = "$(sort <<-END
				B=a\\b
				EMPTY=
				GREETING=hello "you" \$HOME
				LD_LIBRARY_PATH=/.singularity.d/libs
				NOVALUE=
				PATH=/first:/app:/usr/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin
				PS1=Apptainer> 
				Q=$HOME/x a\\b "q" z
				URL=http://x/y?a=b&c=d;e
			END
			)" ]
	}
	on_each exec --cleanenv --env 'Q=${HOME}/x a\b "q" z' --env PREPEND_PATH=/first -- env
	check() { [ "$status" -eq 0 ] && grep -qxF 'Q=$HOME\' <<<"$output"; }
	on_each exec --no-eval --env 'Q=$HOME\' -- env
	check() { [ "$status" -eq 255 ] && err_has 'the value of Q is for a shell to work on, and the image has none' && err_has --no-eval; }
	on_each exec --env 'Q=$(id)' -- env
}

@test "the runscript of an entry point and a command, without a shell" {
	check() { [ "$status" -eq 0 ] && [ -z "$stderr" ] && [ "$output" = "[a b][\$HOME][it's]" ]; }
	on_each run --
	check() { [ "$status" -eq 0 ] && [ "$output" = "[p q][$HOME][][a\\b][-e]" ]; }
	on_each run -- 'p q' '$HOME' '${NOBODY_SET_THIS}' 'a\b' -e
	check() { [ "$status" -eq 0 ] && [ "$output" = '[a"b][$HOME]' ]; }
	on_each run --no-eval -- 'a"b' '$HOME'
	check() { refused 255 'hands its arguments to a shell, and the image has none' && err_has --no-eval; }
	on_each run -- 'a"b'
	on_each run -- '$(id)'
	on_each run -- '`id`'
	check() { [ "$status" -eq 1 ] && err_has '/bin/sh does not exist in container'; }
	on_each shell --
}

# BOX ENTRYPOINT CMD: the same image with others
other() {
	rm -rf layout2 "$1"
	"$BATS_TEST_DIRNAME/make-layout" layout2 "{\"Entrypoint\":$2,\"Cmd\":$3}" layer.tar
	coffer -q build --sandbox "$1" oci:layout2
}

@test "an entry point alone, a command alone, neither; programs by their name" {
	other one '["/app/busybox","echo","e"]' null
	run -0 --separate-stderr coffer run one a
	[ "$output" = 'e a' ]
	run -0 --separate-stderr coffer run --no-eval one
	[ "$output" = e ]
	other two null '["/app/busybox","echo","c"]'
	run -0 --separate-stderr coffer run two
	[ "$output" = c ]
	run -0 --separate-stderr coffer run two /app/busybox echo x
	[ "$output" = x ]
	run --separate-stderr coffer run two nothing
	refused 255 '"nothing": executable file not found in $PATH'
	other three null null
	run --separate-stderr coffer run three
	refused 255 'the image has neither an entry point nor a command to run'
	run -0 --separate-stderr coffer run three /app/busybox echo x
	[ "$output" = x ]
}

# As Apptainer writes it, with the branch for --no-eval, and as people shorten it.
@test "runscripts of other builders" {
	cp -r box other
	cat >other/.singularity.d/runscript <<'END'
#!/bin/sh
OCI_ENTRYPOINT='"/app/busybox" "printf" "[%s]"'
OCI_CMD='"it'"'"'s" "\$HOME"'

# Comments say nothing.
if [ -n "$SINGULARITY_NO_EVAL" ]; then
    if [ -n "$OCI_CMD" ] && [ -z "$OCI_ENTRYPOINT" ]; then
        if [ $# -eq 0 ]; then
            set -- '$HOME' "$@"
set -- 'it'"'"'s' "$@"

        fi
        exec "$@"
    fi
    if [ $# -gt 0 ]; then
        set -- '[%s]' "$@"
set -- 'printf' "$@"
set -- '/app/busybox' "$@"

	else
        set -- '$HOME' "$@"
    fi
    exec "$@"
fi
CMDLINE_ARGS=""
for arg in "$@"; do
        CMDLINE_ARGS="${CMDLINE_ARGS} \"$arg\""
done
if [ $# -gt 0 ]; then
    SINGULARITY_OCI_RUN="${OCI_ENTRYPOINT} ${CMDLINE_ARGS}"
else
    SINGULARITY_OCI_RUN="${OCI_ENTRYPOINT} ${OCI_CMD}"
fi
eval "set ${SINGULARITY_OCI_RUN}"
exec "$@"
END
	run -0 --separate-stderr coffer run other
	[ "$output" = "[it's][\$HOME]" ]
	run -0 --separate-stderr coffer run other '$HOME' x
	[ "$output" = "[$HOME][x]" ]
	run -0 --separate-stderr coffer run --no-eval other '$HOME'
	[ "$output" = '[$HOME]' ]
	# Anything more is the shell's: not guessed, and never run by one of this machine.
	cp other/.singularity.d/runscript script
	while IFS= read -r line; do
		sed '$d' script >other/.singularity.d/runscript
		printf '%s\n' "$line" 'exec "$@"' >>other/.singularity.d/runscript
		run --separate-stderr coffer run other
		[ "$status" -eq 255 ] || { echo "$line: $output"; false; }
		err_has 'its interpreter /bin/sh does not exist in the image'
		[ ! -e "$WORK/ran" ]
	done <<-END
		touch $WORK/ran
		export A=1
		PATH="\$PATH:/other"
		CMDLINE_ARGS="\$(touch $WORK/ran)"
		set -- 'other' "\$@"
		exec "/app/busybox" "env"
		if [ -n "\$(touch $WORK/ran)" ]; then
		cd /
	END
	# The last line is what such a script ends with.
	sed '$d' script >other/.singularity.d/runscript
	run --separate-stderr coffer run other
	refused 255 'its interpreter /bin/sh does not exist in the image'
}

@test "a script that takes a shell is left out alone, and it is said which" {
	rm -rf other && cp -r box other
	printf '%s\n' '# the line below' 'export SECRET=x' 'test -n "$HOME" && export Z=z' >other/.singularity.d/env/91-more.sh
	echo 'export AFTER="$GREETING, ${HOME}${NOBODY_SET_THIS}" MORE=$PATH' >other/.singularity.d/env/92-after.sh
	echo 'export OTHER=$B' >other/.singularity.d/env/93-after.sh # a backslash, which is not plain unquoted
	run -0 --separate-stderr coffer exec other env
	grep -qF "AFTER=hello \"you\" \$HOME, $HOME" <<<"$output"
	grep -qx 'GREETING=hello "you" $HOME' <<<"$output"
	refute grep -q SECRET <<<"$output"
	grep -qx 'MORE=/app:.*:/bin' <<<"$output"
	[ "$(grep -c WARNING <<<"$stderr")" -eq 2 ]
	err_has '/.singularity.d/env/91-more.sh is left out: it takes a shell, and the image has neither /bin/bash nor /bin/sh (line 3 is more than'
	err_has '/.singularity.d/env/93-after.sh is left out'
}

@test "what is nested without end, or cut off, takes a shell" {
	local deep
	rm -rf other && cp -r box other
	deep=$(printf '"${A:-%.0s' $(seq 5000))
	for line in "export A=$deep" 'export A="${B:-' 'export A="$' "export A='" 'export A="\' 'export A="${B:-"x' 'export A=${B' 'export A="${B:+x}"' 'export A="$(id)"'; do
		printf '%s\n' "$line" >other/.singularity.d/env/91-more.sh
		run -0 --separate-stderr coffer exec other /app/busybox echo on
		[ "$output" = on ]
		err_has '91-more.sh is left out'
	done
}
