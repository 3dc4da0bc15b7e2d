#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Instances (spec runtime.md 15): started, joined, listed and stopped; what they leave behind, and how
# they end when parts of them are killed.

load helper

setup_file() {
	make_work
	# With --fakeroot the machine's root is a stranger to its own folder.
	chmod 0777 "$WORK"
	make_keys
	make_tree tree
	cp "$COFFER_ROOT/bin/calls" tree/bin/calls
	cp "$COFFER_ROOT/tests/cli/profile.json" .
	cat >image.def <<-END
		Bootstrap: localimage
		From: $WORK/tree

		%environment
		    export GREETING=hello
		    if [ -e $WORK/slow ]; then sleep 2; fi

		%runscript
		    echo "run \$*"
		    exec sleep 5001

		%startscript
		    trap 'echo term; exit 0' TERM
		    trap 'echo int; exit 0' INT
		    echo "a word of the start script" >&2
		    echo "start \$*"
		    while :; do if [ -e $WORK/probe ]; then . $WORK/probe; fi; sleep 0.1; done
	END
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	export APPTAINER_ENCRYPTION_PASSPHRASE=tea-for-two
	cheaply coffer -q build --encryption=gocryptfs gocryptfs.sif plain.sif
	unset APPTAINER_ENCRYPTION_PASSPHRASE
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	export XDG_STATE_HOME=$WORK/state
	rm -rf state
	PLACE=$XDG_STATE_HOME/coffer/instances/$(hostname)
	MOUNTS=$(cat /proc/self/mountinfo)
}
teardown() {
	local process
	# What a test that failed has left.
	for process in $(pgrep -u "$(id -u)" -x coffer-keeper); do
		[ -z "${BATS_TEST_COMPLETED:-}" ] && kill -9 "$process"
	done
	no_processes && no_new_mounts && nothing_left
}
# No state of an instance; its logs stay.
nothing_left() {
	local left
	left=$(find "$XDG_STATE_HOME" -not -type d -not -path '*/logs/*' 2>/dev/null)
	[ -z "$left" ] || { echo "left: $left"; false; }
}
# With its key, whatever that is.
start() { # IMAGE NAME [ARGUMENT...]; options in $OPTIONS
	local key=()
	case $1 in
	luks2.sif) key=(--pem-path=rsa_pri.pem) ;;
	gocryptfs.sif) local -x APPTAINER_ENCRYPTION_PASSPHRASE=tea-for-two ;;
	esac
	local log=$PLACE/logs/$2.out before
	before=$(cat "$log" 2>/dev/null | wc -l)
	# shellcheck disable=SC2086 # words
	coffer instance start ${OPTIONS:-} "${key[@]}" "$@" || return
	wait_for said "$log" "$before"
}
said() { [ "$(wc -l <"$1")" -gt "$2" ]; }
ended() { # STATUS: of the process $command
	local got=0
	wait "$command" || got=$?
	[ "$got" -eq "$1" ] || { echo "status $got, not $1"; false; }
}
number_of() { coffer instance list "$1" | awk 'NR == 2 { print $2 }'; }
keeper_of() { ps -o ppid= -p "$(number_of "$1")" | tr -d ' '; }

@test "each kind is started, joined without a key, and stopped" {
	for image in plain.sif luks2.sif gocryptfs.sif; do
		run --separate-stderr start $image one a b
		[ "$status" -eq 0 ] && [ -z "$output" ]
		err_has 'INFO:    instance started successfully'
		run -0 coffer instance list
		[ "${lines[0]}" = "$(printf '%-17s%-*s%-6s%s' 'INSTANCE NAME' $((${#lines[1]} - 23 - ${#WORK} - 1 - ${#image})) PID IP IMAGE)" ]
		[[ "${lines[1]}" =~ ^one\ +[0-9]+\ +"$WORK/$image"$ ]]
		run -0 coffer exec instance://one cat /etc/secret.txt
		[ "$output" = 'a marker that must stay hidden' ]
		run -0 coffer exec instance://one sh -c 'echo "$GREETING $APPTAINER_INSTANCE $SINGULARITY_INSTANCE $APPTAINER_NAME $APPTAINER_CONTAINER"'
		[ "$output" = "hello one one $image $WORK/$image" ]
		run -7 coffer exec instance://one sh -c 'exit 7'
		run -143 coffer exec instance://one sh -c 'kill $$'
		run --separate-stderr coffer instance stop one
		[ "$status" -eq 0 ]
		[[ "$stderr" =~ ^'INFO:    Stopping one instance of '"$WORK/$image"' (PID='[0-9]+')'$ ]]
		[ "$(cat "$PLACE/logs/one.out")" = $'start a b\nint' ]
		grep -qx 'a word of the start script' "$PLACE/logs/one.err"
		nothing_left
		rm -r state
	done
}

@test "its state is for its user alone, and has no key and no variable in it" {
	export A_SECRET=variable-that-is-nobodys
	start gocryptfs.sif one
	start luks2.sif two
	refute grep -rqE "tea-for-two|variable-that-is-nobodys|PRIVATE KEY|$(sed -n 2p rsa_pri.pem | cut -c 1-40 | sed 's/+/./g')" state
	[ -z "$(find state -type d -not -perm 0700)" ]
	[ -z "$(find state -not -type d -not -perm 0600)" ]
	[ "$(find state -name '*.json' | wc -l)" -eq 2 ]
	coffer instance stop --all
	# One that others may enter is refused.
	chmod 0750 "$PLACE"
	run --separate-stderr start plain.sif one
	refused 255 "is not its user's alone"
	chmod 0700 "$PLACE"
}

# What the kernel says of a process, and what of the machine it can see.
facts='id; umask; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups; grep -E "^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)" /proc/self/status; ls /proc/self/fd | wc -l; echo $HOME; pwd; cat /proc/1/comm; touch /etc/x; mount | sort; calls terminal default'

@test "who joins is confined as the first program was" {
	local ways=("" --fakeroot --contain "--fakeroot --contain" --userns "--security seccomp:unconfined" "--security seccomp:profile.json" "--writable-tmpfs --net --network none" "--ipc --uts")
	! am_root || ways+=("--drop-caps sys_admin,net_raw" --no-privs)
	for options in "${ways[@]}"; do
		OPTIONS=$options start plain.sif one
		# shellcheck disable=SC2086 # words
		coffer exec $options --pid plain.sif sh -c "$facts" >fresh 2>&1 </dev/null || true
		coffer exec instance://one sh -c "$facts" >joined 2>&1 </dev/null || true
		# Of each their own: what is mounted from is numbered, and the first process is not an init of both.
		sed -i 's/^INFO: .*//; /^$/d; s/,user_id=.*//' fresh joined
		diff fresh joined || { echo "with '$options'"; false; }
		coffer instance stop one
	done
}

@test "who joins is in all namespaces of the instance, and sees its processes" {
	OPTIONS="--net --network none --uts --ipc --hostname inside" start plain.sif one
	for kind in user mnt pid net uts ipc; do
		run -0 coffer exec instance://one sh -c "test \$(ls -l /proc/1/ns/$kind 2>/dev/null | wc -l) -le 1; readlink /proc/self/ns/$kind || ls -l /proc/self/ns/$kind"
		first=$(coffer exec instance://one ls -l /proc/self/ns/$kind | sed 's/.*-> //')
		second=$(coffer exec instance://one ls -l /proc/self/ns/$kind | sed 's/.*-> //')
		[ "$first" = "$second" ]
		[ $kind = user ] && am_root || [ "$first" != "$(readlink /proc/self/ns/$kind)" ]
	done
	[ "$(coffer exec instance://one hostname)" = inside ]
	# What one makes the other sees; a process of one is seen by the other.
	# One of them may end meanwhile.
	run -0 coffer exec instance://one sh -c 'cat /proc/*/comm 2>/dev/null || true'
	grep -qx appinit <<<"$output"
	refute grep -q bats <<<"$output"
	coffer instance stop one
}

@test "the environment, the folder and the script are those of who joins" {
	mkdir -p elsewhere
	cd elsewhere
	FOO=at-start start ../plain.sif one
	run -0 env FOO=at-join coffer exec instance://one sh -c 'echo $FOO; pwd'
	[ "$output" = "at-join"$'\n'"$PWD" ]
	run -0 coffer exec --env BAR=by-option --cleanenv instance://one sh -c 'echo "$BAR ${FOO-none}"'
	[ "$output" = "by-option none" ]
	run -0 coffer exec --pwd /etc instance://one pwd
	[ "$output" = /etc ]
	run -0 coffer exec --no-umask instance://one sh -c umask
	[ "$output" = 0022 ]
	run --separate-stderr coffer exec --fakeroot --bind /etc:/mnt instance://one true
	[ "$status" -eq 0 ]
	err_has 'INFO:    --fakeroot ignored when joining instance'
	err_has 'INFO:    --bind ignored when joining instance'
	run -124 timeout 3 coffer run instance://one x y
	grep -q 'run x y' <<<"$output"
	run terminal 'in> ' 'echo $((6*7))' 42 'exit 5' -- coffer shell --env 'PS1=in> ' instance://one
	[ "$status" -eq 5 ]
	cd ..
	coffer instance stop one
}

@test "with --contain who joins has a terminal of the instance's" {
	OPTIONS=--contain start plain.sif one
	run terminal ready answer -- coffer exec instance://one sh -c 'tty; echo ready; read x; echo "got $x"; exit 6'
	[ "$status" -eq 6 ]
	grep -q 'got answer' <<<"$output"
	grep -q '^/dev/' <<<"$output"
	refute grep -qF "$(tty 2>/dev/null || echo none-at-all)" <<<"$output"
	coffer instance stop one
}

@test "nobody in the instance can look into who joins, be it its root" {
	am_root && ways=(--userns --fakeroot) || ways=("" --fakeroot)
	cat >look <<-'END'
		for p in /proc/[0-9]*; do
			[ "$(cat $p/comm 2>/dev/null)" = coffer ] || continue
			got=
			for f in environ maps mem auxv; do
				if dd if=$p/$f bs=1 count=1 2>/dev/null | grep -q .; then got="$got $f"; fi
			done
			for f in cwd root exe ns/mnt fd/0; do
				if [ -e $p/$f ]; then got="$got $f"; fi
			done
			if ls $p/fd >/dev/null 2>&1; then got="$got fd"; fi
			# Else it has become the program meanwhile.
			if [ "$(cat $p/comm 2>/dev/null)" = coffer ]; then echo "found, got:$got"; fi
		done >>probed
	END
	for OPTIONS in "${ways[@]}"; do
		rm -f probed
		: >probed
		chmod 0666 probed
		start plain.sif one
		touch slow
		mv look probe
		run -0 coffer exec instance://one true
		mv probe look
		rm slow
		coffer instance stop one
		grep -q '^found' probed
		refute grep -v '^found, got:$' probed
	done
}

@test "signals are passed on to who has joined, and the end of the instance ends it" {
	start plain.sif one
	coffer exec instance://one sh -c "trap 'echo got >late; exit 5' USR1; echo >ready; while :; do sleep 0.1; done" 3>&- &
	command=$!
	wait_for test -e ready
	kill -USR1 $command
	ended 5
	rm -f ready late
	coffer exec instance://one sh -c 'echo >ready; exec sleep 5002' 3>&- 2>/dev/null &
	command=$!
	wait_for test -e ready
	coffer instance stop one
	ended 137
	rm -f ready
	# Killed, it takes its program along, and not the instance.
	start plain.sif one
	coffer exec instance://one sh -c 'echo >ready; exec sleep 5003' 3>&- &
	wait_for test -e ready
	kill -9 $!
	wait_for eval '! pgrep -u "$(id -u)" -fx "sleep 5003"'
	coffer exec instance://one true
	coffer instance stop one
	rm -f ready
}

@test "stop: which signal, which instances, and how long" {
	start plain.sif one
	coffer instance stop -s TERM one
	grep -qx term "$PLACE/logs/one.out"
	start plain.sif one
	coffer instance stop --signal sigterm one
	start plain.sif one
	coffer instance stop -s 15 one
	[ "$(grep -cx term "$PLACE/logs/one.out")" -eq 3 ]
	for name in web1 web2 db; do start plain.sif $name; done
	run --separate-stderr coffer instance stop 'web*'
	[ "$(grep -c Stopping <<<"$stderr")" -eq 2 ]
	run -0 coffer instance list 'd*'
	[ "${#lines[@]}" -eq 2 ]
	run -1 coffer instance stop 'web*'
	grep -q 'Error for command "stop": no instance found' <<<"$output"
	run -1 coffer instance stop
	grep -q 'Error for command "stop": invalid command' <<<"$output"
	run --separate-stderr coffer instance stop -s NONE db
	[ "$status" -eq 1 ]
	err_has 'NONE is no signal'
	run --separate-stderr coffer instance stop --all --force
	[ "$status" -eq 0 ]
	refute grep -q int "$PLACE/logs/db.out"
	# What does not end is killed.
	coffer instance run plain.sif deaf
	coffer exec instance://deaf true
	run --separate-stderr coffer instance stop -s USR1 -t 20 deaf
	refute grep -q Killing <<<"$stderr"
	OPTIONS= start plain.sif deaf
	run --separate-stderr coffer instance stop -s CONT -t 1 deaf
	[ "$status" -eq 0 ]
	err_has 'Killing deaf instance'
	err_has '(Timeout)'
}

@test "the run script, its arguments, the pid file, the logs, JSON" {
	coffer instance run --pid-file number plain.sif one 'a b' c
	wait_for grep -q . "$PLACE/logs/one.out"
	[ "$(cat "$PLACE/logs/one.out")" = 'run a b c' ]
	[ "$(cat number)" = "$(number_of one)" ]
	[ "$(cat "/proc/$(cat number)/comm")" = appinit ]
	run -0 coffer instance list --json one
	[ "$output" = "$(printf '{\n\t"instances": [\n\t\t{\n\t\t\t"instance": "one",\n\t\t\t"pid": %s,\n\t\t\t"img": "%s",\n\t\t\t"ip": "",\n\t\t\t"logErrPath": "%s",\n\t\t\t"logOutPath": "%s"\n\t\t}\n\t]\n}' "$(cat number)" "$WORK/plain.sif" "$PLACE/logs/one.err" "$PLACE/logs/one.out")" ]
	run -0 coffer instance list --logs
	[[ "${lines[1]}" =~ ^one\ +[0-9]+\ +"$PLACE/logs/one.err"$ ]]
	[[ "${lines[2]}" =~ ^\ +"$PLACE/logs/one.out"$ ]]
	run --separate-stderr coffer instance list --logs --json
	refused 255 'more than one flags have been set'
	coffer instance stop one
	run -0 coffer instance list
	[ "$output" = 'INSTANCE NAME    PID    IP    IMAGE' ]
}

@test "an instance holds nothing of who has started it" {
	# A pipe that stays open would keep the reader waiting.
	run -0 timeout 20 bash -c 'exec 7> >(cat); coffer instance start plain.sif one 2>&1 | cat; exec 7>&-; wait'
	[ "$(ps -o sid= -p "$(keeper_of one)" | tr -d ' ')" = "$(keeper_of one)" ]
	[ "$(ps -o tty= -p "$(keeper_of one)" | tr -d ' ')" = '?' ]
	run -0 ls -l "/proc/$(pgrep -P "$(number_of one)" -f startscript)/fd"
	grep -q "$PLACE/logs/one.err" <<<"$output"
	refute grep -q pipe <<<"$output"
	coffer instance stop one
	# Nor what he ignores: a shell that finds a signal ignored never hears it.
	(trap '' INT TERM; start plain.sif one)
	coffer instance stop -t 30 one
	[ "$(tail -n 1 "$PLACE/logs/one.out")" = int ]
	# It outlives the terminal, too.
	run terminal 'started' HANGUP -- sh -c 'coffer instance start plain.sif one && echo started && sleep 100'
	coffer exec instance://one true
	coffer instance stop one
}

@test "the first program may end: the instance goes on" {
	cat >short.def <<-END
		Bootstrap: localimage
		From: $WORK/tree
		%startscript
		    echo short
		    sleep 5004 &
	END
	coffer -q build --force short.sif short.def
	start short.sif one
	wait_for grep -q short "$PLACE/logs/one.out"
	sleep 0.3
	coffer exec instance://one true
	coffer instance stop -s TERM one
	refute pgrep -u "$(id -u)" -fx 'sleep 5004'
	# One without a start script of its own.
	printf 'Bootstrap: localimage\nFrom: %s\n' "$WORK/tree" >none.def
	coffer -q build --force none.sif none.def
	coffer instance start none.sif one
	coffer exec instance://one true
	coffer instance stop -t 5 one
}

@test "what cannot be started says why, and leaves nothing" {
	run --separate-stderr coffer instance start plain.sif bad/name
	refused 255 'while executing starter: while checking instance name: bad/name is not a valid instance name'
	run --separate-stderr coffer instance start gocryptfs.sif one
	refused 255 'While checking container encryption'
	run --separate-stderr env APPTAINER_ENCRYPTION_PASSPHRASE=wrong coffer instance start gocryptfs.sif one
	refused 255 'While checking container encryption: cannot decrypt'
	run --separate-stderr coffer instance start --pem-path=other_pri.pem luks2.sif one
	refused 255 'While checking container encryption: cannot decrypt'
	run --separate-stderr coffer instance start --bind /does/not/exist plain.sif one
	refused 255 '/does/not/exist'
	run --separate-stderr coffer instance start --app none plain.sif one
	refused 255 "the container's environment scripts ended with status 1"
	run --separate-stderr coffer instance start --boot plain.sif one
	[ "$status" -eq 255 ]
	err_has '--boot'
	nothing_left
	start plain.sif one
	run --separate-stderr start plain.sif one
	refused 255 'instance one already exists'
	coffer exec instance://one true
	coffer instance stop one
	for command in exec run shell; do
		run --separate-stderr coffer $command instance://one true
		refused 255 'While setting image/instance: no instance found with name one'
	done
	run --separate-stderr coffer exec instance://../one true
	refused 255 'no instance found with name ../one'
}

@test "killed parts leave nothing, and what they left is cleaned" {
	# The keeper: everything goes with it.
	start gocryptfs.sif one
	init=$(number_of one)
	kill -9 "$(keeper_of one)"
	wait_for test ! -e "/proc/$init"
	no_processes
	[ -e "$PLACE/one.json" ]
	run -0 coffer instance list
	[ "${#lines[@]}" -eq 1 ]
	nothing_left
	# Once more, and the next one of the name comes first.
	start gocryptfs.sif one
	kill -9 "$(keeper_of one)"
	no_processes
	start plain.sif one
	# Its first process.
	kill -9 "$(number_of one)"
	no_processes
	nothing_left
	# The process that serves the image.
	start gocryptfs.sif one
	server=$(pgrep -u "$(id -u)" -x coffer-image)
	kill -9 "$server"
	no_processes
	nothing_left
	grep -q 'the process that serves the image was killed by signal 9' "$PLACE/logs/one.err"
	# The command, before there is anything.
	start plain.sif other
	for wait in 0 0.02 0.05 0.1; do
		coffer instance start plain.sif one 3>&- 2>/dev/null &
		sleep $wait
		kill -9 $! 2>/dev/null || true
		wait $! || true
		coffer instance stop one 2>/dev/null || true
	done
	coffer instance stop other
}

@test "a state that is no instance's is believed in nothing" {
	start plain.sif one
	cp "$PLACE/one.json" "$PLACE/two.json"
	sed -i 's/"one"/"two"/' "$PLACE/two.json"
	# Nobody holds its lock, though its process lives.
	run --separate-stderr coffer exec instance://two true
	refused 255 'no instance found with name two'
	[ ! -e "$PLACE/two.json" ]
	# A link, a folder, a pipe, garbage.
	ln -s one.json "$PLACE/three.json"
	mkfifo "$PLACE/four.json"
	head -c 300 /dev/urandom >"$PLACE/five.json"
	run -0 timeout 20 coffer instance list
	[ "$(grep -c "$WORK" <<<"$output")" -ge 1 ]
	refute grep -qE '^(three|four|five) ' <<<"$output"
	rm -f "$PLACE/three.json" "$PLACE/four.json"
	# The time at which its first process has begun is another.
	cp "$PLACE/one.json" state.json
	sed 's/"born": /"born": 9/' state.json >"$PLACE/one.json"
	run -0 coffer instance list
	[ "${#lines[@]}" -eq 1 ]
	cat state.json >"$PLACE/one.json"
	coffer instance stop one
	# A door that is another's: whoever answers there is not the one who holds the lock.
	start plain.sif one
	start plain.sif two
	mv "$PLACE/one.door" "$PLACE/kept"
	ln -s two.door "$PLACE/one.door"
	run --separate-stderr coffer exec instance://one true
	refused 255 'is not to be trusted'
	mv "$PLACE/kept" "$PLACE/one.door"
	coffer exec instance://one true
	coffer instance stop -a
}


# Python of this machine's, in a container.
in_container() { # OPTIONS ARGUMENT...
	local options=$1 folder binds=()
	shift
	for folder in /usr /lib /lib64; do [ ! -e $folder ] || binds+=(--bind $folder); done
	# shellcheck disable=SC2086 # words
	coffer -q exec $options "${binds[@]}" plain.sif /usr/bin/python3 "$@"
}

@test "from inside a container nobody is let in at the door, and nobody keeps one" {
	# Root without namespaces of its own is root.
	am_root && ways=(--pid --userns --fakeroot) || ways=("" --pid --fakeroot)
	cat >knock.py <<-'END'
		import socket, sys
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.settimeout(10)
		try:
		    s.connect(sys.argv[1])
		    data, fds, _, _ = socket.recv_fds(s, 4096, 16)
		except (ConnectionResetError, PermissionError):
		    data, fds = b"", []
		print(len(data), len(fds))
	END
	cat >keep.py <<-'END'
		import fcntl, os, socket, sys
		place = sys.argv[1]
		try:
		    text = open(place + "/one.json").read().replace('"one"', '"false"')
		    state = open(place + "/false.json", "w")
		except PermissionError:
		    sys.exit(9)
		state.write(text)
		state.flush()
		fcntl.lockf(state, fcntl.LOCK_EX)
		s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
		s.bind(place + "/false.door")
		s.listen()
		open("ready", "w").close()
		s.settimeout(10)
		s.accept()
	END
	chmod a+r ./*.py
	start plain.sif one
	run -0 /usr/bin/python3 knock.py "$PLACE/one.door"
	[ "$output" = "1 1" ]
	for options in "${ways[@]}"; do
		run -0 in_container "$options" knock.py "$PLACE/one.door"
		[ "$output" = "0 0" ] || { echo "with '$options'"; false; }
		rm -f ready
		in_container "$options" keep.py "$PLACE" 3>&- &
		command=$!
		if [ -r "$PLACE/one.json" ] && { ! am_root || [ "$options" = --pid ]; }; then
			wait_for test -e ready
			run --separate-stderr coffer exec instance://false true
			refused 255 'is kept by a process that is not to be trusted'
			ended 0
		else
			ended 9
		fi
		coffer instance list >/dev/null
		[ ! -e "$PLACE/false.json" ]
	done
	coffer instance stop one
}

@test "another user's instances are root's alone to see" {
	start plain.sif one
	if am_root; then
		run -0 coffer instance list --user root
		run --separate-stderr coffer instance list --user nobody-of-that-name
		refused 255 'there is no user nobody-of-that-name'
	else
		run --separate-stderr coffer instance list --user root
		refused 255 "Only root user can list user's instances"
		run --separate-stderr coffer instance stop --user root one
		[ "$status" -eq 1 ]
		grep -q "Only root user can stop user's instances" <<<"$stderr"
	fi
	coffer instance stop one
}

@test "many at once" {
	for i in $(seq 12); do start plain.sif "n$i" 3>&- 2>/dev/null & done
	wait
	run -0 coffer instance list
	[ "${#lines[@]}" -eq 13 ]
	# Of several with one name one starts.
	for i in $(seq 6); do start plain.sif same 3>&- 2>/dev/null & done
	wait
	[ "$(coffer instance list same | wc -l)" -eq 2 ]
	for i in $(seq 12); do coffer exec "instance://n$i" true; done
	coffer instance stop -a 2>/dev/null
}
