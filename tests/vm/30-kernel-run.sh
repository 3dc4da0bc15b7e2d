# SPDX-License-Identifier: Apache-2.0
# `coffer exec --mount=kernel`: a container on the kernel's own mount, and that nothing is left of it
# however it ends.
. "$(dirname "$0")/helper.bash"
coffer=$COFFER_BUILD/coffer
unset APPTAINER_ENCRYPTION_PASSPHRASE
make_tree sh cat true md5sum sleep kill ps touch ls
head -c 3000000 /dev/urandom > tree/noise
make_keys
"$coffer" -q build --encryption=luks2 --pem-path=public.pem luks2.sif tree
"$coffer" -q build plain.sif tree
sum=$(md5sum < tree/noise)

# Makes $run, so that what is started in the background is the program itself.
with() { # OPTIONS IMAGE
	# shellcheck disable=SC2206 # words
	run=("$coffer" -q exec --mount=kernel $1)
	[ "$2" != luks2.sif ] || run+=(--pem-path=key.pem)
	run+=("$2")
}
nobody_left() {
	for _ in $(seq 50); do
		[ -n "$(pgrep '^coffer'; pgrep '^appinit')" ] || return 0
		sleep 0.1
	done
	echo "  left behind: $(ps -eo pid,args | grep -e '[c]offer' -e '[a]ppinit')" >&2
	return 1
}

check "the fixtures run"
APPTAINER_ENCRYPTION_PASSPHRASE=secret "$coffer" exec --mount=kernel "$COFFER_BUILD/tests/fixtures/luks-pass.sif" \
	sh -c 'exit 7' || [ $? = 7 ]
with "" "$COFFER_BUILD/tests/fixtures/plain.sif"
"${run[@]}" true
nothing_left

for image in luks2.sif plain.sif; do
	for options in "" "--pid" "-B $PWD/tree:/given" "--writable-tmpfs" "--containall --no-init"; do
		check "$image $options"
		with "$options" $image
		"${run[@]}" sh -c "
			[ \"\$(md5sum < /noise)\" = '$sum' ] && exit 7" && false || [ $? = 7 ]
		nothing_left
		nobody_left
	done
done

check "no process of coffer's serves it, and one mapping is there while it runs"
with "" luks2.sif
"${run[@]}" sh -c "touch $PWD/ready; exec sleep 100" &
command=$!
for _ in $(seq 200); do [ -e ready ] && break || sleep 0.1; done
[ -z "$(pgrep -x coffer-image)" ]
[ "$(dmsetup ls | grep -c '^coffer-')" = 1 ]
kill "$command"
wait "$command" || [ $? = 143 ]
nothing_left

# The command, the namespace's init, and the payload, at a moment of each run: while it starts, too.
check "kill -9 of each process, at many moments"
start=$(date +%s%N)
with --pid luks2.sif
"${run[@]}" true
whole=$((($(date +%s%N) - start) / 1000000))
killed=" "
for i in $(seq 18); do
	with "$([ $((i % 2)) = 0 ] || echo --pid)" luks2.sif
	"${run[@]}" sleep 100 2> says &
	command=$!
	sleep "$(awk "BEGIN { print ($i * 7 % 18) * $whole / 12000 }")"
	case $((i % 3)) in
	0) victims=$command ;;
	1) victims=$(pgrep -x appinit || pgrep -P "$command") || victims=$command ;;
	2) victims=$(pgrep -x sleep -a | sed -n 's/^\([0-9]*\) .*sleep 100$/\1/p') || true ;;
	esac
	killed+="$((i % 3))-$([ -n "$victims" ] && [ "$victims" != "$command" ] && echo other || echo command) "
	# shellcheck disable=SC2086 # words
	kill -9 ${victims:-$command} 2> /dev/null || true
	wait "$command" 2> says || [ $? -gt 128 ]
	nothing_left
	nobody_left
done
# Each of the three was there to be killed.
for who in 0-command 1-other 2-other; do [[ $killed == *" $who "* ]]; done

check "a wrong key, and no container after it"
openssl genrsa -traditional -out other.pem 2048 2> says
refused 'cannot decrypt .*decryption error' "$coffer" exec --mount=kernel --pem-path=other.pem luks2.sif true
nothing_left
nobody_left
