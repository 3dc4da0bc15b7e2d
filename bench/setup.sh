# SPDX-License-Identifier: Apache-2.0
# Everything that the parts need: packages, the peer, users, keys, programs, and the two Debian trees.

setup() {
	scripts/install-packages build run test bench
	tests/peer/setup >&2
	[ -e /dev/fuse ] || mknod /dev/fuse c 10 229
	chmod 0666 /dev/fuse
	id coffer-test >/dev/null 2>&1 || useradd -m -s /bin/bash coffer-test
	for file in subuid subgid; do
		grep -q '^coffer-test:' /etc/$file || echo 'coffer-test:300000:65536' >>/etc/$file
	done
	[ -f build-bench/build.ninja ] ||
		meson setup --buildtype=release -Dtests=false -Dbench=true build-bench >&2
	meson configure -Dbench=true build-bench
	ninja -C build-bench >&2

	mkdir -p "$work/bin" "$work/mnt" "$results"
	chmod 0777 "$work"
	cp build-bench/coffer "$work/bin/"
	dirty=$(git diff --quiet HEAD -- src meson.build || echo -dirty)
	echo "$(git rev-parse --short HEAD)$dirty" >"$work/commit"
	for name in stopwatch reader generate unlock sparse; do
		cp "build-bench/bench/bench-$name" "$work/bin/$name"
	done
	if [ ! -e "$work/pri.pem" ]; then
		openssl genrsa -traditional -out "$work/pri.pem" 4096 2>/dev/null
		openssl rsa -in "$work/pri.pem" -RSAPublicKey_out -out "$work/pub.pem" 2>/dev/null
		chmod 0644 "$work"/*.pem
	fi
	debian base python3-minimal
	debian sci python3-scipy,python3-pandas
}

debian() { # NAME PACKAGES
	[ ! -e "$work/$1/.ready" ] || return 0
	say "making the tree $1"
	rm -rf "${work:?}/$1"
	debootstrap --variant=minbase --include="$2" bookworm "$work/$1" >&2
	rm -rf "$work/$1"/dev/* "$work/$1"/var/cache/apt/archives/*.deb
	chmod -R a+rX "$work/$1"
	touch "$work/$1/.ready"
}
