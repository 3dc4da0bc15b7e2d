#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hunt for keys: both kinds are built and run with each source of a key, and at many moments
# everything that could keep a secret is searched for passphrase, private key, the secret that opens
# the image, its keys, and a plaintext marker: processes (environment, arguments, names, open files,
# memory as far as it may be read: root reads the command's and the payload's, and the server's),
# files on every file system, logs, messages, core dumps. Processes that would be gone too soon (the
# packer, a command that derives a key) are stopped for it. tests/tools/hunt.c says how it searches.

load helper

setup_file() {
	make_work
	# With --fakeroot the machine's root is a stranger to its own folder.
	chmod 0777 "$WORK"
	export S=$WORK/secrets
	# What nobody may have; the same and the marker, which is the container's; an image's own.
	mkdir -m 0700 "$S" "$S/keys" "$S/all" "$S/new"
	make_tree tree
	make_keys
	mv rsa_pri.pem other_pri.pem "$S/"
	# No shell of the test ever holds a secret: files hand them on.
	for file in passphrase password; do
		head -c 15 /dev/urandom | base64 | tr '+/' 'xy' >"$S/keys/$file.text"
	done
	# The private half of the key's numbers: what comes before are the public ones.
	openssl rsa -in "$S/rsa_pri.pem" -traditional -outform DER 2>/dev/null | tail -c +300 >"$S/keys/private.key"
	sed -n 12p "$S/rsa_pri.pem" >"$S/keys/private-12.text"
	sed -n 20p "$S/rsa_pri.pem" >"$S/keys/private-20.text"
	age-keygen -o "$S/me.key" 2>/dev/null
	age-keygen -y "$S/me.key" >me.pub
	tail -1 "$S/me.key" >"$S/keys/identity.text"
	python3 - "$S" <<'END'
import sys
letters = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
text = open(sys.argv[1] + '/me.key').read().split('AGE-SECRET-KEY-1')[1].strip().lower()[:-6]
number = 0
for c in text:
    number = number << 5 | letters.index(c)
open(sys.argv[1] + '/keys/identity.key', 'wb').write((number >> 4).to_bytes(32, 'big'))
END
	head -c 9 /dev/urandom | od -An -tx1 | tr -d ' \n' >"$S/half"
	{
		printf 'plain-'
		cat "$S/half"
	} >"$S/all/marker.text"
	cat >d.def <<END
Bootstrap: localimage
From: $WORK/tree

%setup
    $(sync_script setup)

%post
    printf '%s%s\n' 'plain-' '$(cat "$S/half")' >/etc/marker.txt
    i=0; while [ \$i -lt 20 ]; do cat /etc/marker.txt /bin/busybox; i=\$((i+1)); done >/etc/markers.txt
    $(sync_script post)

%runscript
    exec cat /etc/marker.txt
END
	ln "$S"/keys/* "$S/all/"
	touch stamp
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	rm -f at.* go.* ready go
}
teardown() {
	cd "$WORK"
	touch go go.setup go.post
	[ -z "${stopped:-}" ] || kill -CONT "$stopped" || true
	no_processes
}

# In a section: says that it is there, and waits.
sync_script() { echo "set +x; touch $WORK/at.$1; while [ ! -e $WORK/go.$1 ]; do sleep 0.1; done"; }

# Under AddressSanitizer all takes its time: its turn is short.
sources=(prompt pipe variable pem-path variable-path variable-data descriptor command identity)
if sanitized; then sources=(variable pem-path); fi
# Both kinds with the sources that later tests use; of the others each with one kind as root and as a
# user without subordinate ids, and with the other as one with.
sources_for() { # KIND
	local i=0 source
	[ "$1" = luks2 ] || i=$((i + 1))
	[ "$(id -un)" != coffer-test ] || i=$((i + 1))
	for source in "${sources[@]}"; do
		i=$((i + 1))
		[[ "$source" != @(variable|pem-path) ]] && [ $((i % 2)) -eq 0 ] || echo "$source"
	done
}
# Not each source with each way to run, but each way to run with a source.
run_options() { # SOURCE
	case $1 in
	pipe) echo --pid ;;
	variable) echo --fakeroot ;;
	variable-path) echo --pid --fakeroot ;;
	esac
}
hunt() { "$COFFER_ROOT/bin/hunt" "$@"; }
# A command with a variable that no shell of ours has.
with_variable() { # NAME FILE COMMAND...
	# shellcheck disable=SC2016
	sh -c 'export "$1=$(cat "$2")"; shift 2; exec "$@"' sh "$@"
}
# coffer with a key from a source: `coffer VERB OPTIONS... ARGUMENTS...`
coffer_from() { # SOURCE VERB ARGUMENTS...
	local source=$1 verb=$2 key=$S/rsa_pri.pem encrypt='' again=()
	shift 2
	if [ "$verb" = build ]; then
		key=$WORK/rsa_pub.pem encrypt=--encrypt
		again=("passphrase: " "@$S/keys/passphrase.text")
	fi
	case $source in
	prompt)
		terminal "encryption passphrase: " "@$S/keys/passphrase.text" "${again[@]}" -- \
			coffer "$verb" --passphrase "$@"
		;;
	pipe)
		# shellcheck disable=SC2002 # a pipe, and no file that the command has open
		cat "$S/keys/passphrase.text" | coffer "$verb" --passphrase "$@"
		;;
	variable) with_variable APPTAINER_ENCRYPTION_PASSPHRASE "$S/keys/passphrase.text" coffer "$verb" $encrypt "$@" ;;
	pem-path) coffer "$verb" --pem-path="$key" "$@" ;;
	# The RSA key beside it is there to learn the image's own secrets by.
	identity)
		if [ "$verb" = build ]; then
			coffer build --pem-path="$key" --recipient me.pub "$@"
		else
			coffer "$verb" --identity "$S/me.key" "$@"
		fi
		;;
	# A file that is open may be read again: the payload must not have it.
	descriptor) coffer "$verb" --key-fd 9 "$@" 9<"$key" ;;
	command) coffer "$verb" --key-command "cat $S/keys/passphrase.text" "$@" ;;
	variable-path) APPTAINER_ENCRYPTION_PEM_PATH=$key coffer "$verb" $encrypt "$@" ;;
	# Where it runs, by the older name.
	variable-data) with_variable "$([ "$verb" = build ] && echo APPTAINER || echo SINGULARITY)_ENCRYPTION_PEM_DATA" "$key" coffer "$verb" $encrypt "$@" ;;
	esac
}
# What types at a prompt knows the answer.
typist() { pgrep -u "$(id -u)" -f "/terminal .*@$S" | sed 's/^/-x /'; }
# The command, in what a job of ours has started: the first process that is coffer.
command_of() { # JOB
	local child
	[ "$(cat "/proc/$1/comm" 2>/dev/null)" != coffer ] || { echo "$1"; return 0; }
	for child in $(pgrep -P "$1"); do
		command_of "$child" && return 0
	done
	return 1
}
children_are() { [ "$(pgrep -c -P "$1")" -eq "$2" ]; } # PID COUNT
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; } # PID
stop() { # PID
	stopped=$1
	kill -STOP "$1"
	wait_for is_stopped "$1"
}
go_on() { # with what was stopped, which is still there
	is_stopped "$stopped"
	kill -CONT "$stopped"
	stopped=
}

clean() { # HUNT-ARGUMENTS...
	run hunt "$@"
	[ "$status" -eq 0 ] || { echo "hunt $*: $output"; false; }
}
# Everything of a moment but memories. With a server the marker is where it belongs.
moment() {
	clean processes -t $$ "$S/all"
	[ "$(sed -n 's/^looked at \([0-9]*\) processes.*/\1/p' <<<"$output")" -ge 2 ]
	clean files -e "$S" stamp "$S/all" "$WORK" /dev/shm /run
}
# The memory of one that hides: only root reads it.
hidden_memory() { # PID
	clean process -m "$1" "$S/all"
	if am_root; then grep -q ', 1 memories' <<<"$output"; else grep -q ', 0 memories' <<<"$output"; fi
}

# With one processor it packs long enough to be stopped meanwhile.
slowly="--mksquashfs-args=-processors 1"
build_and_hunt() { # KIND SOURCE
	# One image for a passphrase costs what it costs: there must be a moment to look at.
	local cost=()
	[[ "$2" != @(prompt|pipe|command) ]] || cost=(cheaply)
	rm -f at.* go.* "$1-$2.sif"
	"${cost[@]}" coffer_from "$2" build --encryption="$1" --bind "$WORK" "$slowly" "$1-$2.sif" d.def >log 2>&1 3>&- &
	hunt_a_build $!
}
hunt_a_build() { # JOB
	local command builder packer
	wait_for test -e at.setup
	command=$(command_of "$1")
	builder=$(pgrep -P "$command")
	moment
	sanitized || section_memories "$command" "$builder"
	touch go.setup
	wait_for test -e at.post
	moment
	sanitized || section_memories "$command" "$builder"
	# The packer is the second that the command has forked. Stopped, it stays for the hunt.
	touch go.post
	wait_for children_are "$command" 2
	packer=$(pgrep -n -P "$command")
	! am_root || wait_for packing "$packer"
	stop "$packer"
	# Memories too: but for the command and the packer, who need the key.
	# shellcheck disable=SC2046
	clean processes $(typist) -m -n coffer -t $$ "$S/keys"
	clean files -e "$S" stamp "$S/all" "$WORK" /dev/shm /run
	[ "$(pgrep -P "$command" | sort)" = "$(printf '%s\n' "$builder" "$packer" | sort)" ]
	go_on
	wait "$1" || { cat log; false; }
	grep -q 'Creating SIF' log
	clean text "$S/all" log
	moment
}
# While a section runs, which makes the marker: only the command has a key, and what types it.
section_memories() { # COMMAND BUILDER
	# shellcheck disable=SC2046
	clean processes $(typist) -x "$1" -m -t $$ "$S/keys"
	hidden_memory "$2"
}
# Root sees that it has begun to write, or to read the tree.
packing() { [ -n "$(find -L "/proc/$1/fd" -maxdepth 1 -type f -size +500k)" ]; } # PID

run_and_hunt() { # KIND SOURCE
	local options
	rm -f ready go inside
	options=$(run_options "$2")
	# shellcheck disable=SC2086
	coffer_from "$2" exec $options "$1-$2.sif" sh -c "$payload" >log 2>&1 3>&- &
	hunt_a_run $! "$options"
}
payload='env >inside; md5sum /etc/markers.txt >>inside; echo >ready.new; mv ready.new ready
	while [ ! -e go ]; do sleep 0.05; done'
hunt_a_run() { # JOB OPTIONS
	local command server inside init=
	wait_for test -e ready
	# Numbers from inside are those of another namespace.
	command=$(command_of "$1")
	server=$(pgrep -P "$command" '^coffer-image')
	inside=$(pgrep -P "$command" | grep -vx "$server")
	if [[ "$2" = *--pid* ]]; then
		init=$inside
		[ "$(cat "/proc/$init/comm")" = appinit ]
		inside=$(pgrep -P "$init")
	fi
	[ "$(cat "/proc/$inside/comm")" = sh ]
	clean text "$S/all" inside
	moment
	clean process -m "$inside" "$S/all"
	grep -q ', 1 memories' <<<"$output"
	sanitized || memories_and_hunt "$command" "$server" "$init"
	touch go
	wait "$1" || { cat log; false; }
	clean text "$S/all" log
}

# The memories of all that runs, and for root the command's, the server's, and that of the
# container's first process, which was forked and never became another program.
memories_and_hunt() { # COMMAND SERVER INIT
	# shellcheck disable=SC2046
	clean processes -m $(typist) -x "$2" -t $$ "$S/all"
	hidden_memory "$1"
	[ -z "$3" ] || hidden_memory "$3"
	if am_root; then server_and_hunt "$2"; else hidden_memory "$2"; fi
}

# Root reads the server's memory, but for what the kernel itself cannot see: the image's keys.
server_and_hunt() { # PID
	clean process "$1" "$S/keys"
	if grep -q secretmem "/proc/$1/maps"; then
		clean process -m "$1" "$S/keys"
		grep -q ', 1 memories' <<<"$output"
	else
		# Older kernels: what it needs to go on, and nothing else.
		coffer doctor 2>/dev/null | grep 'no memfd_secret'
		run hunt process -m "$1" "$S/keys"
		refute grep -q -e passphrase -e private -e secret.text <<<"$output"
	fi
}

# The image's own secrets, from when it is built on.
learn() { # KIND SOURCE
	local file
	case $2 in
	prompt | pipe | variable | command) with_variable APPTAINER_ENCRYPTION_PASSPHRASE "$S/keys/passphrase.text" "$COFFER_ROOT/bin/seal" secrets "$1-$2.sif" "$S/new" ;;
	*) APPTAINER_ENCRYPTION_PEM_PATH=$S/rsa_pri.pem "$COFFER_ROOT/bin/seal" secrets "$1-$2.sif" "$S/new" ;;
	esac
	for file in "$S"/new/*; do
		ln "$file" "$S/all/$1-$2-${file##*/}"
		mv "$file" "$S/keys/$1-$2-${file##*/}"
	done
}

@test "luks2: built and run with each source of a key, nothing is found" {
	for source in $(sources_for luks2); do
		build_and_hunt luks2 "$source"
		learn luks2 "$source"
		run_and_hunt luks2 "$source"
	done
}

@test "gocryptfs: built and run with each source of a key, nothing is found" {
	for source in $(sources_for gocryptfs); do
		build_and_hunt gocryptfs "$source"
		learn gocryptfs "$source"
		run_and_hunt gocryptfs "$source"
	done
}

# An image of an earlier test; anew where this test runs by itself.
have() { # KIND SOURCE
	[ -e "$1-$2.sif" ] || cheaply coffer_from "$2" build --encryption="$1" "$1-$2.sif" tree >/dev/null 2>&1
}
@test "built on an encrypted base, with a key of each source for it, nothing is found" {
	have luks2 pem-path
	have gocryptfs variable
	sed "s|^From: .*|From: $WORK/luks2-pem-path.sif|" d.def >base.def
	coffer build --encryption=gocryptfs --pem-path=rsa_pub.pem --base-pem-path="$S/rsa_pri.pem" \
		--bind "$WORK" "$slowly" gocryptfs-base.sif base.def >log 2>&1 3>&- &
	hunt_a_build $!
	learn gocryptfs base
	sed "s|^From: .*|From: $WORK/gocryptfs-variable.sif|" d.def >base.def
	rm -f at.* go.*
	terminal "encryption passphrase: " "@$S/keys/passphrase.text" -- \
		coffer build --encryption=luks2 --pem-path=rsa_pub.pem --base-passphrase \
		--bind "$WORK" "$slowly" luks2-base.sif base.def >log 2>&1 3>&- &
	hunt_a_build $!
	learn luks2 base
}

@test "run with a private key whose password is typed, nothing is found" {
	local kind form
	for kind in luks2 gocryptfs; do
		rm -f ready go inside
		form=-traditional
		[ $kind = luks2 ] || form=
		# shellcheck disable=SC2086
		openssl rsa -in "$S/rsa_pri.pem" -aes256 $form -passout "file:$S/keys/password.text" -out "$S/protected.pem" 2>/dev/null
		grep -q ENCRYPTED "$S/protected.pem"
		terminal "Enter password of $S/protected.pem: " "@$S/keys/password.text" -- \
			coffer exec --pem-path="$S/protected.pem" $kind-pem-path.sif sh -c "$payload" >log 2>&1 3>&- &
		hunt_a_run $! ""
	done
}

# The container's process has been forked by then, and waits for the server, which is not there yet.
@test "while a key is derived from a passphrase, nothing is found" {
	local job command container met=
	for _ in 1 2 3 4 5 6 7 8; do
		rm -f ready go
		coffer_from variable exec luks2-variable.sif sh -c "$payload" >log 2>&1 3>&- &
		job=$!
		wait_for command_of $job
		command=$(command_of $job)
		wait_for pgrep -P "$command"
		sleep 0.1
		stop "$command"
		container=$(pgrep -P "$command")
		# Who has seen it wait has seen the command come as far as the image.
		if children_are "$command" 1 && deriving "$command" "$container"; then
			met=1
			moment
			sanitized || derivation_and_hunt "$command" "$container"
			children_are "$command" 1
		fi
		go_on
		touch go
		wait "$job" || { cat log; false; }
		clean text "$S/all" log
		[ -z "$met" ] || break
	done
	[ -n "$met" ]
}
# It works, and its child waits for it.
deriving() { # COMMAND CONTAINER
	local fields
	read -r -a fields <"/proc/$1/stat"
	[ $((fields[13] + fields[14])) -ge 5 ] && grep -q '^State:.S' "/proc/$2/status"
}
derivation_and_hunt() { # COMMAND CONTAINER
	clean processes -x "$1" -m -t $$ "$S/all"
	hidden_memory "$2"
	# That the command has what is not found elsewhere.
	! am_root || { run -1 hunt process -m "$1" "$S/all" && grep -q '^FOUND passphrase.text' <<<"$output"; }
}

# Root's dumps come from everybody: nobody is asked whether he may be looked into.
@test "no core dump of the command or the server; the payload's has no key" {
	ulimit -c unlimited
	mkdir cores
	cd cores
	for kind in luks2 gocryptfs; do
		cheaply coffer_from variable build --force --encryption=$kind ../dump.sif ../tree
		for signal in SEGV ABRT; do
			for whom in command server; do
				rm -f ../ready
				coffer_from variable exec ../dump.sif sh -c 'echo $$ $PPID >../ready.new; mv ../ready.new ../ready; while [ ! -e ../go ]; do sleep 0.1; done' >../log 2>&1 3>&- &
				local command=$!
				wait_for test -e ../ready || { cat ../log; false; }
				read -r payload parent <../ready
				server=$(pgrep -P "$parent" '^coffer-image')
				[ "$(sed -n 's/^Max core file size *\([0-9a-z]*\) *\([0-9a-z]*\) .*/\1 \2/p' "/proc/$server/limits")" = "0 0" ]
				[ $whom = command ] && kill -$signal "$parent" || kill -$signal "$server"
				wait "$command" && false
				refute grep -q . <(find "$WORK" -name 'core*' -type f)
			done
		done
		# The payload's own is an ordinary process's. It is here unless the machine gives cores to a
		# program, or has a folder for them; AddressSanitizer forbids them to all below it.
		run coffer_from variable exec ../dump.sif sh -c 'kill -SEGV $$'
		[ "$status" -eq 139 ]
		sanitized || [[ "$(cat /proc/sys/kernel/core_pattern)" = [/\|]* ]] || [ -n "$(find . -name 'core*' -type f)" ]
		for core in "$WORK"/cores/core*; do
			[ ! -e "$core" ] || clean text "$S/keys" "$core"
		done
		rm -f core*
	done
	rm ../dump.sif
}

# The messages of everything that can go wrong with a key, with all there is to be said.
@test "no message repeats a key" {
	head -c 700 "$S/rsa_pri.pem" >"$S/cut.pem"
	{ echo "-----BEGIN RSA PRIVATE KEY-----"; sed -n 12,20p "$S/rsa_pri.pem"; echo "-----END RSA PRIVATE KEY-----"; } >"$S/middle.pem"
	# Without line ends it is read, as people have it; without its end, too, it is not.
	tr -d '\n' <"$S/rsa_pri.pem" | head -c 1500 >"$S/one-line.pem"
	: >log
	local file name verb
	fails() { run --separate-stderr "$@" </dev/null; [ "$status" -ne 0 ] && printf '%s\n' "$output" "$stderr" >>log; }
	for file in rsa_pri.pem cut.pem middle.pem one-line.pem keys/passphrase.text other_pri.pem; do
		for name in PEM_DATA PEM_PATH PASSPHRASE; do
			for image in luks2-pem-path.sif gocryptfs-pem-path.sif; do
				# The right key in the right variable would open it.
				[ $file-$name != rsa_pri.pem-PEM_DATA ] || continue
				# A short text may be the name of a file, which a message repeats.
				[ $file-$name != keys/passphrase.text-PEM_PATH ] || continue
				fails with_variable APPTAINER_ENCRYPTION_$name "$S/$file" coffer -d exec $image true
			done
			[ $name = PASSPHRASE ] || [ $file-$name = keys/passphrase.text-PEM_PATH ] || fails with_variable APPTAINER_ENCRYPTION_$name "$S/$file" coffer -d build --encrypt out.sif d.def
		done
		[ $file = rsa_pri.pem ] || fails coffer -d exec --pem-path="$S/$file" luks2-pem-path.sif true
		fails coffer -d build --pem-path="$S/$file" out.sif d.def
		# A key where a path belongs, or a passphrase where none may be.
		[ $file = keys/passphrase.text ] || fails with_argument "$S/$file" coffer -d exec --pem-path=@ luks2-pem-path.sif true
		fails with_argument "$S/$file" coffer -d exec --passphrase=@ luks2-pem-path.sif true
		fails with_argument "$S/$file" coffer -d build --passphrase=@ out.sif d.def
		fails coffer -d exec --passphrase gocryptfs-pem-path.sif true
	done
	fails sh -c "cat '$S/rsa_pri.pem' | coffer -d exec --passphrase luks2-variable.sif true"
	[ "$(grep -c FATAL log)" -gt 40 ]
	clean text "$S/all" log
	[ ! -e out.sif ]
}
# Puts what is in the file in the place of @.
with_argument() { # FILE COMMAND...
	# shellcheck disable=SC2016
	sh -c 'k=$(cat "$1"); shift; for a; do shift; case $a in *=@) a=${a%@}$k ;; esac; set -- "$@" "$a"; done; exec "$@"' sh "$@"
}

# After all of it: whatever has been written since, by anybody, to any file system.
@test "nothing is left on any file system, nor in the logs" {
	local images
	images=$(($(sources_for luks2 | wc -l) + $(sources_for gocryptfs | wc -l) + 2))
	[ "$(ls ./*.sif | wc -l)" -eq $images ]
	clean files -e "$S" stamp "$S/all"
	[ "$(sed -n 's/.* \([0-9]*\) files$/\1/p' <<<"$output")" -ge $images ]
	if am_root; then
		dmesg >kernel.log
		clean text "$S/all" kernel.log
	fi
}

@test "the hunt finds what is planted" {
	local kind pattern
	for pattern in marker.text passphrase.text private.key; do
		for kind in memory memfd environment arguments; do
			# These are texts.
			[[ "$pattern-$kind" != private.key-[ea]* ]] || continue
			plant_and_find "$pattern" $kind "$S/all/$pattern"
		done
		plant_and_find "$pattern" descriptor "$S/all/$pattern" "$WORK"
		cp "$S/all/$pattern" planted
		run -1 hunt files -e "$S" stamp "$S/all" "$WORK"
		grep -q "^FOUND $pattern in $WORK/planted" <<<"$output"
		run -1 hunt text "$S/all" planted
		rm planted
	done
	# Backwards and in pieces, too: as numbers and keys are held.
	python3 - "$S" <<'END'
import sys
folder = sys.argv[1]
key = open(folder + "/all/private.key", "rb").read()
key = key[:len(key) // 16 * 16]
words = [key[i:i + 4] for i in range(0, len(key), 4)]
forms = {"backwards": key[::-1], "words": b"".join(w[::-1] for w in words), "digits": key.hex().encode(), "piece": key[32:48]}
for name, form in forms.items():
    open(folder + "/form." + name, "wb").write(form)
END
	for kind in backwards words digits piece; do
		run -1 hunt text "$S/all" "$S/form.$kind"
		grep -q "^FOUND private.key in $S/form.$kind" <<<"$output"
		plant_and_find private.key memory "$S/form.$kind"
	done
	rm "$S"/form.*
}
plant_and_find() { # NAME KIND FILE [PLACE]
	local planted options=(-m)
	"$COFFER_ROOT/bin/hunt" plant "$2" "$3" ${4:+"$4"} 3>&- &
	planted=$!
	# All but the memory is looked at without it, too: what else would show that?
	[ "$2" = memory ] || options=(-m -n planted)
	wait_for planted_found $planted "$1" "${options[@]}"
	[ "$2" != memory ] || clean processes -m -n planted -t $$ "$S/all"
	kill $planted
	wait $planted || true
}
planted_found() { # PID NAME OPTIONS...
	run hunt processes "${@:3}" -t $$ "$S/all"
	[ "$status" -eq 1 ] && grep -q "^FOUND $2 in planted ($1) " <<<"$output"
}
