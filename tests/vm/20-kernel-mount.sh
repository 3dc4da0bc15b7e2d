# SPDX-License-Identifier: Apache-2.0
# --mount=kernel: what it shows, and that nothing is left however it ends.
. "$(dirname "$0")/helper.bash"
mkdir mnt
fixtures=$COFFER_BUILD/tests/fixtures

# The same image with a KDF that takes no time, so that what is killed below is past it.
quick() {
	local off=36864
	cp "$fixtures/luks-pass.sif" quick.sif
	tail -c +$((off + 1)) quick.sif > part
	printf secret | cryptsetup luksConvertKey -q --key-file - --pbkdf pbkdf2 \
		--pbkdf-force-iterations 1000 part
	head -c $((16 << 20)) part | dd of=quick.sif bs=4096 seek=$((off / 4096)) conv=notrunc status=none
}

check "Apptainer's image opens"
"$seal" mount "$fixtures/luks-pass.sif" mnt true
nothing_left
quick
cp "$fixtures/plain.sif" .

for image in quick plain; do
	check "$image.sif is mounted read-only, nosuid, nodev"
	"$seal" mount $image.sif mnt sh -c '
		cd mnt && md5sum -c --quiet "$0" && grep " $PWD " /proc/self/mounts > ../flags &&
		! touch x 2>/dev/null' "$fixtures/contents.md5"
	grep -q 'squashfs ro,nosuid,nodev' flags
	nothing_left

	check "$image.sif: while it is mounted there is a mapping, after kill -9 there is none"
	"$seal" mount $image.sif mnt sleep 100 &
	pid=$!
	for _ in $(seq 100); do
		[ "$(readlink "/proc/$pid/exe")" = "$(readlink -f "$(command -v sleep)")" ] && break
		sleep 0.1
	done
	[ -n "$(losetup --noheadings --output NAME)" ]
	[ "$image" = plain ] || [ "$(dmsetup ls | grep -c '^coffer-')" = 1 ]
	[ "$(ls /dev/mapper)" = control ]
	kill -9 $pid
	wait $pid 2>/dev/null || true
	nothing_left
done

check "kill -9 at any moment leaves nothing"
start=$(date +%s%N)
"$seal" mount quick.sif mnt true
whole=$((($(date +%s%N) - start) / 1000000))
for i in $(seq 12); do
	"$seal" mount quick.sif mnt true &
	pid=$!
	sleep "$(awk "BEGIN { print $i * $whole / 12000 }")"
	kill -9 $pid 2>/dev/null || true
	wait $pid 2>/dev/null || true
	nothing_left
done

check "a wrong passphrase, a gocryptfs image"
APPTAINER_ENCRYPTION_PASSPHRASE=wrong refused 'no key available with this passphrase' \
	"$seal" mount quick.sif mnt true
refused 'cannot mount a gocryptfs image' "$seal" mount "$fixtures/gocryptfs-pass.sif" mnt true
nothing_left
