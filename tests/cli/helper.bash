# SPDX-License-Identifier: Apache-2.0
# What every end-to-end test loads. The runner (scripts/check) sets:
#   COFFER         the program
#   COFFER_ROOT    where tests/ lies
# The reference images are in $FIXTURES.
# Tests run as root, as a user with subordinate ids and as one without: `am_root`, `have_subids`.

bats_require_minimum_version 1.5.0
: "${COFFER:=$BATS_TEST_DIRNAME/../../build/coffer}"
: "${COFFER_ROOT:=$BATS_TEST_DIRNAME/../..}"
FIXTURES=$COFFER_ROOT/tests/fixtures
[ -e "$FIXTURES/plain.sif" ] || FIXTURES=$(dirname "$COFFER")/tests/fixtures
PATH=$(dirname "$COFFER"):/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export COFFER PATH
unset APPTAINER_ENCRYPTION_PEM_PATH APPTAINER_ENCRYPTION_PEM_DATA APPTAINER_ENCRYPTION_PASSPHRASE

am_root() { [ "$(id -u)" -eq 0 ]; }
have_subids() { grep -q "^$(id -un):" /etc/subuid; }
# The type that `sif list` shows for what this user builds by default.
default_kind() { if am_root; then echo 'Encrypted squashfs'; else echo 'Gocryptfs squashfs'; fi; }

# A folder of the test file's own on disk, and in it a busybox tree and a definition.
make_work() {
	WORK=$(mktemp -d /var/tmp/coffer-cli.XXXXXX)
	export WORK
	cd "$WORK" || return 1
}
drop_work() { chmod -R u+rwX "$WORK" 2>/dev/null; rm -rf "$WORK"; }

make_tree() { # DIR
	mkdir -p "$1/bin" "$1/etc"
	cp /bin/busybox "$1/bin/busybox"
	local name
	for name in sh cat echo env id ls mkdir rm touch md5sum find sort stat pwd sleep kill tty ps mount grep true false test head wc dd hostname chown chmod umask mv dd cp mknod; do
		ln -sf busybox "$1/bin/$name"
	done
	echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
	echo 'root:x:0:' >"$1/etc/group"
	echo 'a marker that must stay hidden' >"$1/etc/secret.txt"
}

make_definition() { # FILE TREE
	cat >"$1" <<END
Bootstrap: localimage
From: $2

%post
    echo "made in post" >/etc/post.txt

%environment
    export GREETING="hello"

%runscript
    echo "\$GREETING, args: \$*"

%test
    test -e /etc/post.txt

%labels
    org.example.name end-to-end

%help
    A test image.
END
}

make_keys() { # in the current folder: rsa_pri.pem, rsa_pub.pem as in the guide, and other_pri.pem
	local name
	for name in rsa other; do
		ssh-keygen -q -t rsa -b 2048 -m pem -N '' -f "./$name"
		ssh-keygen -f "./$name.pub" -e -m pem >"${name}_pub.pem"
		mv "$name" "${name}_pri.pem"
	done
}

# In the current folder: me.key, me.pub, you.key, you.pub of age's, and OpenSSH's ed, srsa.
make_age_keys() {
	local name
	for name in me you; do
		age-keygen -o $name.key 2>/dev/null
		age-keygen -y $name.key >$name.pub
	done
	ssh-keygen -q -t ed25519 -N '' -f ed
	ssh-keygen -q -t rsa -b 2048 -N '' -f srsa
}
# An image of make_tree's starts with this key.
opens() { # IMAGE OPTION...
	local image=$1
	shift
	run --separate-stderr coffer exec --no-home "$@" "$image" echo started </dev/null
	[ "$status" -eq 0 ] && [ "$output" = started ] || { echo "$image $*: $stderr"; false; }
}

# A terminal may be given this file: UTF-8, and nothing in it that a terminal obeys.
harmless() {
	iconv -f UTF-8 -t UTF-8 "$1" >/dev/null
	refute env LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]' "$1"
}

# Where the cost of guessing a passphrase is not what is looked at: a command whose coffer makes keyslots
# that take no time (tests/tools/cheap.c says how). What it has built, any coffer opens in no time.
cheaply() { # COMMAND...
	mkdir -p "$WORK/cheap"
	ln -sfn "$COFFER_ROOT/bin/coffer-cheap" "$WORK/cheap/coffer"
	ln -sfn "$COFFER_ROOT/bin/coffer-cheap" "$WORK/cheap/apptainer"
	local PATH=$WORK/cheap:$PATH
	"$@"
}

# Runs a command in a terminal of its own: terminal [PROMPT ANSWER]... -- COMMAND...
terminal() { "$COFFER_ROOT/tests/cli/terminal" "$@"; }
job() { "$COFFER_ROOT/tests/cli/job" "$@"; }

# After `run --separate-stderr`: standard error has this line.
err_has() {
	grep -qF -- "$1" <<<"$stderr" || { echo "no '$1' in: $stderr"; false; }
}
# A failure as it should be: status, a line of cause with its words, and a second line of remedy.
refused() { # STATUS WORDS
	[ "$status" -eq "$1" ] || { echo "status $status, not $1: $stderr"; false; }
	err_has "$2"
	# Usage errors have a form of their own.
	[ "$1" -eq 1 ] || {
		local fatal=$'\n'"$(tail -n 2 <<<"$stderr")"
		[[ "$fatal" =~ ^$'\n''FATAL:   '[^$'\n']+$'\n''         '[^\ $'\n'][^$'\n']*$ ]] ||
			{ echo "not a line of cause and one of remedy at the end: $stderr"; false; }
		[ "$(grep -c '^FATAL:' <<<"$stderr")" -eq 1 ]
	}
}
# Not so. (`! command` cannot fail a test: the shell's -e does not apply to it.)
refute() { ! "$@"; }
wait_for() { # COMMAND...: until it succeeds; a minute at most, as a busy machine is no fault
	local i
	for i in $(seq 1200); do
		"$@" && return 0
		sleep 0.05
	done
	echo "in vain: $*"
	false
}
# Whether coffer has AddressSanitizer in it, whose run time keeps what was freed, and a copy of the
# environment that the process began with: no memory to look for secrets in.
sanitized() { grep -q __asan_init "$COFFER"; }
is_gone() { # PID: gone, or waiting to be reaped
	case $(ps -o stat= -p "$1") in "" | Z*) ;; *) return 1 ;; esac
}
all_gone() { # PID...
	local pid
	for pid; do wait_for is_gone "$pid"; done
}
# A file as one more partition of a SIF, by the numbers of `coffer sif add`: file system 1 is squashfs, 2
# ext3; type 3 data, 4 overlay.
with_partition() { # FROM TO FILE-SYSTEM TYPE FILE
	cp "$1" "$2"
	coffer sif add --datatype 4 --partfs "$3" --parttype "$4" --partarch 2 --groupid 1 "$2" "$5"
}
# Processes of this user that are this program's; another's can be told apart by root only.
ours() {
	local process program
	for process in $(pgrep -u "$(id -u)" '^coffer|^appini'); do
		program=$(readlink "/proc/$process/exe" 2>/dev/null)
		[ -z "$program" ] || [ "$program" = "$(readlink -f "$COFFER")" ] ||
			[ "$program" = "$(readlink -f "$COFFER_ROOT/bin/coffer-cheap")" ] || continue
		[ -e "/proc/$process" ] && grep -v ' Z$' <(ps -o pid=,args=,state= -p "$process")
	done
	return 0
}
# No mount has come since $MOUNTS was all of them. One may have gone: of a folder that is removed,
# wherever that is done, the kernel takes the mounts away in every namespace.
no_new_mounts() {
	local new
	new=$(comm -13 <(sort <<<"$MOUNTS") <(sort /proc/self/mountinfo))
	[ -z "$new" ] || { echo "mounts that stay: $new"; false; }
}
# Nothing of coffer's is left behind, once what is about to end has ended.
no_processes() {
	local i left
	for i in $(seq 1200); do
		left=$(ours)
		[ -n "$left" ] || return 0
		sleep 0.05
	done
	echo "left: $left"
	false
}

# docker-registry(1), with what more its configuration is to have; its number is in NAME.pid.
start_registry() { # NAME VARIABLE MORE: on a port of its own
	local port i
	for i in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >"$1.yml" <<-END
			version: 0.1
			log: {level: error}
			storage: {filesystem: {rootdirectory: $WORK/$1.store}}
			http:
			  addr: 127.0.0.1:$port$3
		END
		docker-registry serve "$1.yml" >"$1.log" 2>&1 3>&- &
		echo $! >"$1.pid"
		wait_for listens_or_ended "$port" "$(cat "$1.pid")"
		kill -0 "$(cat "$1.pid")" 2>/dev/null || continue
		eval "$2=$port"
		return 0
	done
	cat "$1.log"
	return 1
}
listens_or_ended() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null || ! kill -0 "$2" 2>/dev/null; }
