#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Exchange with a real Apptainer: what coffer builds runs there, what it builds runs here. As root
# (the peer's root needs it); containers are built and run as normal users on both sides.
#   COFFER           the program, readable by all, with a link apptainer to it beside it
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

@test "gocryptfs: encrypted, and encrypted anew, without unpacking: Apptainer runs it, and coffer what it built" {
	local word="APPTAINER_ENCRYPTION_PASSPHRASE='tea for two'"
	here "coffer build --force e-plain.sif tree && coffer encrypt --force --encryption=gocryptfs --pem-path=rsa_public.pem e-plain.sif e-pem.sif &&
		coffer rekey --pem-path=rsa_private.pem e-pem.sif &&
		$word coffer encrypt --force --encryption=gocryptfs e-plain.sif e-pass.sif"
	run -0 --separate-stderr there "apptainer exec --pem-path=rsa_private.pem --no-home e-pem.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
	run -0 --separate-stderr there "$word apptainer exec --no-home e-pass.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
	# By way of LUKS2, and an image that Apptainer has built.
	there "apptainer build --force --encrypt --pem-path=rsa_public.pem a-again.sif tree"
	here "coffer convert --force --pem-path=rsa_private.pem a-again.sif e-luks.sif && coffer convert --force --pem-path=rsa_private.pem e-luks.sif e-back.sif"
	run -0 --separate-stderr there "apptainer exec --pem-path=rsa_private.pem --no-home e-back.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
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

@test "a sandbox, a squashfs image and a SIF say of themselves what Apptainer tells of them, byte for byte" {
	local app=$X/told/scif/apps/one/scif options image
	mkdir -p $X/told/{dev,proc,sys,tmp,var/tmp,etc,root,home} # the peer runs the image to look
	: >$X/told/etc/passwd
	: >$X/told/etc/group
	mkdir -p $X/told/bin $X/told/.singularity.d/env $X/told/texts $X/told/scif/apps/two/scif $X/told/scif/apps/empty $X/told/scif/apps/.hidden/scif $app/env
	cp /bin/busybox $X/told/bin/busybox
	ln -s busybox $X/told/bin/sh
	echo '{"b":"2","a":"<1>&","n":3}' >$X/told/.singularity.d/labels.json
	printf '#!/bin/sh\necho run\n\n\n' >$X/told/texts/runscript
	ln -s ../texts/runscript $X/told/.singularity.d/runscript
	printf 'start\\n\tof \1 "it"' >$X/told/.singularity.d/startscript
	printf '  help\0ing  \n' >$X/told/.singularity.d/runscript.help
	printf 'Bootstrap: scratch\n' >$X/told/.singularity.d/Singularity
	echo 'export A=1' >$X/told/.singularity.d/env/10-docker2singularity.sh
	: >$X/told/.singularity.d/env/91-environment.sh
	echo no >$X/told/.singularity.d/env/99-base.sh
	echo '{"l":"of one"}' >$app/labels.json
	echo 'run one' >$app/runscript
	echo 'start one' >$app/startscript
	echo 'def of one' >$app/Singularity
	echo 'export C=3' >$app/env/90-environment.sh
	echo no >$app/env/10-docker.sh
	chmod -R a+rX $X/told
	mksquashfs $X/told $X/told.sqfs -quiet -no-progress -noappend >/dev/null
	sed -i 's/,"n":3//' $X/told/.singularity.d/labels.json
	here "coffer build --force told.sif told"
	chmod a+r $X/told.sif
	sed -i 's/}/,"n":3}/' $X/told/.singularity.d/labels.json
	while read -r options; do
		for image in told told.sqfs told.sif; do
			diff <(there "apptainer inspect $options $image" 2>&1) <(here "apptainer inspect $options $image" 2>&1) ||
				{ echo "inspect $options $image"; return 1; }
		done
	done <<-'END'

		-j
		--all
		-d -r -s -t -H -e -l --list-apps
		-d -r -s -t -H -e -l --list-apps -j
		--app one
		--app one -d -r -s -e -l
		--app one -d -j
		--app one -r -s -j
		--app one --list-apps -r
		--app one --list-apps -r -j
		--app none -d -j
		--list-apps -j
	END
}

@test "an image without a shell: what Apptainer and coffer make of a layout runs here as there" {
	local made words
	mkdir -p $X/bare/app $X/bare/etc
	cp /bin/busybox $X/bare/app/busybox
	ln -s busybox $X/bare/app/env
	: >$X/bare/etc/passwd
	: >$X/bare/etc/group
	tar -C $X/bare --owner=0 --group=0 -cf $X/bare.tar .
	"$BATS_TEST_DIRNAME/../cli/make-layout" $X/bare-layout \
		'{"Env":["PATH=/app:/usr/bin","GREETING=hello \"you\" $HOME","EMPTY=","NOVALUE","B=a\\b"],"Entrypoint":["/app/busybox","printf","[%s]"],"Cmd":["a b","$HOME","it'"'"'s"]}' $X/bare.tar
	chmod -R a+rX $X/bare-layout
	here "coffer build --force c-bare.sif oci:bare-layout"
	there "apptainer build --force a-bare.sif oci:bare-layout"
	chmod a+r $X/c-bare.sif $X/a-bare.sif
	for made in c-bare.sif a-bare.sif; do
		for words in '' 'x "p q"' '\$NOBODY_SET_THIS' "'a\\b' -e"; do
			[ "$(there "apptainer -s run $made $words")" = "$(here "apptainer -s run $made $words")" ]
		done
		[ "$(here "apptainer -s run $made")" = "[a b][\$HOME][it's]" ]
		[ "$(there "apptainer -s run --no-eval $made '\$HOME'")" = "$(here "apptainer -s run --no-eval $made '\$HOME'")" ]
		diff <(there "apptainer -s exec --cleanenv --env Q=x-\\\$B $made env" | grep -E '^(GREETING|EMPTY|NOVALUE|B|PATH|Q)=' | sed 's,/home/peer,HOME,' | sort) \
			<(here "apptainer -s exec --cleanenv --env Q=x-\\\$B $made env" | grep -E '^(GREETING|EMPTY|NOVALUE|B|PATH|Q)=' | sed 's,/home/coffer-test,HOME,' | sort)
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

# What a recipient has, by Apptainer and Debian's age alone: neither shares any code with coffer.
age_keys() {
	(cd $X && rm -f me.key you.key && for n in me you; do age-keygen -o $n.key 2>/dev/null; age-keygen -y $n.key >$n.pub; done
		chmod 0644 me.key you.key)
}
key_object() { # IMAGE: its number, as Apptainer lists it
	there "apptainer sif list $1" | sed -n 's/^\([0-9]*\) *|2 *|3 *|.*|Generic\/Raw$/\1/p'
}
opens_there() { # IMAGE
	run -0 --separate-stderr there "apptainer exec --pem-path=rsa_private.pem --no-home $1 sh -c '$sums'"
	[ "$output" = "$(expected)" ]
}
opens_by_age() { # IMAGE KEY
	local number
	number=$(key_object "$1")
	[ -n "$number" ]
	there "apptainer sif dump $number $1" >$X/object
	age -d -i "$X/$2" $X/object | grep -q '"volumeKey":"[0-9a-f]\{64\}"'
}

@test "recipients beside an RSA key: Apptainer runs and lists it, age opens the key object" {
	age_keys
	here "coffer build --force --pem-path=rsa_public.pem --recipient=me.pub c-both.sif tree"
	opens_there c-both.sif
	for words in "sif list c-both.sif" "sif header c-both.sif" "sif info 5 c-both.sif"; do
		[ "$(there "apptainer $words")" = "$(here "coffer $words")" ]
	done
	opens_by_age c-both.sif me.key
	run -1 opens_by_age c-both.sif you.key
}

@test "recipients beside a passphrase: Apptainer runs it, age opens the key object" {
	age_keys
	here "coffer build --force --key-command='printf \"tea for two\"' --recipient=me.pub c-both.sif tree"
	run -0 --separate-stderr there "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' apptainer exec --no-home c-both.sif sh -c '$sums'"
	[ "$output" = "$(expected)" ]
	opens_by_age c-both.sif me.key
}

@test "another passphrase, and another cost: Apptainer runs what it built, and what coffer built" {
	local name new="APPTAINER_ENCRYPTION_PASSPHRASE='coffee for one'"
	there "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' apptainer build --force --encrypt a-pass.sif d.def"
	chmod 0666 $X/a-pass.sif
	here "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' coffer build --force --encrypt c-pass.sif d.def"
	for name in a-pass.sif c-pass.sif; do
		cp $X/$name $X/changed.sif
		chmod 0666 $X/changed.sif
		chown coffer-test: $X/changed.sif
		here "printf 'tea for two\ncoffee for one\n' | coffer passphrase --kdf-memory=16 changed.sif"
		run -0 --separate-stderr there "$new apptainer exec --no-home changed.sif sh -c '$sums'"
		[ "$output" = "$(expected)" ]
		run -255 there "APPTAINER_ENCRYPTION_PASSPHRASE='tea for two' apptainer exec changed.sif true"
		rm -f $X/changed.sif
	done
}

@test "recipients added and removed: Apptainer runs it after each, and adds objects of its own" {
	age_keys
	there "apptainer build --force --encrypt --pem-path=rsa_public.pem a-both.sif d.def"
	chmod 0666 $X/a-both.sif
	here "coffer recipient add --pem-path=rsa_private.pem -r me.pub a-both.sif"
	opens_there a-both.sif
	opens_by_age a-both.sif me.key
	here "coffer recipient add --identity=me.key -r you.pub a-both.sif"
	opens_there a-both.sif
	opens_by_age a-both.sif you.key
	# In the slot, and behind the place, that the changes left.
	there "apptainer sif add --datatype 7 --filename note a-both.sif d.def"
	here "coffer recipient remove --identity=me.key -r you.pub a-both.sif"
	opens_there a-both.sif
	opens_by_age a-both.sif me.key
	run -1 opens_by_age a-both.sif you.key
	note=$(there "apptainer sif list a-both.sif" | sed -n 's/^\([0-9]*\) *|NONE *|NONE *|.*|Generic\/Raw$/\1/p')
	[ "$(there "apptainer sif dump $note a-both.sif")" = "$(cat $X/d.def)" ]
	[ "$(there "apptainer sif header a-both.sif")" = "$(here "coffer sif header a-both.sif")" ]
	here "coffer recipient remove --identity=me.key -r me.pub a-both.sif"
	opens_there a-both.sif
	[ -z "$(key_object a-both.sif)" ]
}

@test "a signature of Apptainer's holds after recipients have changed" {
	age_keys
	here "coffer build --force --pem-path=rsa_public.pem c-signed.sif tree"
	chmod 0666 $X/c-signed.sif
	openssl genpkey -algorithm ed25519 -out $X/sign.pem
	openssl pkey -in $X/sign.pem -pubout -out $X/verify.pem
	chmod 0644 $X/sign.pem $X/verify.pem
	there "apptainer sign --key sign.pem c-signed.sif"
	there "apptainer verify --key verify.pem c-signed.sif"
	here "coffer recipient add --pem-path=rsa_private.pem -r me.pub c-signed.sif"
	there "apptainer verify --group-id 1 --key verify.pem c-signed.sif"
	# What is new is signed by itself.
	run -255 there "apptainer verify --key verify.pem c-signed.sif"
	[[ $output == *'signature not found for object group 2'* ]]
	there "apptainer sign --group-id 2 --key sign.pem c-signed.sif"
	there "apptainer verify --key verify.pem c-signed.sif"
	run -0 --separate-stderr here "coffer recipient add --identity=me.key -r you.pub c-signed.sif"
	[[ $stderr == *'The signature over the recipients'*'--group-id 2'* ]]
	here "coffer recipient remove --identity=you.key -r me.pub c-signed.sif"
	run -255 there "apptainer verify --key verify.pem c-signed.sif"
	there "apptainer verify --group-id 1 --key verify.pem c-signed.sif"
	opens_there c-signed.sif
	opens_by_age c-signed.sif you.key
	# An image that was built for recipients is signed as any other.
	here "coffer build --force --pem-path=rsa_public.pem -r me.pub c-signed.sif tree"
	chmod 0666 $X/c-signed.sif
	there "apptainer sign --key sign.pem c-signed.sif"
	there "apptainer verify --key verify.pem c-signed.sif"
	# And one that covers what it should fails when that changes.
	printf X | dd of=$X/c-signed.sif bs=1 seek=32180 conv=notrunc status=none
	run -255 there "apptainer verify --key verify.pem c-signed.sif"
}

@test "images over an image and bound into it: the same is seen here and there" {
	mkdir -p $X/over/sub $X/over/etc $X/ext/upper/etc $X/ext/work
	echo over | tee $X/over/etc/over >$X/over/sub/here
	echo ext >$X/ext/upper/etc/over
	mksquashfs $X/over $X/over.sqfs -quiet -no-progress -noappend -all-root >/dev/null
	mkfs.ext3 -q -d $X/ext $X/ext.img 16M
	chmod 0644 $X/over.sqfs $X/ext.img
	here "coffer build --force c-images.sif tree"
	chmod 0755 $X/c-images.sif
	local line
	while read -r line; do
		run -0 --separate-stderr here "${line/RUN/coffer exec}"
		ours=$output
		run -0 --separate-stderr there "${line/RUN/apptainer exec}"
		[ "$ours" = "$output" ] || { printf '%s\n' "$line" "$ours" "$output"; return 1; }
		[ -n "$output" ]
	done <<-'END'
		RUN --overlay over.sqfs:ro c-images.sif cat /etc/over /sub/here
		RUN --overlay over.sqfs c-images.sif cat /etc/over
		RUN --overlay over.sqfs:ro --overlay ext.img:ro c-images.sif cat /etc/over
		RUN --overlay ext.img:ro,over.sqfs:ro c-images.sif cat /etc/over
		RUN -B over.sqfs:/mnt:image-src=/sub c-images.sif cat /mnt/here
		RUN -B over.sqfs:/mnt:id=1 c-images.sif cat /mnt/sub/here
		RUN -B ext.img:/mnt:image-src=/upper,ro c-images.sif cat /mnt/etc/over
		RUN --mount type=bind,src=over.sqfs,dst=/mnt,image-src=sub c-images.sif cat /mnt/here
		RUN -B c-images.sif:/mnt:id=3 c-images.sif ls /mnt/etc
	END
	for line in "--overlay d.def" "-B c-images.sif:/mnt:image-src=/" "-B c-images.sif:/mnt:id=x" "-B over.sqfs:/mnt:image-src=/nowhere"; do
		run -255 --separate-stderr here "apptainer exec $line c-images.sif true"
		ours=$(sed -n '/FATAL/p' <<<"$stderr")
		run -255 --separate-stderr there "apptainer exec $line c-images.sif true"
		[ "$ours" = "$(sed -n '/FATAL/p' <<<"$stderr")" ] || { printf '%s\n' "$ours" "$stderr"; return 1; }
	done
}

@test "oras://: what coffer pushes Apptainer pulls, and the other way, to the byte" {
	local port=$((20000 + RANDOM % 12000)) pid
	cat >$X/registry.yml <<-END
		version: 0.1
		log: {level: error}
		storage: {filesystem: {rootdirectory: $X/registry}}
		http: {addr: "127.0.0.1:$port"}
	END
	docker-registry serve $X/registry.yml >$X/registry.log 2>&1 3>&- &
	pid=$!
	timeout 20 bash -c "until (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.1; done"
	here "coffer build --force --encryption=gocryptfs --pem-path=rsa_public.pem pushed.sif tree
		coffer push --no-https pushed.sif oras://localhost:$port/from/coffer:1"
	there "apptainer pull --force --no-https p-pulled.sif oras://localhost:$port/from/coffer:1"
	cmp $X/pushed.sif $X/p-pulled.sif
	there "apptainer push --no-https p-pulled.sif oras://localhost:$port/from/peer:1"
	here "coffer pull --force --no-https c-pulled.sif oras://localhost:$port/from/peer:1"
	cmp $X/pushed.sif $X/c-pulled.sif
	there "apptainer exec --no-https --pem-path=rsa_private.pem oras://localhost:$port/from/coffer:1 cat /etc/passwd" | grep -q root
	kill $pid
}
