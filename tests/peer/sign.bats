#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# sign and verify by keys and certificates in PEM files: what one side signs, the other verifies, and
# the same command lines have the same words. As peer.bats.

bats_require_minimum_version 1.5.0
load lines

setup_file() {
	[ "$(id -u)" -eq 0 ] || { echo "run me as root" >&2; return 1; }
	"$BATS_TEST_DIRNAME/setup" >&2
	export X=/var/tmp/coffer-exchange-sign
	rm -rf $X
	mkdir -p $X/here $X/there
	cd $X/here
	openssl genpkey -quiet -algorithm ed25519 -out ed.pem
	openssl genrsa -out rsa.pem 2048 2>/dev/null
	openssl genrsa -traditional -out rsa1.pem 3072 2>/dev/null
	local k
	for k in prime256v1 secp384r1 secp521r1; do openssl ecparam -name $k -genkey -noout -out $k.pem; done
	for k in *.pem; do openssl pkey -in $k -pubout -out ${k%.pem}.pub 2>/dev/null; done
	openssl rsa -in rsa.pem -RSAPublicKey_out -out pkcs1.pub 2>/dev/null
	openssl pkey -in prime256v1.pem -aes256 -passout pass:x -out locked.key
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 30 2>/dev/null
	certify() { # NAME CA EXTENSIONS
		echo "$3" >ext
		openssl x509 -req -in me.csr -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 20 -extfile ext -out "$1.crt" 2>/dev/null
	}
	openssl req -newkey rsa:2048 -nodes -keyout mid.key -out me.csr -subj /CN=mid 2>/dev/null
	certify mid ca basicConstraints=CA:TRUE
	openssl req -new -key prime256v1.pem -subj /CN=me -out me.csr
	certify me ca extendedKeyUsage=codeSigning
	certify any ca keyUsage=digitalSignature
	certify server ca extendedKeyUsage=serverAuth
	certify below mid extendedKeyUsage=codeSigning
	for k in plain gocryptfs-pem luks-pem; do cp "$COFFER_FIXTURES"/$k.sif $k.sif; done
	cp ./* $X/there
	chmod -R a+rwX $X
}

teardown_file() {
	rm -rf /var/tmp/coffer-exchange-sign
}

@test "what one side signs, with each kind of key, the other verifies; encrypted images too" {
	local k image
	for k in ed rsa rsa1 prime256v1 secp384r1 secp521r1; do
		for image in plain gocryptfs-pem luks-pem; do
			cp $X/here/$image.sif $X/here/$k-$image.sif
			cp $X/there/$image.sif $X/there/$k-$image.sif
			chmod a+rw $X/*/$k-$image.sif
			here "coffer -q sign --key $k.pem $k-$image.sif"
			there "apptainer -q sign --key $k.pem $k-$image.sif"
			mv $X/here/$k-$image.sif $X/signed
			mv $X/there/$k-$image.sif $X/here/$k-$image.sif
			mv $X/signed $X/there/$k-$image.sif
			here "coffer -q verify --key $k.pub $k-$image.sif"
			there "apptainer -q verify --key $k.pub $k-$image.sif"
		done
		# A signature with Ed25519 is the same whoever makes it: so is the whole file, but for times.
		[ $k != ed ] || cmp <(cd $X/here && "$COFFER" sif dump 4 ed-plain.sif) <(cd $X/there && "$COFFER" sif dump 4 ed-plain.sif)
	done
}

@test "the same lines have the same words" {
	both '
		sign --key ed.pem plain.sif
		verify --key ed.pub plain.sif
		verify --key ed.pub --json plain.sif
		verify --key ed.pub --all plain.sif
		verify --key rsa.pub plain.sif
		verify --key rsa.pub --json plain.sif
		verify --key ed.pem plain.sif
		verify --key ed.pub -g 1 plain.sif
		verify --key ed.pub -g 2 plain.sif
		verify --key ed.pub -g 0 plain.sif
		verify --key ed.pub -i 1 plain.sif
		verify --key ed.pub -i 3 -j plain.sif
		verify --key ed.pub -i 4 plain.sif
		verify --key ed.pub -i 9 plain.sif
		verify --key ed.pub -i 0 plain.sif
		verify --key ed.pub -g 1 -i 1 plain.sif
		verify --key ed.pub /nonexistent
		verify --key /nonexistent plain.sif
		verify --key ed.pub ed.pub
		verify --key me.crt plain.sif
		verify --key ext plain.sif
		verify --key ed.pub -j /nonexistent
		sign --key /nonexistent plain.sif
		sign --key ed.pub plain.sif
		sign --key ext plain.sif
		sign --key locked.key plain.sif
		sign --key ed.pem /nonexistent
		sign --key ed.pem -g 9 plain.sif
		sign --key ed.pem -g 0 plain.sif
		sign --key ed.pem -i 0 plain.sif
		sign --key ed.pem -i 9 plain.sif
		sif list plain.sif
		sign --key ed.pem -i 3 luks-pem.sif
		sign --key ed.pem -g 1 -i 3 luks-pem.sif
		sif list luks-pem.sif
		verify --key ed.pub luks-pem.sif
		verify --key ed.pub -i 3 luks-pem.sif
		verify --key ed.pub -i 3 -j luks-pem.sif
		verify --key ed.pub -i 1 luks-pem.sif
		sign
		verify
		verify a b
		sif new n.sif
		sign --key ed.pem n.sif
		verify --key ed.pub n.sif
		sif add --datatype 7 n.sif ext
		sign --key ed.pem n.sif
		sif add --datatype 7 --groupid 1 n.sif ext
		verify --key ed.pub n.sif
	'
}

@test "what was changed since is found with the same words" {
	both '
		sign --key ed.pem gocryptfs-pem.sif
		sif add --datatype 7 --groupid 1 gocryptfs-pem.sif ext
		verify --key ed.pub gocryptfs-pem.sif
		verify --key ed.pub -i 6 gocryptfs-pem.sif
		sif del 6 gocryptfs-pem.sif
		verify --key ed.pub gocryptfs-pem.sif
		sif del 4 gocryptfs-pem.sif
		verify --key ed.pub gocryptfs-pem.sif
		sif add --datatype 7 gocryptfs-pem.sif ext
		verify --key ed.pub -j gocryptfs-pem.sif
	'
	local off side
	for off in 40000 4296 50; do
		for side in here there; do
			cp $X/$side/plain.sif $X/$side/t.sif
			printf '\xee' | dd of=$X/$side/t.sif bs=1 seek=$off conv=notrunc status=none
			chmod a+rw $X/$side/t.sif
		done
		both 'verify --key ed.pub t.sif'
	done
}

@test "certificates" {
	both '
		sif del 4 plain.sif
		sif del 4 plain.sif
		sign --key prime256v1.pem plain.sif
		verify --certificate me.crt --certificate-roots ca.crt plain.sif
		verify --certificate me.crt --certificate-roots ca.crt -j plain.sif
		verify --certificate any.crt --certificate-roots ca.crt plain.sif
		verify --certificate server.crt --certificate-roots ca.crt plain.sif
		verify --certificate me.crt plain.sif
		verify --certificate me.crt --key prime256v1.pub plain.sif
		verify --certificate below.crt --certificate-roots ca.crt plain.sif
		verify --certificate below.crt --certificate-roots ca.crt --certificate-intermediates mid.crt plain.sif
		verify --certificate below.crt --certificate-roots mid.crt plain.sif
		verify --certificate me.crt --certificate-roots me.crt plain.sif
		verify --certificate ca.crt --certificate-roots ca.crt plain.sif
		verify --certificate /nonexistent plain.sif
		verify --certificate ext plain.sif
		verify --certificate me.crt --certificate-roots ext plain.sif
		verify --certificate me.crt --certificate-intermediates ext plain.sif
		verify --certificate me.crt --certificate-roots /nonexistent plain.sif
	'
}
