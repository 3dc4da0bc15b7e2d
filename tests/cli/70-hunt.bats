#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hunt for keys: both kinds are built and run with each source of a key, and at many moments
# everything that could keep a secret is searched for passphrase, private key, the secret that opens
# the image, its keys, and a plaintext marker: processes (environment, arguments, names, open files,
# memory as far as it may be read: root reads the command's and the payload's, and the server's),
# files on every file system, logs, messages, core dumps. tests/tools/hunt.c says how it searches.

load helper

setup_file() {
	make_work
	chmod 0755 "$WORK"
	export S=$WORK/secrets
	mkdir -m 0700 "$S" "$S/keys" "$S/all"
	make_tree tree
	make_keys
	mv rsa_pri.pem other_pri.pem "$S/"
	# No shell of the test ever holds a secret: files hand them on.
	head -c 15 /dev/urandom | base64 | tr '+/' 'xy' >"$S/keys/passphrase.text"
	# The private half of the key's numbers: what comes before are the public ones.
	openssl rsa -in "$S/rsa_pri.pem" -traditional -outform DER 2>/dev/null | tail -c +300 >"$S/keys/private.key"
	sed -n 12p "$S/rsa_pri.pem" >"$S/keys/private-12.text"
	sed -n 20p "$S/rsa_pri.pem" >"$S/keys/private-20.text"
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
	touch go go.setup go.post
	no_processes
}

# In a section: says that it is there, and waits.
sync_script() { echo "set +x; touch $WORK/at.$1; while [ ! -e $WORK/go.$1 ]; do sleep 0.1; done"; }

# The run time of AddressSanitizer keeps what was freed and takes its time: its turn is short.
sanitized() { grep -q __asan_init "$COFFER"; }
sources=(prompt pipe variable pem-path variable-path variable-data)
if sanitized; then sources=(variable pem-path); fi
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
	variable-path) APPTAINER_ENCRYPTION_PEM_PATH=$key coffer "$verb" $encrypt "$@" ;;
	variable-data) with_variable APPTAINER_ENCRYPTION_PEM_DATA "$key" coffer "$verb" $encrypt "$@" ;;
	esac
}
# What types at a prompt knows the answer.
typist() { pgrep -u "$(id -u)" -f "/terminal encryption passphrase: +@$S" | sed 's/^/-x /'; }

clean() { # HUNT-ARGUMENTS...
	run hunt "$@"
	[ "$status" -eq 0 ] || { echo "hunt $*: $output"; false; }
}
# Everything of a moment but memories. With a server the marker is where it belongs.
moment() {
	# shellcheck disable=SC2046
	clean processes $(typist) -t $$ "$S/all"
	[ "$(sed -n 's/^looked at \([0-9]*\) processes.*/\1/p' <<<"$output")" -ge 2 ]
	clean files -e "$S" stamp "$S/all" "$WORK" /dev/shm /run
}

build_and_hunt() { # KIND SOURCE
	local command
	rm -f at.* go.* "$1-$2.sif"
	coffer_from "$2" build --encryption="$1" --bind "$WORK" "$1-$2.sif" d.def >log 2>&1 3>&- &
	command=$!
	wait_for test -e at.setup
	moment
	touch go.setup
	wait_for test -e at.post
	moment
	touch go.post
	# What a terminal showed is known at its end.
	[ "$2" = prompt ] || wait_for grep -q 'Creating SIF' log
	# While it is packed, memories too: but for the command and the packer, who need the key.
	# shellcheck disable=SC2046
	clean processes $(typist) -m -n coffer -t $$ "$S/keys"
	wait "$command" || { cat log; false; }
	clean text "$S/all" log
	moment
}

run_and_hunt() { # KIND SOURCE
	local command payload parent server
	rm -f ready go inside
	coffer_from "$2" exec "$1-$2.sif" sh -c \
		'env >inside; md5sum /etc/markers.txt >>inside; echo $$ $PPID >ready.new; mv ready.new ready
		while [ ! -e go ]; do sleep 0.05; done' >log 2>&1 3>&- &
	command=$!
	wait_for test -e ready
	read -r payload parent <ready
	server=$(pgrep -P "$parent" '^coffer-image')
	clean text "$S/all" inside
	moment
	clean process -m "$payload" "$S/all"
	grep -q ', 1 memories' <<<"$output"
	sanitized || memories_and_hunt "$parent" "$server"
	touch go
	wait "$command" || { cat log; false; }
	clean text "$S/all" log
}

# The memories of all that runs, and for root the command's and the server's.
memories_and_hunt() { # COMMAND SERVER
	local parent=$1 server=$2
	# shellcheck disable=SC2046
	clean processes -m $(typist) -x "$server" -t $$ "$S/all"
	clean process -m "$parent" "$S/all"
	if am_root; then
		grep -q ', 1 memories' <<<"$output"
		server_and_hunt "$server"
	else
		grep -q ', 0 memories' <<<"$output"
		clean process -m "$server" "$S/all"
		grep -q ', 0 memories' <<<"$output"
	fi
}

# Root reads the server's memory, but for what the kernel itself cannot see: the image's keys.
server_and_hunt() { # PID
	clean process "$1" "$S/keys"
	if grep -q secretmem "/proc/$1/maps"; then
		clean process -m "$1" "$S/keys"
		grep -q ', 1 memories' <<<"$output"
	else
		# Older kernels: what it needs to go on, and nothing else.
		run hunt process -m "$1" "$S/keys"
		refute grep -q -e passphrase -e private -e secret.text <<<"$output"
	fi
}

# The image's own secrets, from when it is built.
learn() { # KIND SOURCE
	rm -f "$S"/keys/{secret.text,volume.key,master.key,content.key} "$S"/all/{secret.text,volume.key,master.key,content.key}
	case $2 in
	prompt | pipe | variable) with_variable APPTAINER_ENCRYPTION_PASSPHRASE "$S/keys/passphrase.text" "$COFFER_ROOT/bin/seal" secrets "$1-$2.sif" "$S/keys" ;;
	*) APPTAINER_ENCRYPTION_PEM_PATH=$S/rsa_pri.pem "$COFFER_ROOT/bin/seal" secrets "$1-$2.sif" "$S/keys" ;;
	esac
	ln -f "$S"/keys/* "$S/all/"
}

@test "luks2: built and run with each source of a key, nothing is found" {
	for source in "${sources[@]}"; do
		build_and_hunt luks2 "$source"
		learn luks2 "$source"
		run_and_hunt luks2 "$source"
	done
}

@test "gocryptfs: built and run with each source of a key, nothing is found" {
	for source in "${sources[@]}"; do
		build_and_hunt gocryptfs "$source"
		learn gocryptfs "$source"
		run_and_hunt gocryptfs "$source"
	done
}

# Root's dumps come from everybody: nobody is asked whether he may be looked into.
@test "no core dump of the command or the server; the payload's has no key" {
	ulimit -c unlimited
	mkdir cores
	cd cores
	for kind in luks2 gocryptfs; do
		learn_in_work $kind
		for signal in SEGV ABRT; do
			for whom in command server; do
				rm -f ../ready
				coffer_from variable exec ../$kind-variable.sif sh -c 'echo $$ $PPID >../ready.new; mv ../ready.new ../ready; exec sleep 1000' >../log 2>&1 3>&- &
				local command=$!
				wait_for test -e ../ready
				read -r payload parent <../ready
				[ $whom = command ] && kill -$signal "$parent" || kill -$signal "$(pgrep -P "$parent" '^coffer-image')"
				wait "$command" && false
				refute grep -q . <(find "$WORK" -name 'core*' -type f)
			done
		done
		# The payload's own is an ordinary process's.
		coffer_from variable exec $kind-variable.sif true 2>/dev/null || true
		run coffer_from variable exec ../$kind-variable.sif sh -c 'kill -SEGV $$'
		[ "$status" -eq 139 ]
		for core in "$WORK"/cores/core*; do
			[ ! -e "$core" ] || clean text "$S/keys" "$core"
		done
		rm -f core*
	done
}
learn_in_work() { (cd "$WORK" && learn "$1" variable); }

# The messages of everything that can go wrong with a key, with all there is to be said.
@test "no message repeats a key" {
	head -c 700 "$S/rsa_pri.pem" >"$S/cut.pem"
	{ echo "-----BEGIN RSA PRIVATE KEY-----"; sed -n 12,20p "$S/rsa_pri.pem"; echo "-----END RSA PRIVATE KEY-----"; } >"$S/middle.pem"
	tr -d '\n' <"$S/rsa_pri.pem" >"$S/one-line.pem"
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
	local images=$((2 * ${#sources[@]}))
	[ "$(ls ./*.sif | wc -l)" -eq $images ]
	clean files -e "$S" stamp "$S/all"
	[ "$(sed -n 's/.* \([0-9]*\) files$/\1/p' <<<"$output")" -ge $images ]
	if am_root; then
		dmesg >kernel.log
		clean text "$S/all" kernel.log
	fi
}

@test "the hunt finds what is planted" {
	local kind planted
	# Backwards and in pieces, too.
	for pattern in "$S/all/marker.text" "$S/all/private.key"; do
		for kind in memory environment arguments memfd; do
			[ "$pattern-$kind" != "$S/all/private.key-environment" ] || continue
			[ "$pattern-$kind" != "$S/all/private.key-arguments" ] || continue
			"$COFFER_ROOT/bin/hunt" plant $kind "$pattern" 3>&- &
			planted=$!
			wait_for planted_found $planted
			kill $planted
		done
		"$COFFER_ROOT/bin/hunt" plant descriptor "$pattern" "$WORK" 3>&- &
		planted=$!
		wait_for planted_found $planted
		kill $planted
		cp "$pattern" planted
		run -1 hunt files -e "$S" stamp "$S/all" "$WORK"
		grep -q "^FOUND .* in $WORK/planted" <<<"$output"
		run -1 hunt text "$S/all" planted
		rm planted
	done
	wait
}
planted_found() { # PID
	run hunt processes -m -t $$ "$S/all"
	[ "$status" -eq 1 ] && grep -q "^FOUND .* ($1) " <<<"$output"
}
