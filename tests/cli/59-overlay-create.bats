#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# overlay create: ext3 file systems to lie over images (spec runtime.md 9). Beside Apptainer's: tests/peer/overlay.bats.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	mkdir -p tree/low
	make_definition image.def "$WORK/tree"
	coffer -q build plain.sif image.def
	coffer -q build --encryption=luks2 --pem-path=rsa_pub.pem luks2.sif plain.sif
	coffer -q build --encryption=gocryptfs --pem-path=rsa_pub.pem gocryptfs.sif plain.sif
	chmod 0777 .
}
teardown_file() { drop_work; }
setup() { cd "$WORK" && mkdir -m 0777 new; }
teardown() { cd "$WORK" && rm -rf new signed.sif sign.pem; }

listed() { # IMAGE FOLDER: mode, owner and name of what is in it
	debugfs -R "ls -l $2" "$1" 2>/dev/null | awk '$9 != "." && $9 != ".." && NF { print $2, $4 ":" $5, $9 }'
}
me() { echo "$(id -u):$(id -g)"; }
nothing_left() { [ "$(ls -A new)" = "$1" ] || { ls -A new; false; }; }

@test "a new file, whatever the umask is" {
	umask 077
	run -0 --separate-stderr coffer overlay create --create-dir /data/deep,etc --create-dir "a b" new/a.img
	umask 022
	[ -z "$output" ]
	[ "$(stat -c '%a %s' new/a.img)" = '600 67108864' ]
	nothing_left a.img
	e2fsck -fn new/a.img >fsck 2>&1 || { cat fsck; false; }
	[ "$(listed new/a.img / | grep -v lost+found)" = "40755 $(me) upper"$'\n'"40755 $(me) work" ]
	[ "$(listed new/a.img /upper | sort)" = "40755 $(me) a"$'\n'"40755 $(me) data"$'\n'"40755 $(me) etc" ]
	[ "$(listed new/a.img /upper/data)" = "40755 $(me) deep" ]
	# All of its room is its own.
	[ "$(($(stat -c '%b * %B' new/a.img)))" -ge 67108864 ]
	run -0 --separate-stderr coffer overlay create --sparse --size=80 new/sparse.img
	[ "$(stat -c %s new/sparse.img)" -eq $((80 << 20)) ]
	[ "$(($(stat -c '%b * %B' new/sparse.img)))" -lt $((20 << 20)) ]
	run -0 --separate-stderr coffer overlay create --fakeroot new/root.img
	am_root || [ "$(listed new/root.img / | grep -v lost+found)" = '40755 0:0 upper'$'\n''40755 0:0 work' ]
}

@test "where no file can be without a name, and where it cannot be made" {
	local without=("$COFFER_ROOT/bin/without" O_TMPFILE --)
	cp plain.sif new/plain.sif
	run -0 --separate-stderr "${without[@]}" coffer overlay create --sparse new/a.img
	e2fsck -fn new/a.img >fsck 2>&1 || { cat fsck; false; }
	run -0 --separate-stderr "${without[@]}" coffer overlay create new/plain.sif
	run coffer sif list new/plain.sif
	[[ "$output" == *'|FS (Ext3/Overlay/'* ]]
	nothing_left a.img$'\n'plain.sif
	# A small limit of files' sizes; and what no file system takes.
	# shellcheck disable=SC2016
	run --separate-stderr "${without[@]}" sh -c 'ulimit -f 1000; coffer overlay create new/b.img'
	refused 255 "while zero'ing overlay image new/b.img: file too large"
	run --separate-stderr "${without[@]}" coffer overlay create --size 8796093022207 new/b.img
	[ "$status" -eq 255 ]
	nothing_left a.img$'\n'plain.sif
}

@test "it is what --overlay and binds take" {
	coffer -q overlay create --create-dir low new/a.img
	run -0 --separate-stderr coffer exec -B new/a.img:/low:image-src=/upper/low plain.sif sh -c 'echo kept >/low/file'
	run -0 --separate-stderr coffer exec --overlay new/a.img:ro plain.sif cat /low/file
	[ "$output" = kept ]
	am_root || {
		coffer -q overlay create --fakeroot new/root.img
		run -0 --separate-stderr coffer exec --fakeroot -B new/root.img:/low:image-src=/upper plain.sif sh -c 'echo mine >/low/file'
		run -0 --separate-stderr coffer exec --fakeroot --overlay new/root.img:ro plain.sif cat /file
		[ "$output" = mine ]
	}
}

@test "a partition more of a SIF, of an encrypted one with a warning" {
	local kind
	for kind in plain luks2 gocryptfs; do
		cp $kind.sif new/$kind.sif
		run -0 --separate-stderr coffer overlay create --create-dir of-the-overlay new/$kind.sif
		if [ $kind = plain ]; then
			[[ "$stderr" != *WARNING* ]]
		else
			err_has "new/$kind.sif is encrypted, and its overlay partition is not: what a container writes there is in clear"
		fi
		run coffer sif list new/$kind.sif
		[[ "$output" == *'|FS (Ext3/Overlay/'* ]]
		run --separate-stderr coffer overlay create new/$kind.sif
		refused 255 "a writable overlay partition already exists in new/$kind.sif (ID: "
		err_has "\"coffer sif del "
	done
	nothing_left gocryptfs.sif$'\n'luks2.sif$'\n'plain.sif
	run -0 --separate-stderr coffer exec new/plain.sif ls -d /of-the-overlay
	# Nobody has named it.
	run --separate-stderr coffer exec --pem-path=rsa_pri.pem new/luks2.sif ls -d /of-the-overlay
	[ "$status" -eq 1 ]
	err_has 'An overlay partition in clear is left out, since the image is encrypted'
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem --overlay new/luks2.sif:ro new/luks2.sif ls -d /of-the-overlay
}

@test "what is there is not replaced, and what is wrong is said in Apptainer's words" {
	coffer -q overlay create --sparse new/a.img
	run --separate-stderr coffer overlay create new/a.img
	refused 255 'EXT3 overlay image new/a.img already exists'
	echo text >new/text
	run --separate-stderr coffer overlay create new/text
	refused 255 'while opening image file new/text: image format not recognized'
	run --separate-stderr coffer overlay create new
	refused 255 'destination image must be SIF image'
	am_root || {
		chmod 0444 new/text
		run --separate-stderr coffer overlay create new/text
		refused 255 'while opening image file new/text: permission denied'
		[ "$(cat new/text)" = text ]
	}
	ln -s nowhere new/link
	run --separate-stderr coffer overlay create new/link
	[ "$status" -eq 255 ]
	[ ! -e new/nowhere ]
	run --separate-stderr coffer overlay create --size 63 new/b.img
	refused 255 'image size must be equal or greater than 64 MiB'
	run --separate-stderr coffer overlay create --create-dir ../x new/b.img
	refused 255 'overlay directory created outside of overlay layout'
	run --separate-stderr coffer overlay create new/no/b.img
	refused 255 "while zero'ing overlay image new/no/b.img.ext3: no such file or directory"
	run --separate-stderr coffer overlay create --size x new/b.img
	refused 1 'invalid argument "x" for "-s, --size" flag: strconv.ParseInt: parsing "x": invalid syntax'
	openssl genpkey -algorithm ed25519 -out sign.pem
	cp plain.sif signed.sif
	coffer -q sign --key sign.pem signed.sif
	run --separate-stderr coffer overlay create signed.sif
	refused 255 'SIF image signed.sif is signed: could not add writable overlay'
	nothing_left a.img$'\n'link$'\n'text
}

@test "without the program its package is named" {
	am_root || return 0
	# shellcheck disable=SC2016
	run --separate-stderr unshare -m sh -c 'mount --bind /dev/null "$(readlink -f "$(command -v mkfs.ext3)")" &&
		exec coffer overlay create new/a.img'
	refused 255 'exec: "mkfs.ext3": executable file not found in $PATH'
	err_has 'as root: apt-get install e2fsprogs'
	nothing_left ''
}
