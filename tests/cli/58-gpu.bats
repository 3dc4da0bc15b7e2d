#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# --nv and --rocm (spec runtime.md 14), with libraries, programs and devices that are made up.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	mkdir libs bin dev.real
	local name
	echo 'int made_up(void) { return 1; }' >lib.c
	for name in libcuda.so.1 libnvidia-ml.so.1 libcudart.so.12 libdrm_amdgpu.so.1 libnvcuvid.so.1; do
		cc -shared -fPIC -nostdlib -Wl,-soname,$name -o libs/$name lib.c
	done
	echo "$WORK/libs" >ld.so.conf
	/sbin/ldconfig -X -f ld.so.conf -C "$WORK/ld.so.cache" 2>/dev/null
	# One for another processor.
	printf '\267' | dd of=libs/libnvcuvid.so.1 bs=1 seek=18 conv=notrunc 2>/dev/null
	printf '#!/bin/sh\necho "made up: $*"\n' >bin/nvidia-smi
	printf 'no program\n' >bin/nvidia-debugdump
	cp bin/nvidia-smi bin/rocminfo
	chmod 755 bin/nvidia-smi bin/rocminfo
	: >empty.cache
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	cache=ld.so.cache
}

every_image=(plain.sif luks2.sif gocryptfs.sif)
key_of() { case $1 in luks2.sif | gocryptfs.sif) echo --pem-path=rsa_pri.pem ;; esac; }

# On a machine that has them.
with_gpus() {
	local namespaces=(--mount) back=()
	# mount(8) wants to be root, and coffer shall run as this user.
	if ! am_root; then
		namespaces+=(--map-root-user)
		back=(unshare --map-user="$(id -u)" --map-group="$(id -g)")
	fi
	PATH=$WORK/bin:$PATH unshare "${namespaces[@]}" sh -euc '
		mount --bind "$1" /etc/ld.so.cache
		mount --rbind /dev dev.real
		mount -t tmpfs -o mode=0755 dev /dev
		for d in null zero full random urandom tty fuse; do
			: >/dev/$d
			mount --bind dev.real/$d /dev/$d
		done
		mkdir /dev/pts /dev/dri
		mount --rbind dev.real/pts /dev/pts
		ln -s /proc/self/fd /dev/fd
		for d in nvidia0 nvidiactl dri/card0 kfd; do echo "device $d" >/dev/$d; done
		shift
		exec "$@"' - "$WORK/$cache" "${back[@]}" "$@"
}

has_lines() { # WANTED...: among those of $output
	local line
	for line; do grep -qxF -e "$line" <<<"$output"; done
}

@test "--nv brings libraries and programs along" {
	local image
	for image in "${every_image[@]}"; do
		# shellcheck disable=SC2046
		run -0 --separate-stderr with_gpus coffer exec $(key_of "$image") --nv "$image" \
			sh -c 'echo x >/.singularity.d/libs/libcuda.so.1 && echo written; ls /.singularity.d/libs; echo $LD_LIBRARY_PATH; nvidia-smi -L; cat /etc/secret.txt'
		has_lines libcuda.so.1 libnvidia-ml.so.1 /.singularity.d/libs 'made up: -L' 'a marker that must stay hidden'
		# Neither one that no name begins, nor one for another processor, nor what may be written.
		refute grep -e libcudart -e libnvcuvid -e libdrm -e written <<<"$output"
		[[ "$stderr" == *"Read-only file system"* ]]
	done
	run -0 --separate-stderr with_gpus coffer exec --nv plain.sif md5sum /.singularity.d/libs/libcuda.so.1
	[ "${output%% *}" = "$(md5sum <libs/libcuda.so.1 | cut -d' ' -f1)" ]
	[ "$stderr" = "" ]
	APPTAINER_NV=1 run -0 --separate-stderr with_gpus coffer exec plain.sif ls /.singularity.d/libs
	has_lines libcuda.so.1
	run -0 --separate-stderr with_gpus coffer exec plain.sif sh -c 'ls /.singularity.d/libs; [ -e /usr/bin/nvidia-smi ] || echo none'
	[ "$output" = none ]
}

@test "--rocm brings its own along, and both go together" {
	run -0 --separate-stderr with_gpus coffer exec --rocm plain.sif sh -c 'ls /.singularity.d/libs; rocminfo a'
	[[ "$output" == *libdrm_amdgpu.so.1*'made up: a' ]]
	[[ "$output" != *cuda* ]]
	SINGULARITY_ROCM=1 run -0 --separate-stderr with_gpus coffer exec --nv plain.sif ls /.singularity.d/libs
	[[ "$output" == *libcuda.so.1*libdrm_amdgpu.so.1* ]]
}

@test "a site may give them to everybody" {
	# Only root can speak for a site.
	am_root || return 0
	printf 'always use nv = yes\nalways use rocm = yes\n' >site.conf
	run -0 --separate-stderr with_gpus coffer -c site.conf exec plain.sif ls /.singularity.d/libs
	[[ "$output" == *libcuda.so.1*libdrm_amdgpu.so.1* ]]
}

@test "with --contain the devices are those of the option" {
	run -0 --separate-stderr with_gpus coffer exec -c --nv plain.sif sh -c 'cd /dev; ls -d nvidia*; [ -e dri ] || [ -e kfd ] || cat nvidia0'
	[ "$output" = $'nvidia0\nnvidiactl\ndevice nvidia0' ]
	run -0 --separate-stderr with_gpus coffer exec -c --rocm plain.sif sh -c 'cd /dev; cat dri/card0 kfd; ls -d nvidia* 2>/dev/null | wc -l'
	[ "$output" = $'device dri/card0\ndevice kfd\n0' ]
	run -0 --separate-stderr with_gpus coffer exec -c plain.sif sh -c 'ls -d /dev/nvidia* /dev/dri /dev/kfd 2>/dev/null | wc -l'
	[ "$output" = 0 ]
	run -0 --separate-stderr with_gpus coffer exec plain.sif cat /dev/nvidia0
	[ "$output" = 'device nvidia0' ]
}

@test "where there is nothing it is warned of, and it goes on" {
	cache=empty.cache
	mv bin/nvidia-smi nvidia-smi.away
	PATH=$(dirname "$COFFER"):/usr/sbin:/usr/bin run --separate-stderr with_gpus coffer exec --nv plain.sif echo ran
	mv nvidia-smi.away bin/nvidia-smi
	[ "$status" -eq 0 ]
	[ "$output" = ran ]
	[[ "$stderr" =~ WARNING:\ Could\ not\ find\ any\ nv\ (files|libraries)\ on\ this\ host! ]]
	run -0 --separate-stderr with_gpus coffer exec --nv plain.sif echo ran
	[[ "$stderr" == *'WARNING: Could not find any nv libraries on this host!'* ]]
	run -0 --separate-stderr coffer exec --nv=false --rocm=false plain.sif echo ran
	[ "$stderr" = "" ]
}

@test "libraries are found by a program that its user cannot read" {
	mkdir sealed
	cp "$COFFER" sealed/coffer
	# As the installed one, whose owner is another.
	chmod 0111 sealed/coffer
	run -0 --separate-stderr with_gpus sealed/coffer exec --nv plain.sif ls /.singularity.d/libs
	has_lines libcuda.so.1 libnvidia-ml.so.1
	refute grep libnvcuvid <<<"$output"
	[ "$stderr" = "" ]
}
