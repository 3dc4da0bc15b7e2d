# SPDX-License-Identifier: Apache-2.0
# What coffer seals, the real cryptsetup and dm-crypt open; what they seal, coffer opens.
. "$(dirname "$0")/helper.bash"

mkdir tree mnt
head -c 3000000 /dev/urandom > tree/noise
echo hello > tree/hello
mksquashfs tree payload -quiet -no-progress > /dev/null

check "dm-crypt reads a new image"
"$seal" create image < payload
printf secret | cryptsetup open --readonly --key-file - image made-here
head -c "$(stat -c %s payload)" /dev/mapper/made-here | cmp - payload
mount -t squashfs -o ro /dev/mapper/made-here mnt
diff -r tree mnt
umount mnt
cryptsetup close made-here

check "coffer reads what dm-crypt wrote"
for sector in 512 4096; do
	for bits in 256 512; do
		rm -f other && truncate -s 20M other
		printf secret | cryptsetup luksFormat -q --sector-size $sector --key-size $bits \
			--pbkdf-memory 64 --pbkdf-force-iterations 4 --key-file - other
		printf secret | cryptsetup open --key-file - other made-there
		dd if=payload of=/dev/mapper/made-there bs=1M status=none
		cryptsetup close made-there
		"$seal" cat other > clear
		cmp -n "$(stat -c %s payload)" clear payload
	done
done
nothing_left
