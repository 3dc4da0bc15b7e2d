#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# sign and verify by keys and certificates in PEM files. That Apptainer's words and signatures are the
# same is shown by tests/peer/sign.bats.
load helper

setup_file() {
	make_work
	cd "$WORK"
	openssl genpkey -quiet -algorithm ed25519 -out ed.pem
	openssl ecparam -name prime256v1 -genkey -noout -out ec.pem
	openssl genrsa -traditional -out rsa.pem 2048 2>/dev/null
	openssl ecparam -name secp256k1 -genkey -noout -out other.pem
	local k
	for k in ed ec rsa other; do openssl pkey -in $k.pem -pubout -out $k.pub; done
	openssl rsa -in rsa.pem -RSAPublicKey_out -out pkcs1.pub 2>/dev/null
	openssl pkey -in ec.pem -aes256 -passout pass:x -out locked.pem
	certify() { # NAME CA DAYS EXTENSIONS
		printf '%s\n' "$4" >ext
		openssl x509 -req -in me.csr -CA "$2.crt" -CAkey "$2.pem" -CAcreateserial -days "$3" -extfile ext -out "$1.crt" 2>/dev/null
	}
	openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.pem -out ca.crt -subj /CN=ca -days 30 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -keyout mid.pem -out me.csr -subj /CN=mid 2>/dev/null
	certify mid ca 20 basicConstraints=CA:TRUE
	openssl req -new -key ec.pem -subj /CN=me -out me.csr
	certify me ca 20 extendedKeyUsage=codeSigning
	certify plain ca 20 keyUsage=digitalSignature
	certify server ca 20 extendedKeyUsage=serverAuth
	certify expired ca -1 extendedKeyUsage=codeSigning
	certify below mid 20 extendedKeyUsage=codeSigning
}
teardown_file() { drop_work; }
setup() {
	cd "$WORK"
	cp "$FIXTURES/gocryptfs-pem.sif" a.sif
	chmod u+w a.sif
}

table='Objects verified:
ID  |GROUP   |LINK    |TYPE
------------------------------------------------
1   |1       |NONE    |Def.FILE
2   |1       |NONE    |JSON.Generic
3   |1       |NONE    |FS
4   |1       |3       |Cryptographic Message'

@test "an encrypted image is signed and verified as it is, by each kind of key" {
	for k in ed ec rsa; do
		cp "$FIXTURES/gocryptfs-pem.sif" a.sif
		chmod u+w a.sif
		run --separate-stderr coffer sign --key $k.pem a.sif
		[ "$status" -eq 0 ]
		[ "${stderr_lines[1]}" = "INFO:    Signature created and applied to image 'a.sif'" ]
		run --separate-stderr coffer verify --key $k.pub a.sif
		[ "$status" -eq 0 ] && [ "$output" = "$table" ]
		[ "${stderr_lines[1]}" = "INFO:    Verified signature(s) from image 'a.sif'" ]
	done
	run --separate-stderr coffer verify --key pkcs1.pub a.sif
	[ "$status" -eq 0 ]
	run --separate-stderr coffer verify --key pkcs1.pub --json a.sif
	[ "$status" -eq 0 ]
	python3 -c 'import json, sys; d = json.loads(sys.argv[1]); assert d["Signatures"] == 1 and len(d["SignerKeys"]) == 4' "$output"
	# And it is run as before.
	coffer exec --pem-path="$FIXTURES/rsa_private.pem" a.sif true
}

@test "another key, a changed byte, an object more: not verified" {
	coffer sign --key ed.pem a.sif
	run --separate-stderr coffer verify --key ec.pub a.sif
	refused 255 'signature object 5 not valid: dsse: verify envelope failed: accepted signatures do not match threshold, Found: 0, Expected 1'
	[[ "$output" = *'Error encountered during signature verification: signature object 5'* ]]
	cp a.sif b.sif
	printf '\xff' | dd of=b.sif bs=1 seek=50000 conv=notrunc status=none
	run --separate-stderr coffer verify --key ed.pub b.sif
	refused 255 'integrity: data object integrity compromised: 3'
	coffer sif add --datatype 7 --groupid 1 a.sif ed.pub
	run --separate-stderr coffer verify --key ed.pub a.sif
	refused 255 'integrity: object 6: object not signed'
	run --separate-stderr coffer verify --key ed.pub -i 3 a.sif
	[ "$status" -eq 0 ]
	run --separate-stderr coffer verify --key ed.pub "$FIXTURES/plain.sif"
	refused 255 'integrity: signature not found for object group 1'
}

@test "other recipients leave the signature of the image's group as it was" {
	coffer sign --key ed.pem a.sif
	coffer keygen --unprotected -o me.key 2>/dev/null >/dev/null
	coffer recipient add --pem-path="$FIXTURES/rsa_private.pem" -r "$(age-keygen -y me.key)" a.sif
	run --separate-stderr coffer verify --key ed.pub -g 1 a.sif
	[ "$status" -eq 0 ]
	# Who may open it is another group, which nobody has signed yet.
	run --separate-stderr coffer verify --key ed.pub a.sif
	refused 255 'integrity: signature not found for object group 2'
	coffer sign --key ed.pem -g 2 a.sif
	run --separate-stderr coffer verify --key ed.pub a.sif
	[ "$status" -eq 0 ]
}

@test "a certificate, and the chain that leads to a trusted one" {
	coffer sign --key ec.pem a.sif
	for c in me plain; do
		run --separate-stderr coffer verify --certificate $c.crt --certificate-roots ca.crt a.sif
		[ "$status" -eq 0 ]
	done
	run --separate-stderr coffer verify --certificate below.crt --certificate-intermediates mid.crt --certificate-roots ca.crt a.sif
	[ "$status" -eq 0 ]
	run --separate-stderr coffer verify --certificate below.crt --certificate-roots ca.crt a.sif
	refused 255 'Failed to verify container: x509: certificate signed by unknown authority'
	run --separate-stderr coffer verify --certificate me.crt a.sif
	refused 255 'x509: certificate signed by unknown authority'
	run --separate-stderr coffer verify --certificate server.crt --certificate-roots ca.crt a.sif
	refused 255 'x509: certificate specifies an incompatible key usage'
	run --separate-stderr coffer verify --certificate expired.crt --certificate-roots ca.crt a.sif
	refused 255 'x509: certificate has expired or is not yet valid'
	run --separate-stderr coffer verify --certificate ca.crt --certificate-roots ca.crt a.sif
	refused 255 'signature object 5 not valid'
	run --separate-stderr coffer verify --certificate ed.pub --certificate-roots ca.crt a.sif
	refused 255 'Failed to load certificate: x509: malformed certificate'
	run --separate-stderr coffer verify --certificate me.crt --certificate-roots ext a.sif
	refused 255 'Failed to load root certificates: failed to decode PEM'
	run --separate-stderr coffer verify --certificate me.crt --ocsp-verify a.sif
	refused 255 'ocsp-verify'
}

@test "keys that are none, and what is not done, are named" {
	run --separate-stderr coffer sign --key ed.pub a.sif
	refused 255 'Failed to load key material: unknown private key PEM file type: PUBLIC KEY'
	run --separate-stderr coffer sign --key locked.pem a.sif
	refused 255 'unknown private key PEM file type: ENCRYPTED PRIVATE KEY'
	[[ "$stderr" == *'openssl pkey -in KEY -out PLAIN'* ]]
	run --separate-stderr coffer sign --key other.pem a.sif
	refused 255 'a key of this kind makes no signatures of images'
	run --separate-stderr coffer sign --key ext a.sif
	refused 255 'Failed to load key material: PEM decoding failed'
	run --separate-stderr coffer sign --key none.pem a.sif
	refused 255 'Failed to load key material: open none.pem: no such file or directory'
	run --separate-stderr coffer verify --key ed.pem a.sif
	refused 255 'unknown Public key PEM file type: PRIVATE KEY'
	run --separate-stderr coffer sign a.sif
	refused 255 'signing with a PGP key is not supported'
	run --separate-stderr coffer verify a.sif
	refused 255 'verifying with PGP keys is not supported'
	run --separate-stderr coffer verify --key ed.pub --legacy-insecure a.sif
	refused 255 'legacy-insecure'
	cmp a.sif "$FIXTURES/gocryptfs-pem.sif"
}
