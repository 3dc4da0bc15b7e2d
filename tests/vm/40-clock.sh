# SPDX-License-Identifier: Apache-2.0
# The time of day jumps, by years and both ways, all the while: here, as the kernel is ours. What
# waits measures by a clock that does not jump, as coffer must.
. "$(dirname "$0")/helper.bash"
coffer=$COFFER_BUILD/coffer
unset APPTAINER_ENCRYPTION_PASSPHRASE
make_tree sh cat true md5sum sleep touch date
head -c 6000000 /dev/urandom > tree/noise
sum=$(md5sum < tree/noise)
make_keys

# Since boot, in hundredths of a second.
uptime_now() { sed 's/\.//; s/ .*//' /proc/uptime; }
now=$(date +%s)
jump() {
	while [ ! -e calm ]; do
		for years in 3 0 -3 1; do
			date -s "@$((now + years * 31536000))" > jumped
			sleep 0.02
		done
	done
}
jump &
jumper=$!
trap 'touch calm; wait $jumper; date -s "@$now" > jumped' EXIT

check "the clock jumps"
years=
for _ in $(seq 40); do years+="$(date +%Y) "; sleep 0.03; done
[ "$(tr ' ' '\n' <<< "$years" | sort -u | grep -c .)" -ge 3 ]

for kind in luks2 gocryptfs; do
	check "$kind: it is built, again with a section, and read"
	"$coffer" -q build --encryption=$kind --pem-path=public.pem $kind.sif tree
	printf 'Bootstrap: localimage\nFrom: %s\n%%post\nsleep 1; cat /noise > /copy\n' $kind.sif > again.def
	"$coffer" -q build --force --encryption=$kind --pem-path=public.pem --base-pem-path=key.pem \
		again.sif again.def
	for image in $kind again; do
		for options in "" --pid --fakeroot; do
			# shellcheck disable=SC2086 # words
			"$coffer" -q exec $options --pem-path=key.pem $image.sif \
				sh -c "[ \"\$(md5sum < /noise)\" = '$sum' ] && sleep 0.3 && exit 7" && false || [ $? = 7 ]
		done
	done
	[ "$("$coffer" -q exec --pem-path=key.pem again.sif md5sum /copy)" = "${sum%-}/copy" ]

	# Two seconds is what it waits before it gives a stopped server up: neither at once, nor years.
	check "$kind: a server that is stopped is given up in its time"
	rm -f ready
	"$coffer" -q exec --pem-path=key.pem -B "$PWD:/given" $kind.sif \
		sh -c 'touch /given/ready; while cat /noise > /dev/null; do :; done' 2> says &
	command=$!
	for _ in $(seq 200); do [ -e ready ] && break || sleep 0.05; done
	sleep 0.5
	start=$(uptime_now)
	pkill -STOP -x coffer-image
	wait $command || [ $? = 255 ]
	took=$(($(uptime_now) - start))
	grep -q 'was stopped' says
	[ $took -ge 195 ] && [ $took -le 1500 ] || { echo "  after $took hundredths" >&2; false; }
	! pgrep -x coffer-image
done
