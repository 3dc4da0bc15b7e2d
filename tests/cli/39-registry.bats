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

@test "of a list of several machines the one that is asked for, to its variant" {
	local digest variant
	rm -rf list
	for variant in v6 v7; do
		mkdir -p part && echo $variant >part/which
		tar --owner=0 --group=0 -C part -cf part.tar .
		"$COFFER_ROOT/tests/cli/make-layout" -a arm/$variant list '{}' layer.tar part.tar
	done
	rm -r part
	# The list becomes an image of its own, as in registries.
	digest=$(sha256sum <list/index.json | cut -d' ' -f1)
	cp list/index.json "list/blobs/sha256/$digest"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.index.v1+json","digest":"sha256:%s","size":%d}]}' \
		"$digest" "$(stat -c %s "list/blobs/sha256/$digest")" >list/index.json
	skopeo copy -q --all --insecure-policy --dest-tls-verify=false oci:list "docker://localhost:$PLAIN/group/list:1"
	for variant in v6 v7; do
		run -0 coffer build --force --no-https --arch arm --arch-variant ${variant#v} image.sif "docker://localhost:$PLAIN/group/list:1"
		run -0 --separate-stderr coffer exec image.sif cat /which
		[ "$output" = $variant ]
	done
	run --separate-stderr coffer build --force --no-https --arch s390x --arch-variant 1 image.sif "docker://localhost:$PLAIN/group/list:1"
	refused 255 'no image found in'
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

# What coffer has left in /tmp; bats has a folder of its own there.
left() { find /tmp -mindepth 1 -maxdepth 1 ! -name 'bats-*'; }
# What the cache has of images.
kept() { find cache/cache/oci-tmp -type f | wc -l; }

@test "run, exec, shell and test of a name in the registry, and what is kept of it" {
	export APPTAINER_CACHEDIR=$WORK/cache APPTAINER_NOHTTPS=1
	source=docker://localhost:$PLAIN/group/image
	run -0 --separate-stderr coffer run "$source:1"
	[ "$output" = "from a registry" ]
	err_has 'Converting OCI blobs to SIF format'
	[ "$(kept)" -eq 1 ] && [ "$(stat -c %a cache/cache)" = 700 ]
	run -0 --separate-stderr apptainer exec "$source:1" echo again
	[ "$output" = again ]
	err_has 'Using cached SIF image'
	refute grep -q Converting <<<"$stderr"
	# The same by its digest, for which nobody has to be asked.
	digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://localhost:$PLAIN/group/image:1")
	mkdir -p nobody && PATH=$WORK/nobody:$PATH
	printf '#!/bin/sh\nexit 9\n' >nobody/skopeo && chmod +x nobody/skopeo
	run -0 --separate-stderr coffer exec "$source@$digest" echo digest
	[ "$output" = digest ]
	PATH=${PATH#*:}
	run -0 --separate-stderr coffer shell "$source:1" <<<'echo in a shell'
	[ "$output" = "in a shell" ]
	run -0 --separate-stderr coffer test "$source:1"
	[ "$(kept)" -eq 1 ]
	# A name is asked for anew each time.
	"$COFFER_ROOT/tests/cli/make-layout" second '{"Env":["PATH=/bin"],"Entrypoint":["/bin/echo","the second"]}' layer.tar
	skopeo copy -q --insecure-policy --dest-tls-verify=false oci:second "docker://localhost:$PLAIN/moving:1"
	run -0 --separate-stderr coffer run "docker://localhost:$PLAIN/moving:1"
	[ "$output" = "the second" ] && [ "$(kept)" -eq 2 ]
	skopeo copy -q --insecure-policy --dest-tls-verify=false oci:image "docker://localhost:$PLAIN/moving:1"
	run -0 --separate-stderr coffer run "docker://localhost:$PLAIN/moving:1"
	[ "$output" = "from a registry" ] && [ "$(kept)" -eq 2 ]
	[ -z "$(left)" ]
}

@test "without a cache, and with one that is none" {
	export APPTAINER_NOHTTPS=1 source=docker://localhost:$PLAIN/group/image:1 TMPDIR=$WORK/scratch
	rm -rf cache && mkdir -p scratch
	APPTAINER_CACHEDIR=$WORK/cache run -0 --separate-stderr coffer run --disable-cache "$source"
	[ "$output" = "from a registry" ]
	[ ! -e cache ] && [ -z "$(ls -A scratch)" ]
	# Where others may write, they could put another image there.
	mkdir -p cache/cache && chmod 0777 cache/cache
	APPTAINER_CACHEDIR=$WORK/cache run --separate-stderr coffer run "$source"
	refused 255 'can be written by others'
	err_has 'chmod go-w'
	touch file
	APPTAINER_CACHEDIR=$WORK/file run -0 --separate-stderr coffer run "$source"
	[ "$output" = "from a registry" ]
	err_has 'Cache disabled'
	[ -z "$(ls -A scratch)" ]
	rm -rf cache
	# A folder that has no room or is not there is told of.
	run --separate-stderr coffer run --disable-cache --tmpdir "$WORK/none" "$source"
	refused 255 'none: no such file or directory'
	err_has '--tmpdir'
}

@test "two runs of one name at once, and one that is killed" {
	export APPTAINER_NOHTTPS=1 APPTAINER_CACHEDIR=$WORK/cache source=docker://localhost:$PLAIN/group/image:1
	coffer run "$source" >one 2>one.err & one=$!
	coffer run "$source" >two 2>two.err & two=$!
	wait $one
	wait $two
	[ "$(cat one two | sort -u)" = "from a registry" ]
	[ "$(kept)" -eq 1 ]
	rm -rf cache
	coffer run "$source" >three 2>three.err & three=$!
	wait_for grep -q Converting three.err
	kill -TERM $three
	wait $three || true
	wait_for no_processes
	run -0 --separate-stderr coffer run "$source"
	[ "$output" = "from a registry" ] && [ "$(kept)" -eq 1 ]
}

@test "archives and layouts are run as they are" {
	export APPTAINER_CACHEDIR=$WORK/cache
	rm -rf cache
	skopeo copy -q --insecure-policy oci:image oci-archive:image.tar
	skopeo copy -q --insecure-policy oci:image docker-archive:docker.tar:an/image:1
	for source in oci:image oci-archive:image.tar docker-archive:docker.tar docker-archive://docker.tar; do
		run -0 --separate-stderr coffer run "$source"
		[ "$output" = "from a registry" ]
	done
	[ ! -e cache ]
	[ -z "$(left)" ]
}

# As Apptainer pushes one: a layout with the file for its only layer.
push_sif() { # FILE REFERENCE
	local blobs=sif.layout/blobs/sha256 digest size config type=application/vnd.oci.image
	rm -rf sif.layout
	mkdir -p $blobs
	digest=$(sha256sum <"$1" | cut -d' ' -f1) size=$(stat -c %s "$1")
	cp "$1" "$blobs/$digest"
	config=$(printf '{}' | sha256sum | cut -d' ' -f1)
	printf '{}' >"$blobs/$config"
	printf '{"schemaVersion":2,"config":{"mediaType":"application/vnd.sylabs.sif.config.v1+json","digest":"sha256:%s","size":2},"layers":[{"mediaType":"%s","digest":"sha256:%s","size":%s}]}' \
		"$config" "${TYPE:-application/vnd.sylabs.sif.layer.v1.sif}" "$digest" "$size" >manifest.json
	digest=$(sha256sum <manifest.json | cut -d' ' -f1)
	cp manifest.json "$blobs/$digest"
	printf '{"schemaVersion":2,"manifests":[{"mediaType":"%s.manifest.v1+json","digest":"sha256:%s","size":%s}]}' $type "$digest" "$(stat -c %s manifest.json)" >sif.layout/index.json
	printf '{"imageLayoutVersion":"1.0.0"}' >sif.layout/oci-layout
	skopeo copy -q --insecure-policy --dest-tls-verify=false oci:sif.layout "docker://$2"
}

@test "oras://: an image file is got as it is, kept, and run" {
	export APPTAINER_NOHTTPS=1 APPTAINER_CACHEDIR=$WORK/cache source=oras://localhost:$PLAIN/group/sealed:1
	rm -rf cache sealed_1.sif
	coffer -q build --force --encryption=gocryptfs --pem-path=rsa_pub.pem sealed.sif tree
	push_sif sealed.sif "localhost:$PLAIN/group/sealed:1"
	run -0 --separate-stderr coffer pull "$source"
	cmp sealed.sif sealed_1.sif
	[ -x sealed_1.sif ]
	run --separate-stderr coffer pull "$source"
	refused 255 'will not overwrite'
	for said in 'Downloading oras image' 'Using cached SIF image'; do
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "$source" cat /etc/secret.txt
		[ "$output" = 'a marker that must stay hidden' ]
		err_has "$said"
	done
	[ "$(ls cache/cache/oras | wc -l)" -eq 1 ]
	run -0 --separate-stderr coffer exec --disable-cache --pem-path=rsa_pri.pem "$source" echo anew
	err_has 'Downloading oras image'
	# To seal it would take it over the disk in the clear.
	run --separate-stderr coffer pull --pem-path=rsa_pub.pem other.sif "$source"
	refused 255 'an image of oras:// is pulled as it is'
	run -0 --separate-stderr coffer build --base-pem-path=rsa_pri.pem --passphrase other.sif "$source" <<<hunter
	err_has 'Downloading oras image'
	run -0 --separate-stderr coffer exec --passphrase other.sif cat /etc/secret.txt <<<hunter
	[ "$output" = 'a marker that must stay hidden' ]
	printf 'Bootstrap: oras\nFrom: localhost:%s/group/sealed:1\n%%post\n\techo more >/etc/more\n' "$PLAIN" >d.def
	run -0 coffer build --force --base-pem-path=rsa_pri.pem other.sif d.def
	run -0 --separate-stderr coffer exec other.sif cat /etc/more
	[ "$output" = more ]
	# With the login of a registry that wants one.
	APPTAINER_NOHTTPS='' SSL_CERT_FILE=$WORK/tls.crt skopeo copy -q --insecure-policy --dest-creds 'me:pass word' oci:sif.layout "docker://localhost:$TLS/sealed:1"
	APPTAINER_NOHTTPS='' SSL_CERT_FILE=$WORK/tls.crt APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD='pass word' \
		run -0 coffer build --force --base-pem-path=rsa_pri.pem other.sif "oras://localhost:$TLS/sealed:1"
	rm other.sif
	run --separate-stderr coffer build other.sif "oras://localhost:$PLAIN/group/image:1"
	refused 255 'conveyor failed to get: what is there is no SIF image: '
	# Something else under that name, and no image at all.
	run --separate-stderr coffer run "oras://localhost:$PLAIN/group/image:1"
	refused 255 'what is there is no SIF image: '
	err_has 'docker://'
	TYPE=application/octet-stream push_sif sealed.sif "localhost:$PLAIN/group/other:1"
	run --separate-stderr coffer run "oras://localhost:$PLAIN/group/other:1"
	refused 255 'what it has is of type application/octet-stream'
	run --separate-stderr coffer pull "oras://localhost:$PLAIN/group/none:1"
	refused 255 'manifest unknown'
	[ ! -e other.sif ] && [ ! -e none_1.sif ] && [ -z "$(find . -maxdepth 1 -name '*.sif.*')" ]
	[ -z "$(left)" ]
}

@test "a name that leads nowhere, and keys that have nothing to open" {
	export APPTAINER_NOHTTPS=1 APPTAINER_CACHEDIR=$WORK/cache
	run --separate-stderr apptainer run "docker://localhost:$PLAIN/group/image:none"
	refused 255 "Unable to handle docker://localhost:$PLAIN/group/image:none uri"
	err_has 'manifest unknown'
	run --separate-stderr apptainer run foo://bar
	refused 255 'Unsupported transport type: foo'
	run --separate-stderr coffer run shub://a/b:c
	refused 255 'shub:// is not supported by coffer'
	run --separate-stderr coffer instance start instance://one two
	refused 255 'instance://one is an instance, not an image'
	run --separate-stderr coffer run --pem-path=rsa_pri.pem "docker://localhost:$PLAIN/group/image:1"
	refused 255 'is not encrypted, but a key is given for it'
	run --separate-stderr coffer run --require-encrypted "docker://localhost:$PLAIN/group/image:1"
	[ "$status" -eq 255 ]
	# A password is in no environment of the container.
	export SSL_CERT_FILE=$WORK/tls.crt APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD='pass word'
	unset APPTAINER_NOHTTPS
	run -0 --separate-stderr coffer exec "docker://localhost:$TLS/image" env
	refute grep -q 'pass word' <<<"$output"
	run -0 --separate-stderr coffer run "docker://localhost:$TLS/image"
	err_has 'Using cached SIF image'
	[ -z "$(find cache -type f -exec grep -la 'pass word\|bWU6cGFzcyB3b3Jk' {} + 2>/dev/null)" ]
	[ -z "$(left)" ]
}

@test "the cache is listed and cleaned, by kind and by age" {
	export APPTAINER_NOHTTPS=1 APPTAINER_CACHEDIR=$WORK/cache source=docker://localhost:$PLAIN/group/image:1
	rm -rf cache
	run -0 --separate-stderr coffer cache list
	[ "${lines[0]}" = "There are 0 container file(s) using 0.00 KiB and 0 oci blob file(s) using 0.00 KiB of space" ]
	[ ! -e cache ]
	run -0 --separate-stderr coffer run "$source"
	name=$(ls cache/cache/oci-tmp)
	run -0 --separate-stderr apptainer cache list -v
	[[ "${lines[0]}" =~ ^NAME\ +DATE\ CREATED\ +SIZE\ +TYPE$ ]]
	[[ "${lines[1]}" =~ ^"${name:0:22}"\ +20[0-9-]+\ [0-9:]+\ +[0-9.]+\ [KM]iB\ +oci$ ]]
	[[ "${lines[2]}" = "There are 1 container file(s) using "*" and 0 oci blob file(s) using 0.00 KiB of space" ]]
	# What another program keeps there is seen, too; links are left alone.
	mkdir -p cache/cache/blob/blobs/sha256 cache/cache/net && echo blob >cache/cache/blob/blobs/sha256/0123
	ln -s "$WORK/file" cache/cache/net/link
	run -0 --separate-stderr coffer cache list --type blob,net
	[[ "${lines[0]}" = "There are 0 container"*" and 1 oci blob file(s) using 0.00 KiB of space" ]]
	run --separate-stderr coffer cache clean </dev/null
	refused 255 'the cache was not cleaned'
	run -0 terminal 'Do you want to continue' n -- sh -c 'coffer cache clean; true'
	[ -e "cache/cache/oci-tmp/$name" ]
	run -0 --separate-stderr coffer cache clean --dry-run
	err_has "Removing oci cache entry: $name"
	err_has 'Removing blob cache entry: 0123'
	run -0 --separate-stderr coffer cache clean --force --days 1
	[ "$(find cache -type f | wc -l)" -eq 2 ]
	run -0 --separate-stderr coffer cache clean --force -T blob
	[ "$(find cache -type f)" = "cache/cache/oci-tmp/$name" ]
	touch -d '3 days ago' "cache/cache/oci-tmp/$name"
	run -0 --separate-stderr coffer cache clean --force --days 2
	[ -z "$(find cache -type f)" ] && [ -h cache/cache/net/link ]
	run --separate-stderr coffer cache list --type none
	refused 255 'not a valid type: none'
	run --separate-stderr coffer cache clean --days=-1 -f
	refused 255 'number of days'
	# The default is a folder of the user's own.
	unset APPTAINER_CACHEDIR
	run -0 --separate-stderr coffer run "$source"
	[ -n "$(find .cache/coffer/oci-tmp -type f)" ]
	XDG_CACHE_HOME=$WORK/xdg run -0 --separate-stderr coffer cache clean -n
	err_has "$WORK/xdg/coffer/oci-tmp"
}
