#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The environment in a container (spec runtime.md 5): what it is given, and that no key is in it.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem pem.sif plain.sif
}
teardown_file() { drop_work; }
setup() { cd "$WORK"; }

inside() { # OPTIONS... -- WORDS: prints what the words expand to in the container
	local options=()
	while [ "$1" != -- ]; do options+=("$1"); shift; done
	coffer exec "${options[@]}" plain.sif sh -c "echo \"$2\""
}
gives() { # WANTED OPTIONS... -- WORDS
	local wanted=$1
	shift
	run -0 --separate-stderr inside "$@"
	[ "$output" = "$wanted" ] || { echo "'$output', not '$wanted'; $stderr"; false; }
}
DEFPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

@test "what is always there" {
	run -0 --separate-stderr env -i "PATH=$PATH" TERM=dumb coffer exec --cleanenv plain.sif env
	home=$(getent passwd "$(id -u)" | cut -d: -f6)
	diff -u <(sort <<<"$output") <(sort <<END
APPTAINER_APPNAME=
APPTAINER_BIND=
APPTAINER_COMMAND=exec
APPTAINER_CONTAINER=$WORK/plain.sif
APPTAINER_ENVIRONMENT=/.singularity.d/env/91-environment.sh
APPTAINER_NAME=plain.sif
GREETING=hello
HOME=$home
LANG=C
LD_LIBRARY_PATH=/.singularity.d/libs
PATH=$DEFPATH
PROMPT_COMMAND=PS1="Apptainer> "; unset PROMPT_COMMAND
PS1=Apptainer> 
PWD=$WORK
SINGULARITY_BIND=
SINGULARITY_CONTAINER=$WORK/plain.sif
SINGULARITY_ENVIRONMENT=/.singularity.d/env/91-environment.sh
SINGULARITY_NAME=plain.sif
TERM=dumb
END
	)
}

@test "the caller's variables come in, but with --cleanenv" {
	export MINE='two  words' GREETING=host
	gives 'two  words|hello' -- '$MINE|$GREETING'
	gives '|hello' --cleanenv -- '$MINE|$GREETING'
	gives '|hello' --containall -- '$MINE|$GREETING'
	http_proxy=http://p gives 'http://p' --cleanenv -- '$http_proxy'
	APPTAINER_CLEANENV=1 gives '' -- '$MINE'
}

@test "HOME, PATH and LD_LIBRARY_PATH are the container's" {
	home=$(getent passwd "$(id -u)" | cut -d: -f6)
	HOME=/elsewhere LD_LIBRARY_PATH=/evil gives "$home|$DEFPATH|/.singularity.d/libs" -- '$HOME|$PATH|$LD_LIBRARY_PATH'
	gives "$PATH:/bin:/usr/bin:/sbin:/usr/sbin:/usr/local/bin:/usr/local/sbin" -- '$USER_PATH'
	APPTAINERENV_LD_LIBRARY_PATH=/l gives '/l:/.singularity.d/libs' -- '$LD_LIBRARY_PATH'
}

@test "--env" {
	gives '1|x,y|hi' --env A=1 --env B=x,y --env GREETING=hi -- '$A|$B|$GREETING'
	gives '1|2' --env A=1,B=2 -- '$A|$B'
	gives 'in|/.singularity.d/libs' --env 'A=$(echo in)' --env 'B=$LD_LIBRARY_PATH' -- '$A|$B'
	gives '$(echo in)' --no-eval --env 'A=$(echo in)' -- '$A'
	run -1 --separate-stderr coffer exec --env A plain.sif true
	err_has 'invalid argument "A" for "--env" flag: A must be formatted as key=value'
	run -0 --separate-stderr inside --env HOME=/x -- '$HOME'
	refute [ "$output" = /x ]
	err_has 'WARNING: Overriding HOME environment variable with APPTAINERENV_HOME is not permitted'
}

@test "the ids of who is inside can be named, and are no variables of the payload" {
	APPTAINERENV_A='$UID-$EUID-${GID}x' gives "$(id -u)-$(id -u)-$(id -g)x|" -- '$A|$GID'
	APPTAINERENV_A='$UID-$EUID-$GID' run -0 --separate-stderr coffer exec --fakeroot plain.sif sh -c 'echo $A; env'
	[ "${lines[0]}" = 0-0-0 ]
	refute grep -E '^(E?UID|GID)=' <<<"$output"
}
@test "APPTAINERENV_ and SINGULARITYENV_" {
	APPTAINERENV_A=1 SINGULARITYENV_B=2 gives '1|2' --cleanenv -- '$A|$B'
	APPTAINERENV_A=1 gives '2' --env A=2 -- '$A'
	export APPTAINERENV_A=new SINGULARITYENV_A=old
	run -0 --separate-stderr inside -- '$A'
	[ "$output" = new ]
	err_has 'WARNING: SINGULARITYENV_A and APPTAINERENV_A have different values, using the latter'
}

@test "the PATH rules" {
	gives "/p:$DEFPATH" --env PREPEND_PATH=/p -- '$PATH'
	gives "$DEFPATH:/a" --env APPEND_PATH=/a -- '$PATH'
	gives "/p:$DEFPATH:/a" --env PREPEND_PATH=/p --env APPEND_PATH=/a -- '$PATH'
	gives "/only:/bin" --env PATH=/only:/bin --env PREPEND_PATH=/p -- '$PATH'
	mkdir -p programs
	printf '#!/bin/sh\necho found it\n' >programs/mine
	chmod 755 programs/mine
	run -0 coffer exec --env "PREPEND_PATH=$WORK/programs" plain.sif mine
	[ "$output" = "found it" ]
}

@test "--env-file" {
	export OUTSIDE=host
	printf '# comment\nA=1\nB="x $A"\nC='"'"'$A'"'"'\nexport D=$OUTSIDE\n' >file
	gives '1|x 1|host' --env-file file -- '$A|$B|$D'
	printf 'B=later\n' >file2
	gives '1|later' --env-file file,file2 -- '$A|$B'
	APPTAINER_ENV_FILE=file gives '1' -- '$A'
	run -0 --separate-stderr inside --env-file file --env A=2 -- '$A'
	[ "$output" = 2 ]
	err_has 'WARNING: Ignored environment file variable A: override from --env'
	printf 'A=$(touch %s/made)\n' "$WORK" >file
	run inside --env-file file -- '$A'
	[ ! -e made ]
	run --separate-stderr coffer exec --env-file nowhere plain.sif true
	refused 255 'could not read environment file "nowhere": open nowhere: no such file or directory'
}

@test "the image's environment script wins over the caller, --env over it" {
	cp -r tree base
	cat >script.def <<END
Bootstrap: localimage
From: $WORK/base
%environment
    export FROM_HOST="[\$MINE]" MINE=image EMPTY= NAME_IS=\$APPTAINER_NAME
END
	coffer -q build script.sif script.def
	MINE=host EMPTY=host run -0 coffer exec script.sif sh -c 'echo "$FROM_HOST|$MINE|${EMPTY-unset}|$NAME_IS"'
	[ "$output" = '[]|image|unset|script.sif' ]
	MINE=host run -0 coffer exec --env MINE=flag script.sif sh -c 'echo $MINE'
	[ "$output" = flag ]
}

@test "%environment and an app's environment add to a PATH that is there" {
	cat >path.def <<END
Bootstrap: localimage
From: $WORK/tree
%environment
    export PATH=/opt/mine:\$PATH
    ls / >/dev/null || exit 3
END
	coffer -q build path.sif path.def
	run -0 --separate-stderr coffer exec path.sif sh -c 'echo $PATH'
	[ "$output" = "/opt/mine:$DEFPATH" ]
	run -0 --separate-stderr coffer exec --env PREPEND_PATH=/first path.sif sh -c 'echo $PATH'
	[ "$output" = "/first:/opt/mine:$DEFPATH" ]
	# apps come after: 95-apps.sh
	coffer -q build --sandbox apps plain.sif
	mkdir -p apps/scif/apps/one/bin apps/scif/apps/one/scif
	printf '#!/bin/sh\necho "one: $*"\n' >apps/scif/apps/one/scif/runscript
	chmod 755 apps/scif/apps/one/scif/runscript
	run -0 --separate-stderr coffer exec --app one apps sh -c 'echo $PATH'
	[ "$output" = "/scif/apps/one/bin:/scif/apps/one:/scif/apps/singularity:$DEFPATH" ]
	run -0 --separate-stderr coffer run --app one apps a b
	[ "$output" = "one: a b" ]
}

@test "no key variable is in the container" {
	p=a-passphrase-that-must-not-show
	APPTAINER_ENCRYPTION_PASSPHRASE=$p cheaply coffer -q build --encrypt pass.sif plain.sif
	key=$(cat rsa_pri.pem)
	env APPTAINER_ENCRYPTION_PASSPHRASE=$p coffer exec pass.sif env >seen
	env SINGULARITY_ENCRYPTION_PASSPHRASE=$p APPTAINER_ENCRYPTION_PASSPHRASE=$p coffer run pass.sif >>seen
	env APPTAINER_ENCRYPTION_PEM_PATH="$WORK/rsa_pri.pem" coffer exec pem.sif env >>seen
	env APPTAINER_ENCRYPTION_PEM_DATA="$key" coffer exec pem.sif env >>seen
	env SINGULARITY_ENCRYPTION_PASSPHRASE=$p coffer exec pass.sif env >>seen
	[ "$(grep -c ^APPTAINER_CONTAINER= seen)" -eq 4 ]
	refute grep -e ENCRYPTION -e "$p" -e rsa_pri -e 'PRIVATE KEY' seen
}

# Whatever this user can read of any process of theirs while it runs.
@test "no key is in the environment or arguments of any process" {
	p=another-passphrase-to-look-for
	APPTAINER_ENCRYPTION_PASSPHRASE=$p cheaply coffer -q build --force --encrypt pass.sif plain.sif
	rm -f ready
	env APPTAINER_ENCRYPTION_PASSPHRASE=$p coffer exec pass.sif sh -c 'echo >ready; sleep 600' 3>&- &
	command=$!
	wait_for test -e ready
	looked=0
	for process in $(pgrep -u "$(id -u)"); do
		for file in environ cmdline; do
			[ -r "/proc/$process/$file" ] || continue
			tr '\0' '\n' <"/proc/$process/$file" 2>/dev/null >read || continue
			looked=$((looked + 1))
			refute grep -F "$p" read
		done
	done
	[ "$looked" -gt 2 ]
	kill "$command"
	run wait "$command"
	no_processes
}

# Simple scripts are read without a shell; one more that is not simple has a shell read them all.
@test "without a shell the environment is what a shell makes of it" {
	local e=box/.singularity.d/env
	coffer -q build --sandbox box plain.sif
	printf '%s\n' '# said twice' "export A=one B='two words' C=\"x#y\"" \
		'	export LD_LIBRARY_PATH=/own:/lib' 'export E= PATH=/opt/bin:/usr/bin:/bin' >$e/91-more.sh
	: >$e/92-empty.sh
	mkdir $e/93-folder.sh
	# What is made of an OCI image's configuration, and words with variables.
	cat >$e/10-docker2singularity.sh <<-'END'
		#!/bin/sh
		export PATH="/app:/usr/bin:/odd\"\$x"
		export WELCOME="${WELCOME:-"hello \"you\" \$HOME \\ \` a}b it's (x) *"}"
		export EMPTY="${EMPTY:-""}"
		export HOME="${HOME:-"/elsewhere"}"
		export NOVALUE="${NOVALUE:-}"
		export NESTED="${NESTED:-"a $WELCOME ${EMPTY}z"}"
	END
	printf '%s\n' 'export WORDS="a  $WELCOME"'"'"'$x "y'"'"'${EMPTY}-$NOVALUE/ PLAIN=$EMPTY-x:${NOBODY_SET_THIS} KEPT="a\!b\c!"' \
		'export PATH=/opt/more:$LD_LIBRARY_PATH' >$e/94-words.sh
	both() { # OPTIONS...: the same environment twice, and the shell is started once only
		rm -f $e/99-z.sh
		coffer exec --env LIST=a,b "$@" box /bin/env | sort >simple
		echo 'test -n "$HOME" && export Z=z' >$e/99-z.sh
		coffer exec --env LIST=a,b "$@" box /bin/env | sort >shell
		grep -q '^Z=z$' shell
		diff -u simple <(grep -v '^Z=z$' shell)
		grep -q '^B=two words$' simple
	}
	both
	both --cleanenv
	both --env 'A=$B'
	both --env LD_LIBRARY_PATH=/mine --env PREPEND_PATH=/first --env APPEND_PATH=/last
	both --env PATH=/all
	both --no-eval --env 'A=$(false)"'
	rm $e/91-more.sh $e/94-words.sh
	both_of_oci() { both "$@" 2>/dev/null || true; diff -u simple <(grep -v '^Z=z$' shell); }
	both_of_oci
	both_of_oci --env PREPEND_PATH=/first
	grep -qxF 'WELCOME=hello "you" $HOME \ ` a}b it'"'"'s (x) *' simple
	grep -qxF 'PATH=/first:/app:/usr/bin:/odd"$x:/usr/local/sbin:/usr/local/bin:/usr/sbin:/sbin:/bin' simple
	rm $e/99-base.sh
	both_of_oci
}

@test "what only a shell understands is a shell's" {
	local line
	coffer -q build --force --sandbox box plain.sif
	while IFS= read -r line; do
		printf 'export T=1\n%s\n' "$line" >box/.singularity.d/env/91-more.sh
		run -0 --separate-stderr coffer exec box sh -c 'echo "$T|$U"'
		[ "$output" = "1|two" ] || { echo "$line: '$output'"; false; }
	done <<'END'
U=two; export U
export U=tw"o"
export U=two # so
export U="$(echo two)"
export U="t${V:-wo}"
export U=`echo two`
export U=t\wo
export U=one; export U=two
export U=two && true
export T U=two
[ -d / ] && export U=two
END
}

@test "a shell's environment may be large; one that no exec takes is an error" {
	coffer -q build --force --sandbox box plain.sif
	echo 'test -n "$HOME" && export Z=$V1500' >box/.singularity.d/env/91-more.sh
	for i in $(seq 1500); do echo "V$i=value$i"; done >many
	run -0 --separate-stderr coffer exec --env-file many box sh -c 'echo "$V1 $V1500 ${COFFER_SCRIPT0-none}"'
	[ "$output" = 'value1 value1500 none' ]
	[ -z "$stderr" ]
	# Each of these takes two bytes on the way.
	export APPTAINERENV_LONG=$(printf '%70000s' | tr ' ' '"')
	run --separate-stderr coffer exec box true
	refused 255 "start the image's shell for its environment scripts: argument list too long"
}

make_bash_tree() { # DIR
	make_tree "$1"
	mkdir -p "$1/.singularity.d/env"
	cp "$(command -v bash)" "$1/bin/bash"
	local library
	ldd "$(command -v bash)" | grep -o '/[^ ]*' | while read -r library; do
		mkdir -p "$1$(dirname "$library")"
		cp -L "$library" "$1$library"
	done
}

@test "%environment in bash's dialect, where /bin/sh is another shell" {
	make_bash_tree debian
	mkdir debian/opt
	echo 'export SOURCED=yes' >debian/opt/env.sh
	cat >debian/.singularity.d/env/90-environment.sh <<'END'
#!/bin/sh
source /opt/env.sh
[[ -d /opt && abc == a* ]] && export TESTED=1
a=(p q r)
export ARRAY=${a[2]} PARTS=${SOURCED//e/E}
read -r HERE <<<"a string"; export HERE
. /opt/none.sh
export A.B=1
export AFTER=1
END
	chmod 755 debian/.singularity.d/env/90-environment.sh
	printf '#!/bin/sh\n' >debian/.singularity.d/env/99-base.sh
	echo 'export STARTUP=1' >startup
	BASH_ENV=$WORK/startup run -0 --separate-stderr coffer exec debian env
	for line in SOURCED=yes TESTED=1 ARRAY=r PARTS=yEs HERE='a string' AFTER=1; do
		grep -qxF "$line" <<<"$output"
	done
	refute grep -e '^STARTUP=' -e '^a=' -e '^BASHOPTS=' -e '^SHELLOPTS=' <<<"$output"
	[[ "$stderr" == *'/opt/none.sh: No such file'* ]]
	APPTAINERENV_LATE='$SOURCED-1' run -0 --separate-stderr coffer exec debian sh -c 'echo $LATE'
	[ "$output" = yes-1 ]
	# A bash that cannot run is none.
	rm -r debian/lib*/*-linux-gnu/libtinfo* 2>/dev/null || rm -rf debian/lib debian/lib64 debian/usr/lib
	printf 'export PLAIN=1\n: "${PLAIN:?}"; for i in 1; do export LOOP=1; done\n' >debian/.singularity.d/env/90-environment.sh
	run -0 --separate-stderr coffer exec debian sh -c 'echo $PLAIN$LOOP'
	[ "$output" = 11 ]
}

@test "environment scripts are run by an image's bash where it has no /bin/sh" {
	make_bash_tree bashed
	rm bashed/bin/sh
	printf '[[ abc == a* ]] && export TESTED=1\n' >bashed/.singularity.d/env/90-environment.sh
	run -0 --separate-stderr coffer exec bashed env
	grep -qxF TESTED=1 <<<"$output"
	[[ "$stderr" != *'environment scripts'* ]]
	rm bashed/bin/bash
	run -0 --separate-stderr coffer exec bashed env
	refute grep TESTED <<<"$output"
	[[ "$stderr" == *'90-environment.sh is left out: it takes a shell, and the image has neither /bin/bash nor /bin/sh (line 1 '* ]]
}

@test "environment scripts run once, whatever they end the shell with" {
	make_tree plain
	mkdir -p plain/.singularity.d/env
	make_bash_tree both
	local image
	for image in plain both; do
		printf 'echo here >&2\nexit 127\n' >$image/.singularity.d/env/90-environment.sh
		run -127 --separate-stderr coffer exec $image echo ran
		[ "$output" = "" ]
		[ "$(grep -cx here <<<"$stderr")" -eq 1 ]
	done
}

@test "what fails in an environment script keeps no container from starting" {
	make_tree sh.box
	mkdir -p sh.box/.singularity.d/env
	make_bash_tree bash.box
	make_bash_tree dash.box
	rm dash.box/bin/bash dash.box/bin/sh
	cp "$(command -v dash)" dash.box/bin/sh
	local image line
	for image in sh.box dash.box bash.box; do
		printf '#!/bin/sh\n' >$image/.singularity.d/env/99-base.sh
		echo 'export NEXT=1' >$image/.singularity.d/env/91-next.sh
		for line in '. /opt/none.sh' 'source /opt/none.sh' 'readonly R=1; . /opt/none.sh'; do
			printf '%s\nexport AFTER=1\n' "$line" >$image/.singularity.d/env/90-environment.sh
			run -0 --separate-stderr coffer exec $image sh -c 'echo started $AFTER $NEXT'
			[ "$output" = 'started 1 1' ]
			[[ "$stderr" == */opt/none.sh* ]]
		done
		# What comes after these in the same script is a matter of the shell.
		for line in 'export A.B=1' 'if then syntax'; do
			printf 'export BEFORE=1\n%s\n' "$line" >$image/.singularity.d/env/90-environment.sh
			run -0 --separate-stderr coffer exec $image sh -c 'echo started $BEFORE $NEXT'
			[ "$output" = 'started 1 1' ]
			[[ "$stderr" == *'A.B'* || "$stderr" == *yntax* ]]
		done
		rm $image/.singularity.d/env/90-environment.sh
		for line in 'p$(ss' 'p`ss' 'p${ss' '${x!}'; do
			APPTAINERENV_PW=$line APPTAINERENV_LAST=1 APPTAINERENV_APPEND_PATH=$line \
				run -0 --separate-stderr coffer exec $image sh -c 'echo "started $PW,$LAST $PATH"'
			[ "$output" = "started ,1 $DEFPATH" ]
		done
	done
}
