# SPDX-License-Identifier: Apache-2.0
# The same command lines on both sides, one after another, each side in a folder of its own: $X/here
# and $X/there.

here() { # as a normal user, with coffer
	cd $X/here && setpriv --reuid coffer-test --regid coffer-test --init-groups env -i \
		HOME=/home/coffer-test USER=coffer-test PATH="$(dirname "$COFFER"):/usr/bin:/bin:/usr/sbin:/sbin" \
		bash -c "$1"
}

there() { # as a normal user, with Apptainer
	"$BATS_TEST_DIRNAME/peer" -u peer -b $X:$X "cd $X/there && $1"
}

# Runs each line behind "apptainer" and tells its status and words: standard error but for the lines of
# remedies, which are coffer's own.
script() { # LINES
	printf 'umask 022\n'
	while read -r line; do
		[ -n "$line" ] || continue
		printf 'echo %q\napptainer %s >out 2>err; echo "status $?"; cat out; grep -v "^         " err\n' "$line" "$line"
	done <<<"$1"
	printf 'rm -f out err\n'
}

faceless() { # LOG: without identity and times
	sed -E 's/^( *(ID|Created At|Modified At): +)([0-9a-f]{8}-.*|2.*UTC)$/\1*/' "$1"
}

both() { # LINES
	script "$1" >$X/script
	here "bash $X/script" >$X/here.log 2>&1
	there "bash $X/script" >$X/there.log 2>&1
	diff <(faceless $X/there.log) <(faceless $X/here.log)
}
