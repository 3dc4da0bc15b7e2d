#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# push: an encrypted image to a registry and back, to the byte; what goes wrong is told by cause and remedy.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	cd "$WORK" || return
	coffer -q build --force --encryption=gocryptfs --pem-path=rsa_pub.pem 'a "sealed" one.sif' tree
	cp 'a "sealed" one.sif' sealed.sif
	# The registry takes bcrypt alone.
	printf 'me:%s\n' "$(perl -e 'print crypt("pass word", q($2y$05$abcdefghijklmnopqrstuu))')" >users
	export OPEN CLOSED
	start_registry open OPEN ''
	start_registry closed CLOSED "
auth: {htpasswd: {realm: here, path: $WORK/users}}"
}
teardown_file() {
	kill "$(cat "$WORK/open.pid")" "$(cat "$WORK/closed.pid")" 2>/dev/null
	drop_work
}
setup() {
	cd "$WORK" || return
	mkdir -p tmp
	# No login of this user's own is found.
	export HOME=$WORK XDG_RUNTIME_DIR=$WORK/run APPTAINER_NOHTTPS=1 TMPDIR=$WORK/tmp APPTAINER_CACHEDIR=$WORK/cache
}
teardown() {
	[ -z "$(ls -A "$WORK/tmp")" ]
}

@test "an encrypted image goes and comes back to the byte, and runs from there" {
	run -0 --separate-stderr coffer push sealed.sif "oras://localhost:$OPEN/group/sealed:1"
	err_has 'Upload complete'
	run -0 coffer pull --force back.sif "oras://localhost:$OPEN/group/sealed:1"
	cmp sealed.sif back.sif
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "oras://localhost:$OPEN/group/sealed:1" cat /etc/secret.txt
	[ "$output" = 'a marker that must stay hidden' ]
	run ! grep -rqs 'a marker that must stay hidden' open.store cache
	# The media types, and the name, are those that Apptainer writes.
	run -0 skopeo inspect --raw --tls-verify=false "docker://localhost:$OPEN/group/sealed:1"
	[[ "$output" == *'"config":{"mediaType":"application/vnd.sylabs.sif.config.v1+json"'* ]]
	[[ "$output" == *'"layers":[{"mediaType":"application/vnd.sylabs.sif.layer.v1.sif"'* ]]
	[[ "$output" == *'"org.opencontainers.image.title":"sealed.sif"'* ]]
	# Again, over what is there; without a tag; a name that has to be quoted.
	run -0 coffer push sealed.sif "oras://localhost:$OPEN/group/sealed:1"
	run -0 coffer push 'a "sealed" one.sif' "oras://localhost:$OPEN/group/sealed"
	run -0 coffer pull --force back.sif "oras://localhost:$OPEN/group/sealed"
	cmp sealed.sif back.sif
}

@test "a registry that wants a password, which is in no argument" {
	run --separate-stderr coffer push sealed.sif "oras://localhost:$CLOSED/sealed:1"
	refused 255 'Unable to push image to oci registry'
	err_has 'log in with skopeo login'
	APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD=wrong run --separate-stderr coffer push sealed.sif "oras://localhost:$CLOSED/sealed:1"
	refused 255 'Unable to push image to oci registry'
	export APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD='pass word'
	run -0 coffer push sealed.sif "oras://localhost:$CLOSED/sealed:1"
	run -0 coffer pull --force back.sif "oras://localhost:$CLOSED/sealed:1"
	cmp sealed.sif back.sif
}

@test "what cannot be pushed is told" {
	echo text >text.sif
	run --separate-stderr coffer push text.sif "oras://localhost:$OPEN/group/text:1"
	refused 255 '"text.sif" is not a SIF'
	run --separate-stderr coffer push none.sif "oras://localhost:$OPEN/group/text:1"
	refused 255 'could not open image none.sif for verification'
	run --separate-stderr coffer push tree "oras://localhost:$OPEN/group/text:1"
	refused 255 '"tree" is not a SIF'
	run --separate-stderr coffer push sealed.sif library://a/b/c
	refused 255 'Unsupported transport type: library'
	err_has 'oras://'
	run --separate-stderr coffer push sealed.sif there
	refused 255 'No transport type URI supplied'
	run --separate-stderr coffer push sealed.sif oras://localhost:1/a:1
	refused 255 'connection refused'
	run --separate-stderr coffer push sealed.sif 'oras://a b'
	refused 255 'could not parse reference'
}

@test "what is kept by a digest is what had it, whatever its tag leads to next" {
	cp sealed.sif other.sif
	echo more >>other.sif
	run -0 coffer push sealed.sif "oras://localhost:$OPEN/turns:1"
	run -0 coffer push other.sif "oras://localhost:$OPEN/turns:2"
	mkdir -p bin
	cat >bin/skopeo <<-END
		#!/bin/sh
		case " \$* " in *" copy "*)
			$(command -v skopeo) copy -q --insecure-policy --src-tls-verify=false --dest-tls-verify=false \
				docker://localhost:$OPEN/turns:2 docker://localhost:$OPEN/turns:1 || exit
			: >turned ;;
		esac
		exec $(command -v skopeo) "\$@"
	END
	chmod +x bin/skopeo
	rm -rf cache turned
	PATH=$WORK/bin:$PATH run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "oras://localhost:$OPEN/turns:1" echo yes
	[ -e turned ]
	cmp sealed.sif cache/cache/oras/*
	run -0 coffer pull --force back.sif "oras://localhost:$OPEN/turns:1"
	cmp other.sif back.sif
}
