#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Exchange with a real Apptainer: what coffer builds runs there, what it builds runs here. As root
# (the peer's root needs it); containers are built and run as normal users on both sides.
#   COFFER           the program, readable by all
#   COFFER_FIXTURES  the folder of the reference images

bats_require_minimum_version 1.5.0

setup_file() {
	[ "$(id -u)" -eq 0 ] || { echo "run me as root" >&2; return 1; }
	"$BATS_TEST_DIRNAME/setup" >&2
	id coffer-test >/dev/null || return 1
	export X=/var/tmp/coffer-exchange
	rm -rf $X
	mkdir -p $X
	chmod 0777 $X
	cp "$COFFER_FIXTURES/rsa_private.pem" "$COFFER_FIXTURES/rsa_public.pem" $X
	chmod 0644 $X/*.pem
	mkdir -p $X/tree/bin $X/tree/etc
	cp /bin/busybox $X/tree/bin/
	for a in sh cat echo ls id env md5sum find sort stat tr; do ln -s busybox $X/tree/bin/$a; done
	head -c 3000000 /dev/urandom >$X/tree/etc/noise
	echo 'root:x:0:0:root:/root:/bin/sh' >$X/tree/etc/passwd
	echo 'root:x:0:' >$X/tree/etc/group
	cat >$X/d.def <<END
Bootstrap: localimage
From: $X/tree
%post
    echo made in post > /etc/post.txt
%environment
    export GREETING="hello"
%runscript
    echo "\$GREETING \$(cat /etc/post.txt) \$*"
%labels
    org.example.peer yes
END
	chmod -R a+rX $X
	(cd $X/tree && find . -type f ! -path './.singularity.d/*' ! -path './etc/hosts' ! -path './etc/resolv.conf' -exec md5sum {} +) | sort -k2 >$X/sums
}

teardown_file() {
	rm -rf /var/tmp/coffer-exchange
}

here() { # as a normal user, with coffer
	cd $X && setpriv --reuid coffer-test --regid coffer-test --init-groups env -i \
		HOME=/home/coffer-test USER=coffer-test PATH="$(dirname "$COFFER"):/usr/bin:/bin:/usr/sbin:/sbin" \
		sh -c "$1"
}

there() { # as a normal user, with Apptainer
	"$BATS_TEST_DIRNAME/peer" -u peer -b $X:$X "cd $X && $1"
}

sums='cd / && find . -xdev -type f ! -path "./.singularity.d/*" ! -path ./etc/hosts ! -path ./etc/resolv.conf ! -path ./etc/passwd ! -path ./etc/group ! -path ./etc/localtime ! -path ./etc/post.txt -exec md5sum {} + | sort -k2'
expected() { grep -v -e ./etc/passwd -e ./etc/group $X/sums; }

@test "gocryptfs, RSA key, from a definition: coffer builds, Apptainer runs" {
	here "coffer build --force --pem-path=rsa_public.pem c-pem.sif d.def"
	run -0 --separate-stderr there "apptainer run --pem-path=rsa_private.pem c-pem.sif a b"
	[ "$output" = "hello made in post a b" ]
	run -0 --separate-stderr there "apptainer exec --pem-path=rsa_private.pem --no-home c-pem.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
}

@test "gocryptfs, passphrase, from a directory: coffer builds, Apptainer runs" {
	here "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' coffer build --force --encrypt c-pass.sif tree"
	run -0 --separate-stderr there "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' apptainer exec c-pass.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
	run -255 there "APPTAINER_ENCRYPTION_PASSPHRASE=coffee apptainer exec c-pass.sif true"
}

@test "plain: coffer builds, Apptainer runs" {
	here "coffer build --force c-plain.sif d.def"
	run -0 --separate-stderr there "apptainer run c-plain.sif x"
	[ "$output" = "hello made in post x" ]
}

@test "Apptainer lists and inspects coffer's images as coffer does" {
	for f in c-pem c-pass c-plain; do
		for words in "sif list $f.sif" "sif header $f.sif" "sif info 3 $f.sif" "inspect $f.sif" \
			"inspect --json $f.sif" "inspect -d $f.sif" "inspect -r $f.sif" "inspect -e $f.sif"; do
			run -0 --separate-stderr there "apptainer $words"
			theirs=$output
			run -0 --separate-stderr here "coffer $words"
			[ "$output" = "$theirs" ] || { echo "$words differ: $theirs / $output"; false; }
		done
	done
}

@test "gocryptfs, both keys: Apptainer builds, coffer runs" {
	there "apptainer build --force --pem-path=rsa_public.pem a-pem.sif d.def"
	there "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' apptainer build --force --encrypt a-pass.sif d.def"
	run -0 --separate-stderr here "coffer run --pem-path=rsa_private.pem a-pem.sif a b"
	[ "$output" = "hello made in post a b" ]
	run -0 --separate-stderr here "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' coffer exec --no-home a-pass.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
	run -255 here "APPTAINER_ENCRYPTION_PASSPHRASE=coffee coffer exec a-pass.sif true"
	# and as root, which Apptainer refuses
	cd $X
	run -0 --separate-stderr "$COFFER" run --pem-path=rsa_private.pem a-pem.sif
	[ "$output" = "hello made in post " ] || [ "$output" = "hello made in post" ]
}

@test "an image of Apptainer is a base for coffer, and the reverse" {
	printf 'Bootstrap: localimage\nFrom: a-pem.sif\n%%post\n echo again >> /etc/post.txt\n' >$X/again.def
	here "coffer build --force --pem-path=rsa_public.pem c-again.sif again.def" && false
	here "APPTAINER_ENCRYPTION_PEM_PATH=$X/rsa_private.pem coffer build --force c-again.sif again.def"
	run -0 --separate-stderr here "coffer exec c-again.sif cat /etc/post.txt"
	[ "$output" = "made in post
again" ]
	printf 'Bootstrap: localimage\nFrom: c-plain.sif\n' >$X/back.def
	there "apptainer build --force a-back.sif back.def"
	run -0 --separate-stderr here "coffer run a-back.sif y"
	[ "$output" = "hello made in post y" ]
}

@test "OCI archive: each builds of it, the images say and do the same" {
	tar --owner=0 --group=0 -C $X/tree -cf $X/layer.tar .
	rm -rf $X/layout
	"$BATS_TEST_DIRNAME/../cli/make-layout" $X/layout \
		'{"User":"7:8","Env":["PATH=/bin","A=b c","E"],"Entrypoint":["/bin/echo","$HOME"],"Cmd":["it'"'"'s","\"q\""],"Labels":{"z":"1","a":"<"},"Volumes":{"/v":{}},"Healthcheck":{"Test":["CMD","x"],"Interval":5}}' \
		$X/layer.tar
	tar -C $X/layout -cf $X/oci.tar oci-layout index.json blobs
	chmod -R a+rX $X
	here "coffer build --force --pem-path=rsa_public.pem c-oci.sif oci-archive:oci.tar"
	there "apptainer build --force --encrypt --pem-path=rsa_public.pem a-oci.sif oci-archive:oci.tar"
	[ "$(here "coffer sif dump 3 c-oci.sif")" = "$(there "apptainer sif dump 3 a-oci.sif")" ]
	for image in c-oci.sif a-oci.sif; do
		for arguments in '' "'\$A' 'b  c'" "--no-eval"; do
			options=''
			[ "$arguments" != --no-eval ] || { options=--no-eval; arguments="'\$A'"; }
			ours=$(here "coffer -s run $options --pem-path=rsa_private.pem $image $arguments")
			[ -n "$ours" ]
			[ "$ours" = "$(there "apptainer -s run $options --pem-path=rsa_private.pem $image $arguments")" ]
		done
		[ "$(here "coffer -s exec --pem-path=rsa_private.pem $image sh -c 'echo \$A/\$E/\$PATH'")" = "$(there "apptainer -s exec --pem-path=rsa_private.pem $image sh -c 'echo \$A/\$E/\$PATH'")" ]
	done
}
