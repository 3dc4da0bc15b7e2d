#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# docker://: from a registry on this machine, without encryption and, with TLS by a CA of its own,
# with a password; what goes wrong there is told by cause and remedy.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	tar --owner=0 --group=0 -C tree -cf layer.tar .
	"$COFFER_ROOT/tests/cli/make-layout" image '{"Env":["PATH=/bin"],"Entrypoint":["/bin/echo","from a registry"]}' layer.tar
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
		-keyout tls.key -out tls.crt 2>/dev/null
	# The registry takes bcrypt alone.
	printf 'me:%s\n' "$(perl -e 'print crypt("pass word", q($2y$05$abcdefghijklmnopqrstuu))')" >users
	export PLAIN TLS
	start_registry plain PLAIN ''
	start_registry tls TLS "
  tls: {certificate: $WORK/tls.crt, key: $WORK/tls.key}
auth: {htpasswd: {realm: here, path: $WORK/users}}"
	skopeo copy -q --insecure-policy --dest-tls-verify=false oci:image "docker://localhost:$PLAIN/group/image:1"
	SSL_CERT_FILE=$WORK/tls.crt skopeo copy -q --insecure-policy --dest-creds 'me:pass word' oci:image "docker://localhost:$TLS/image:latest"
}
teardown_file() {
	kill "$(cat plain.pid)" "$(cat tls.pid)" 2>/dev/null
	drop_work
}
setup() {
	cd "$WORK"
	# No login of this user's own is found.
	export HOME=$WORK XDG_RUNTIME_DIR=$WORK/run
}

start_registry() { # NAME VARIABLE MORE: on a port of its own
	local port i
	for i in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 12000))
		cat >"$1.yml" <<-END
			version: 0.1
			log: {level: error}
			storage: {filesystem: {rootdirectory: $WORK/$1.store}}
			http:
			  addr: 127.0.0.1:$port$3
		END
		docker-registry serve "$1.yml" >"$1.log" 2>&1 3>&- &
		echo $! >"$1.pid"
		wait_for listens_or_ended "$port" "$(cat "$1.pid")"
		kill -0 "$(cat "$1.pid")" 2>/dev/null || continue
		eval "$2=$port"
		return 0
	done
	cat "$1.log"
	return 1
}
listens_or_ended() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null || ! kill -0 "$2" 2>/dev/null; }

@test "without encryption, when that is asked for" {
	run --separate-stderr coffer build --force image.sif "docker://localhost:$PLAIN/group/image:1"
	refused 255 'server gave HTTP response to HTTPS client'
	err_has '--no-https'
	run -0 coffer build --force --no-https --pem-path=rsa_pub.pem image.sif "docker://localhost:$PLAIN/group/image:1"
	run -0 --separate-stderr coffer run --pem-path=rsa_pri.pem image.sif
	[ "$output" = "from a registry" ]
	# By digest, by a variable, and in a definition with the registry in a line of its own.
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://localhost:$PLAIN/group/image:1")
	APPTAINER_NOHTTPS=1 run -0 coffer build --force image.sif "docker://localhost:$PLAIN/group/image@$digest"
	printf 'Bootstrap: docker\nRegistry: localhost:%s\nNamespace: group\nFrom: image:1\n%%post\n  echo more >/more\n' "$PLAIN" >d.def
	run -0 coffer build --force --no-https image.sif d.def
	run -0 --separate-stderr coffer exec image.sif cat /more
	[ "$output" = more ]
}

@test "with TLS and a password: asked for, in the environment, in a file" {
	export SSL_CERT_FILE=$WORK/tls.crt
	source=docker://localhost:$TLS/image
	run --separate-stderr coffer build --force image.sif "$source"
	refused 255 'authentication required'
	err_has '--docker-login'
	APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD='pass word' run -0 coffer build --force image.sif "$source"
	run -0 --separate-stderr coffer run image.sif
	[ "$output" = "from a registry" ]
	DOCKER_USERNAME=me DOCKER_PASSWORD=wrong run --separate-stderr coffer build --force image.sif "$source"
	refused 255 'skopeo: '
	SINGULARITY_DOCKER_PASSWORD='pass word' run -0 coffer build --force --docker-username me image.sif "$source"
	run -0 terminal 'Username: ' me 'Password: ' 'pass word' -- coffer build --force --docker-login image.sif "$source"
	printf '{"auths":{"localhost:%s":{"auth":"%s"}}}' "$TLS" "$(printf 'me:pass word' | base64)" >auth.json
	run -0 coffer build --force --authfile auth.json image.sif "$source"
	REGISTRY_AUTH_FILE=auth.json run -0 coffer build --force image.sif "$source"
	mkdir -p .docker && cp auth.json .docker/config.json
	run -0 coffer build --force image.sif "$source"
	rm -r .docker
}

@test "a password is in no list of processes, no section's environment and no file" {
	export SSL_CERT_FILE=$WORK/tls.crt APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD='pass word'
	printf 'Bootstrap: docker\nFrom: localhost:%s/image\n%%setup\n  env >%s/setup.env\n  grep -la "pass.word" /proc/[0-9]*/cmdline >%s/seen || true\n%%post\n  env\n' \
		"$TLS" "$WORK" "$WORK" >d.def
	touch stamp
	# What skopeo is started with, it tells itself.
	mkdir -p bin && printf '#!/bin/sh\n{ echo "$0 $*"; env; cat /proc/$PPID/cmdline; } >%s/calls\nexec %s "$@"\n' \
		"$WORK" "$(command -v skopeo)" >bin/skopeo && chmod +x bin/skopeo
	PATH=$WORK/bin:$PATH run -0 coffer build --force image.sif d.def
	grep -q 'skopeo.* copy .*docker://localhost' calls
	refute grep -q 'pass word\|bWU6cGFzcyB3b3Jk' calls
	refute grep -q 'pass word' setup.env
	refute grep -q DOCKER_PASSWORD setup.env
	refute grep -q 'pass word' <<<"$output"
	[ ! -s seen ]
	[ -z "$(find . /tmp -user "$(id -un)" -newer stamp -type f -exec grep -la 'pass word\|bWU6cGFzcyB3b3Jk' {} + 2>/dev/null)" ]
	run --separate-stderr coffer build --force --docker-username me --docker-password 'pass word' image.sif d.def
	refused 255 'a password on the command line is seen by everybody on the machine'
}

@test "what is not there, and what is not trusted" {
	run --separate-stderr coffer build --force --no-https other.sif "docker://localhost:$PLAIN/group/image:none"
	refused 255 'manifest unknown'
	run --separate-stderr coffer build --force --no-https other.sif "docker://localhost:$PLAIN/nobody:1"
	refused 255 'skopeo: '
	run --separate-stderr coffer build other.sif "docker://localhost:$TLS/image"
	refused 255 'x509: '
	err_has '/etc/containers/certs.d'
	run --separate-stderr coffer build other.sif docker://localhost:1/image
	refused 255 'connection refused'
	run --separate-stderr coffer build other.sif docker://no-such-host.invalid/image
	refused 255 'no-such-host.invalid'
	[ ! -e other.sif ]
	[ -z "$(find . -maxdepth 1 -name '.*sif*')" ]
	no_processes
}

@test "an image that breaks off, or is another, is refused" {
	cp -r plain.store kept
	blob=$(find plain.store -name data -size +100k)
	truncate -s 100000 "$blob"
	run --separate-stderr coffer build --no-https broken.sif "docker://localhost:$PLAIN/group/image:1"
	refused 255 'skopeo: '
	find kept -name data -size +100k -exec cp {} "$blob" \;
	printf X | dd of="$blob" bs=1 seek=50000 conv=notrunc status=none
	run --separate-stderr coffer build --no-https broken.sif "docker://localhost:$PLAIN/group/image:1"
	refused 255 'skopeo: '
	[ ! -e broken.sif ]
	find kept -name data -size +100k -exec cp {} "$blob" \;
	run -0 coffer build --no-https broken.sif "docker://localhost:$PLAIN/group/image:1"
}
