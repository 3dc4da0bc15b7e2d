#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What changes a SIF: the same command lines on both sides, one after another, on a file of each
# side's own. Status and words are the same, and the files are but for times and the identity. As peer.bats.

bats_require_minimum_version 1.5.0
load lines

setup_file() {
	[ "$(id -u)" -eq 0 ] || { echo "run me as root" >&2; return 1; }
	"$BATS_TEST_DIRNAME/setup" >&2
	export X=/var/tmp/coffer-exchange-sif
	rm -rf $X
	mkdir -p $X/here $X/there
	for side in here there; do
		cd $X/$side
		echo hello >text
		echo '{"a":1}' >json
		seq 100000 | head -c 5000 >partition
		: >empty
		chmod 0444 text
		for f in pem pass; do cp "$COFFER_FIXTURES"/gocryptfs-$f.sif $f.sif; done
	done
	chmod -R a+rwX $X/here $X/there
	chmod 0444 $X/here/text $X/there/text
	chmod 0777 $X
}

teardown_file() {
	rm -rf /var/tmp/coffer-exchange-sif
}

# Identity, times and those of the objects are zeros in the copy.
plain() { # FILE
	python3 - "$1" <<-'END'
		import sys
		b = bytearray(open(sys.argv[1], "rb").read())
		b[48:80] = bytes(32)
		for slot in range(48):
		    at = 4096 + slot * 585
		    b[at + 41:at + 57] = bytes(16)
		sys.stdout.buffer.write(b)
	END
}

same_file() { # FILE...
	for f; do
		cmp <(plain $X/there/$f) <(plain $X/here/$f) || { echo "$f differs"; return 1; }
		[ "$(stat -c %a $X/there/$f)" = "$(stat -c %a $X/here/$f)" ] || { echo "mode of $f"; return 1; }
	done
}

@test "new, and objects of every type with every option" {
	both '
		sif new a.sif
		sif add a.sif text --datatype 1
		sif add --datatype 4 --parttype 2 --partfs 1 --partarch 2 a.sif partition
		sif add --datatype 4 --parttype 2 --partfs 1 --partarch 2 a.sif partition
		sif add --datatype 4 --parttype 1 --partfs 5 --partarch 4 --groupid 1 a.sif partition
		sif add --datatype 4 --parttype 9 --partfs 77 --partarch 12 --groupid 1 a.sif partition
		sif add --datatype 4 --parttype -1 --partfs 0x10 --partarch 4 --alignment 0 a.sif partition
		sif add --datatype 4 --parttype 3 --partfs 2 --partarch 1 --alignment 65536 --filename data a.sif partition
		sif add --datatype 5 --signhash 1 --signentity 433FE984155206BD962725E20E8713472A879943 --groupid 1 --link 2 a.sif text
		sif add --datatype 5 --signhash 5 --signentity 433fe984155206bd962725e20e8713472a879943 a.sif text
		sif add --datatype 9 --sbomformat github a.sif json
		sif add --datatype 9 --sbomformat spdx-json a.sif json
		sif add --datatype 9 --sbomformat syft-json a.sif json
		sif add --datatype 10 a.sif json
		sif add --datatype 11 a.sif json
		sif add --datatype 6 --link 4026531841 --groupid 4294967295 a.sif json
		sif add --datatype 6 --groupid 268435457 --link 268435457 a.sif json
		sif add --datatype 6 --alignment 100 --filename foo a.sif json
		sif add --datatype 2 --alignment -1 --filename= a.sif json
		sif add --datatype 3 a.sif json
		sif add --datatype 7 a.sif empty
		sif add --datatype 8 a.sif text
		sif add --datatype 0b110 --groupid 0o1_7 --alignment 0x_100 --link 1_0 a.sif json
		sif list a.sif
		sif header a.sif
	'
	same_file a.sif
}

@test "deleted, chosen, and places used once more" {
	both '
		sif new d.sif
		sif add d.sif text --datatype 1
		sif add --datatype 4 --parttype 2 --partfs 1 --partarch 2 d.sif partition
		sif add --datatype 4 --parttype 1 --partfs 5 --partarch 4 d.sif partition
		sif add --datatype 4 --parttype 3 --partfs 5 --partarch 4 d.sif partition
		sif setprim 1 d.sif
		sif setprim 2 d.sif
		sif setprim 3 d.sif
		sif setprim 4 d.sif
		sif setprim 9 d.sif
		sif header d.sif
		sif info 2 d.sif
		sif del 4 d.sif
		sif del 4 d.sif
		sif list d.sif
		sif header d.sif
		sif add d.sif json --datatype 6
		sif del 3 d.sif
		sif header d.sif
		sif setprim 2 d.sif
		sif add d.sif json --datatype 6
		sif list d.sif
		sif del 1 d.sif
		sif del 2 d.sif
		sif del 3 d.sif
		sif del 4 d.sif
		sif del 1 d.sif
		sif add d.sif json --datatype 6
		sif header d.sif
	'
	same_file d.sif
}

@test "encrypted images" {
	both '
		sif add pem.sif json --datatype 6 --groupid 1
		sif del 4 pem.sif
		sif setprim 3 pem.sif
		sif add pass.sif text --datatype 7 --filename note
		sif del 1 pass.sif
		sif list pem.sif
		sif list pass.sif
	'
	same_file pem.sif pass.sif
}

@test "a full table, a file that is replaced" {
	local lines
	lines="sif new full.sif"$'\n'$(for _ in $(seq 49); do echo "sif add --datatype 7 full.sif text"; done)
	both "$lines"
	same_file full.sif
	both '
		sif new full.sif
		sif header ../none/full.sif
	'
	same_file full.sif
}

@test "what is wrong is said in the same words" {
	both '
		sif new e.sif
		sif new
		sif new a b
		sif new /nonexist/x.sif
		sif new .
		sif new text
		sif add e.sif
		sif add e.sif json
		sif add --datatype 0 e.sif json
		sif add --datatype 12 e.sif json
		sif add --datatype 4 e.sif json
		sif add --datatype 4 --parttype 1 --partfs 1 --partarch 14 e.sif json
		sif add --datatype 4 --parttype 1 --partfs 1 --partarch -1 e.sif json
		sif add --datatype 5 e.sif json
		sif add --datatype 5 --signhash 9 --signentity 433FE984155206BD962725E20E8713472A879943 e.sif json
		sif add --datatype 5 --signhash 1 --signentity xyz e.sif json
		sif add --datatype 5 --signhash 1 --signentity abc e.sif json
		sif add --datatype 5 --signhash 1 --signentity abcd e.sif json
		sif add --datatype 5 --signhash 1 e.sif json
		sif add --datatype 9 e.sif json
		sif add --datatype 9 --sbomformat spdx e.sif json
		sif add --datatype 6 --link 0 e.sif json
		sif add --datatype 7 e.sif /nonexist
		sif add --datatype 7 /nonexist json
		sif add --datatype 7 /nonexist /nonexist2
		sif add --datatype 12 e.sif /nonexist
		sif add --datatype 9 e.sif /nonexist
		sif add --datatype 9 --sbomformat spdx /nonexist json
		sif add --datatype 7 json json
		sif add --datatype 7 empty json
		sif add --datatype 7 text json
		sif del 0 e.sif
		sif del 1 e.sif
		sif del x e.sif
		sif del 4294967296 e.sif
		sif del 1
		sif setprim 1 e.sif
		sif setprim -- -1 e.sif
	'
	both "sif add --datatype 7 --filename $(printf 'x%.0s' {1..128}) e.sif json"
	same_file e.sif
	# The peer's file has the object's bytes behind its end then; ours is as it was.
	both "sif add --datatype 7 --filename $(printf 'x%.0s' {1..129}) e.sif json"
	both '
		sif add --datatype 7 --groupid -1 e.sif json | head -n 0
		sif add --datatype 7 --groupid 4294967296 e.sif json | head -n 0
		sif add --datatype 4 --partfs 99999999999 e.sif json | head -n 0
		sif add --datatype 4 --partfs 99999999999x e.sif json | head -n 0
		sif add --datatype 7 --groupid 1__0 e.sif json | head -n 0
		sif add --datatype 7 --groupid 0x e.sif json | head -n 0
		sif add --datatype 08 e.sif json | head -n 0
	'
}
