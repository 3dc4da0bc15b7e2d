#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# http://, https:// and library://: image files of web servers, with the faults these have; what goes
# wrong is told by cause and remedy, and nothing is left half.

load helper

setup_file() {
	make_work
	make_keys
	make_tree tree
	cd "$WORK" || return
	coffer -q build --force --encryption=gocryptfs --pem-path=rsa_pub.pem image.sif tree
	cp image.sif name.latest
	cp image.sif name.two
	cp image.sif wrong.latest
	cp image.sif nohash.latest
	cp image.sif name.other
	echo more >>name.other
	echo '<!DOCTYPE html><html>log in</html>' >page.sif
	# A certificate that a CA has signed, as all in the world are.
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt 2>/dev/null
	openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout tls.key -out tls.csr 2>/dev/null
	openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 \
		-extfile <(echo subjectAltName=DNS:localhost) -out tls.crt 2>/dev/null
	export PLAIN TLS
	serve plain
	PLAIN=$(cat plain.port)
	serve tls tls.crt tls.key
	TLS=$(cat tls.port)
}
teardown_file() {
	kill "$(cat "$WORK/plain.pid")" "$(cat "$WORK/tls.pid")" 2>/dev/null
	drop_work
}
setup() {
	cd "$WORK" || return
	rm -rf got.sif cache
	: >web.log
	export APPTAINER_CACHEDIR=$WORK/cache
}

serve() { # NAME MORE...
	python3 "$COFFER_ROOT/tests/cli/web-server" "$WORK" "${@:2}" >"$1.port" 2>"$1.log" 3>&- &
	echo $! >"$1.pid"
	wait_for test -s "$1.port"
}
# That nothing but the files of setup_file is here.
left() { find . -maxdepth 1 \( -name 'got*' -o -name '*.sif.*' \); }

@test "http://: as it is, executable, under its name, and --force" {
	run -0 --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/good/image.sif"
	err_has 'Downloading network image'
	cmp image.sif got.sif
	[ -x got.sif ]
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/good/image.sif"
	refused 255 'Image file already exists: "got.sif" - will not overwrite'
	echo old >got.sif
	run -0 coffer pull --force got.sif "http://localhost:$PLAIN/bare/image.sif"
	cmp image.sif got.sif
	mkdir -p folder
	run -0 coffer pull --dir folder "http://localhost:$PLAIN/good/image.sif?key=0"
	cmp image.sif folder/image.sif
	rm -r folder
	run --separate-stderr coffer pull "http://localhost:$PLAIN/"
	refused 255 'the URL ends in no name of a file'
	run --separate-stderr coffer pull --pem-path=rsa_pub.pem got2.sif "http://localhost:$PLAIN/good/image.sif"
	refused 255 'an image of http:// is pulled as it is'
	err_has "coffer build got2.sif http://localhost:$PLAIN/good/image.sif"
	[ ! -e got2.sif ]
}

@test "build: upon an image of a web server, encrypted with its key, or plain" {
	local from=http://localhost:$PLAIN/good
	coffer -q build --force plain.sif tree
	run -0 --separate-stderr coffer build --pem-path=rsa_pub.pem --base-pem-path=rsa_pri.pem got.sif "$from/image.sif?key=word"
	err_has 'Downloading network image'
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem got.sif cat /etc/secret.txt
	[ "$output" = 'a marker that must stay hidden' ]
	# What lets others in is in no image.
	run -0 coffer inspect --deffile got.sif
	[[ "$output" == *"from: localhost:$PLAIN/good/image.sif"* ]] && [[ "$output" != *word* ]]
	run -0 coffer inspect --json got.sif
	[[ "$output" == *"localhost:$PLAIN/good/image.sif"* ]] && [[ "$output" != *word* ]]
	refute grep -q key=word got.sif
	grep -q 'image.sif?key=word' web.log
	# Of a written one the label has nothing of it, and the definition has, which is said.
	printf 'Bootstrap: http\nFrom: localhost:%s/good/plain.sif?key=word\n' "$PLAIN" >d.def
	run -0 --separate-stderr coffer build --force got.sif d.def
	err_has "What follows \"?\" in From: localhost:$PLAIN/good/plain.sif stays in the image"
	[[ "$stderr" != *word* ]]
	run -0 --separate-stderr coffer inspect --labels got.sif
	[[ "$output" == *"deffile.from: localhost:$PLAIN/good/plain.sif"* ]] && [[ "$output" != *word* ]]
	# Sections, two stages, a passphrase for the new one.
	printf 'Bootstrap: http\nFrom: localhost:%s/good/plain.sif\nStage: one\n%%post\n\techo more >/etc/more\nBootstrap: http\nFrom: localhost:%s/bare/image.sif\n%%files from one\n\t/etc/more /etc/more\n%%test\n\tgrep -q more /etc/more\n' \
		"$PLAIN" "$PLAIN" >d.def
	run -0 coffer build --force --base-pem-path=rsa_pri.pem --passphrase got.sif d.def <<<hunter
	run -0 --separate-stderr coffer exec --passphrase got.sif cat /etc/more <<<hunter
	[ "$output" = more ]
	run -0 --separate-stderr coffer build --force --base-pem-path=rsa_pri.pem got.sif "$from/image.sif?key=word"
	err_has "localhost:$PLAIN/good/image.sif is encrypted, but --encrypt was not specified. NOT encrypting got.sif."
	[[ "$stderr" != *word* ]]
	rm got.sif
}

@test "build: what is refused of a web server's image, and a passphrase for it" {
	local from=http://localhost:$PLAIN/good
	coffer -q build --force plain.sif tree
	coffer -q build --force --encryption=gocryptfs --passphrase said.sif tree <<<hunter
	APPTAINER_ENCRYPTION_PASSPHRASE=hunter run -0 coffer build got.sif "$from/said.sif"
	run -0 --separate-stderr coffer exec got.sif cat /etc/secret.txt
	[ "$output" = 'a marker that must stay hidden' ]
	rm got.sif
	run --separate-stderr coffer build got.sif "$from/image.sif" </dev/null
	refused 255 'the base image is encrypted and there is no key for it'
	run --separate-stderr coffer build --base-pem-path=other_pri.pem got.sif "$from/image.sif"
	refused 255 'packer failed to pack: while unpacking local image: '
	err_has 'give the private key that belongs to the public key'
	run --separate-stderr coffer build --base-pem-path=rsa_pri.pem got.sif "$from/plain.sif"
	refused 255 "$from/plain.sif is not encrypted, but a key is given for it"
	run --separate-stderr coffer build --arch-variant 7 got.sif "$from/plain.sif"
	refused 255 '--arch-variant chooses nothing of http://'
	run --separate-stderr coffer pull --arch-variant 7 got.sif "$from/plain.sif"
	refused 255 '--arch-variant chooses nothing of http://'
	# Also where the one is here and the other elsewhere: either could have been meant, till the end.
	printf 'Bootstrap: http\nFrom: localhost:%s/good/plain.sif\nBootstrap: localimage\nFrom: plain.sif\n' "$PLAIN" >d.def
	run --separate-stderr coffer build --base-pem-path=rsa_pri.pem got.sif d.def
	refused 255 'no image that is built upon is encrypted, but a key is given for one'
	# And where %pre makes it.
	printf 'Bootstrap: localimage\nFrom: made.sif\n%%pre\n\tcp %s %s/made.sif\n' "$WORK/plain.sif" "$WORK" >d.def
	run --separate-stderr coffer build --base-pem-path=rsa_pri.pem got.sif d.def
	refused 255 'no image that is built upon is encrypted, but a key is given for one'
	rm made.sif
	sed -i s/plain.sif/image.sif/ d.def
	run -0 coffer build --base-pem-path=rsa_pri.pem got.sif d.def
	rm got.sif made.sif
	run --separate-stderr coffer build got.sif "$from/page.sif"
	refused 255 'conveyor failed to get: what is there is no image'
	run --separate-stderr coffer build got.sif "http://localhost:$PLAIN/status-404/plain.sif"
	refused 255 'it is not there (status 404)'
	run --separate-stderr coffer build got.sif "http://me:word@localhost:$PLAIN/good/plain.sif"
	refused 255 'a password in a URL is seen by everybody'
	printf 'Bootstrap: http\nFrom: localhost:%s/good/plain.sif\nFingerprints: 1234\n' "$PLAIN" >d.def
	run --separate-stderr coffer build got.sif d.def
	refused 255 'signatures are not checked'
	[ -z "$(left)" ]
	# The site's word counts as for a file of this machine.
	printf 'allow container encrypted = no\n' >site.conf
	if am_root; then
		chmod 0644 site.conf
		run --separate-stderr coffer -c site.conf build --base-pem-path=rsa_pri.pem got.sif "$from/image.sif"
		refused 255 'configuration disallows users from running encrypted SIF containers'
	fi
	[ ! -e got.sif ]
}

@test "build: what is got is on no disk in the clear" {
	local build watcher=0 status=0 mark=clear-text-$RANDOM$RANDOM
	# The plain image says what it was made of, and so can be known again.
	cp -r tree $mark
	coffer -q build --force plain.sif $mark
	grep -q $mark plain.sif
	touch stamp
	rm -f ready
	if am_root; then # who alone can watch
		"$COFFER_ROOT/bin/diskwatch" "$WORK/ready" /var/tmp $mark >seen 3>&- &
		watcher=$!
		wait_for test -e ready
	fi
	coffer build --pem-path=rsa_pub.pem got.sif "http://localhost:$PLAIN/slow/plain.sif" 3>&- &
	build=$!
	wait_for grep -q 'GET .*slow' web.log
	[ -z "$(find . /tmp /var/tmp /dev/shm -user "$(id -un)" -newer stamp -name '*fetched*' 2>/dev/null)" ]
	wait $build
	[ -z "$(find . /tmp /var/tmp /dev/shm -user "$(id -un)" -newer stamp -type f -exec grep -la $mark {} + 2>/dev/null)" ]
	if am_root; then
		kill $watcher
		wait $watcher || status=$?
		# It did watch.
		grep -q '^seen ' seen
		[ "$status" -eq 0 ] || { cat seen; false; }
	fi
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem got.sif cat /etc/secret.txt
	[ "$output" = 'a marker that must stay hidden' ]
	rm -r got.sif $mark
}

@test "build: what was got takes no memory once it is unpacked" {
	local name key blocks free size
	mkdir -p noise
	head -c 8000000 /dev/urandom >noise/noise
	coffer -q build --force plain.sif noise
	coffer -q build --force --encryption=gocryptfs --pem-path=rsa_pub.pem sealed.sif noise
	for name in plain sealed; do
		key=()
		[ $name = plain ] || key=(--base-pem-path=rsa_pri.pem)
		printf 'Bootstrap: http\nFrom: localhost:%s/good/%s.sif\n%%setup\n\tstat -f -c "%%b %%f %%S" "$APPTAINER_ROOTFS" >%s/used\n' \
			"$PLAIN" $name "$WORK" >d.def
		run -0 coffer build "${key[@]}" --force got.sif d.def
		read -r blocks free size <used
		# The tree has its 8 MB, and the file had as many.
		[ $(((blocks - free) * size)) -gt 8000000 ]
		[ $(((blocks - free) * size)) -lt 12000000 ]
	done
	rm -r noise got.sif sealed.sif used
}

@test "run: kept by what the server says of it, else got each time" {
	local said
	for said in 'Downloading network image' 'Using cached SIF image'; do
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "http://localhost:$PLAIN/good/image.sif" cat /etc/secret.txt
		[ "$output" = 'a marker that must stay hidden' ]
		err_has "$said"
	done
	[ "$(ls cache/cache/net | wc -l)" -eq 1 ]
	for said in once again; do
		run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "http://localhost:$PLAIN/bare/image.sif" echo yes
		err_has 'Downloading network image'
	done
	[ "$(ls cache/cache/net | wc -l)" -eq 1 ]
}

@test "run: a server that refuses HEAD is asked for the file alone" {
	run -0 --separate-stderr coffer exec --pem-path=rsa_pri.pem "http://localhost:$PLAIN/no-head/image.sif" echo yes
	[ "$output" = yes ]
	[ -z "$(ls cache/cache/net)" ]
	run --separate-stderr coffer exec --pem-path=rsa_pri.pem "http://localhost:$PLAIN/status-403/image.sif" echo yes
	refused 255 'the server does not give it to this user or machine (status 403)'
}

@test "what breaks off goes on where it ended, if it is the same file still" {
	local fault
	for fault in cut cut-all cut-other; do
		: >web.log
		run -0 --separate-stderr coffer pull --force got.sif "http://localhost:$PLAIN/$fault/image.sif"
		err_has 'going on there'
		cmp image.sif got.sif
		[ "$(grep -c GET web.log)" -ge 2 ]
	done
	rm got.sif
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/cut-bare/image.sif"
	refused 255 'the server broke off after '
	err_has 'try once more'
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/short/image.sif"
	refused 255 'the server broke off after '
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/shifted/image.sif"
	refused 255 'the server goes on at another place'
	# A part of a file is not the file, and a part of another not the rest of this.
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/unasked/image.sif"
	refused 255 'the server goes on at another place'
	run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/grown/image.sif"
	refused 255 'the server goes on at another place'
	[ -z "$(left)" ]
}

@test "what is refused there is told by cause and remedy, and the old file stays" {
	local case status words hint
	echo old >old.sif
	while IFS='|' read -r case words hint; do
		run --separate-stderr coffer pull --force old.sif "http://localhost:$PLAIN/$case"
		refused 255 "$words"
		err_has "$hint"
		[ "$(cat old.sif)" = old ]
	done <<-END
		status-401/image.sif|the server wants a login (status 401)|coffer sends none
		status-403/image.sif|the server does not give it to this user or machine (status 403)|ask who runs it
		status-404/image.sif|it is not there (status 404)|look at the name
		status-429/image.sif|the server gives no more for now (status 429)|try again in 7 s
		status-500/image.sif|the server cannot give it (status 500)|try once more, later
		status-503/image.sif|the server cannot give it (status 503)|try again in 7 s
		status-204/image.sif|the server cannot give it (status 204)|try once more, later
		loop/image.sif|the server sends on without end|it leads back to itself
		good/page.sif|what is there is no image|it may lead to a page about the image
		good/none.sif|it is not there (status 404)|look at the name
	END
	run --separate-stderr coffer pull --force old.sif "http://localhost:1/image.sif?key=secret"
	refused 255 'nothing answers there'
	[[ "$stderr" != *secret* ]]
	run --separate-stderr coffer pull --force old.sif "http://none.invalid/image.sif"
	refused 255 'the host has no address'
	run --separate-stderr coffer pull --force old.sif "http://me:word@localhost:$PLAIN/good/image.sif"
	refused 255 'a password in a URL is seen by everybody'
	run --separate-stderr bash -c "ulimit -f 100; coffer pull --force old.sif http://localhost:$PLAIN/good/image.sif"
	refused 255 'file too large'
	[ "$(cat old.sif)" = old ]
	[ -z "$(find . -maxdepth 1 -name '*old.sif?*')" ]
	rm old.sif
}

@test "https://: by the CAs of the system, or SSL_CERT_FILE; never down to http://" {
	run --separate-stderr coffer pull got.sif "https://localhost:$TLS/good/image.sif"
	refused 255 'its certificate is not valid here'
	err_has 'update-ca-certificates(8)'
	run --separate-stderr coffer pull got.sif "https://localhost:$PLAIN/good/image.sif"
	refused 255 'it does not talk TLS as it should'
	export SSL_CERT_FILE=$WORK/ca.crt
	run --separate-stderr coffer pull got.sif "https://127.0.0.1:$TLS/good/image.sif"
	refused 255 'its certificate is not valid here'
	run --separate-stderr coffer pull got.sif "https://localhost:$TLS/down/image.sif"
	refused 255 'the server sends on to a less safe place'
	[ -z "$(left)" ]
	run -0 coffer pull got.sif "https://localhost:$TLS/good/image.sif"
	cmp image.sif got.sif
	# The command has used its crypto library by then, to name what is kept; and for a name of its own.
	APPTAINER_CACHEDIR=$WORK/cache run -0 coffer exec --pem-path=rsa_pri.pem "https://localhost:$TLS/good/image.sif" true
	run -0 "$COFFER_ROOT/bin/without" O_TMPFILE -- coffer pull --force got.sif "https://localhost:$TLS/good/image.sif"
}

@test "proxies are those of the environment" {
	http_proxy=http://localhost:$PLAIN/ run --separate-stderr coffer pull got.sif http://elsewhere.invalid/good/image.sif
	grep -q 'GET http://elsewhere.invalid/good/image.sif' web.log
	rm -f got.sif
	http_proxy=http://localhost:1/ run --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/good/image.sif"
	refused 255 'nothing answers there'
	http_proxy=http://localhost:1/ no_proxy=localhost run -0 --separate-stderr coffer pull got.sif "http://localhost:$PLAIN/good/image.sif"
}

@test "killed while the server is silent, it leaves nothing" {
	APPTAINER_ENCRYPTION_PASSPHRASE=hidden coffer pull got.sif "http://localhost:$PLAIN/silent/image.sif" 3>&- &
	local pid=$! child
	wait_for grep -q silent web.log
	# What talks to the server is nobody else's to look into, and has no passphrase.
	child=$(pgrep -P $pid)
	if [ "$(id -u)" -eq 0 ]; then
		run ! grep -q -e PASSPHRASE -e hidden "/proc/$child/environ"
	else
		run ! cat "/proc/$child/environ"
	fi
	grep -qx $'Seccomp:\t2' "/proc/$child/status"
	grep -qx $'NoNewPrivs:\t1' "/proc/$child/status"
	kill -KILL $pid
	wait $pid || true
	[ -z "$(left)" ]
	wait_for gone
}
gone() { ! pgrep -u "$(id -u)" -f "coffer pull got.sif http://localhost:$PLAIN/silent" >/dev/null; }

@test "what appears meanwhile stays without --force; a long name; no files without a name" {
	local long pid status=0
	coffer pull got.sif "http://localhost:$PLAIN/slow/image.sif" 2>said 3>&- &
	pid=$!
	wait_for grep -q slow web.log
	echo mine >got.sif
	wait $pid || status=$?
	[ "$status" -eq 255 ]
	grep -q 'Image file already exists: "got.sif" - will not overwrite' said
	[ "$(cat got.sif)" = mine ]
	rm got.sif
	[ -z "$(left)" ]
	long=$(printf 'got%.0s' {1..84}) # 252 bytes
	run -0 coffer pull "$long" "http://localhost:$PLAIN/good/image.sif"
	cmp image.sif "$long"
	rm "$long"
	run -0 "$COFFER_ROOT/bin/without" O_TMPFILE -- coffer pull got.sif "http://localhost:$PLAIN/good/image.sif"
	cmp image.sif got.sif
	rm got.sif
	run --separate-stderr "$COFFER_ROOT/bin/without" O_TMPFILE -- coffer pull got.sif "http://localhost:$PLAIN/cut-bare/image.sif"
	refused 255 'the server broke off after '
	[ -z "$(left)" ]
}

# The process that talks to the server, and what its memory and all else of it must not hold.
silent_child() { # COMMAND...
	local pid child below found=0 memory=-m
	if sanitized; then memory=; fi
	: >web.log
	"$@" 3>&- &
	pid=$!
	wait_for grep -q 'GET .*silent' web.log
	child=$pid
	# Of a build it is a child of the builder's.
	while below=$(pgrep -P "$child"); do child=$below; done
	"$COFFER_ROOT/bin/hunt" process $memory "$child" secrets >found || found=$?
	kill -KILL $pid
	wait $pid || true
	cat found
	return $found
}

@test "what talks to a server has neither the key nor a registry's password in its memory" {
	local looks=0 # root alone may look into it at all
	[ "$(id -u)" -ne 0 ] || sanitized || looks=1
	mkdir -p secrets
	printf 'hunter2hunter2' >secrets/passphrase.text
	printf 'word-of-registry' >secrets/password.text
	export APPTAINER_DOCKER_USERNAME=me APPTAINER_DOCKER_PASSWORD=word-of-registry
	export APPTAINER_ENCRYPTION_PASSPHRASE=hunter2hunter2
	run -0 silent_child coffer exec "http://localhost:$PLAIN/silent/image.sif" true
	[[ "$output" == *"looked at 1 processes, $looks memories"* ]]
	run -0 silent_child coffer pull got.sif "http://localhost:$PLAIN/silent/image.sif"
	[[ "$output" == *"looked at 1 processes, $looks memories"* ]]
	run -0 silent_child coffer build --encrypt got.sif "http://localhost:$PLAIN/silent/image.sif"
	[[ "$output" == *"looked at 1 processes, $looks memories"* ]]
}

@test "library://: the image that its hash tells of" {
	local fresh=https://localhost:$TLS given=http://localhost:$PLAIN
	run --separate-stderr coffer pull got.sif library://team/project/name
	refused 255 'remote has no library client'
	err_has '--library https://HOST'
	run -0 --separate-stderr coffer pull --library "$given" got.sif library://team/project/name
	err_has 'Downloading library image'
	cmp image.sif got.sif
	grep -q '^GET /v1/images/team/project/name:latest?arch=amd64' web.log
	APPTAINER_LIBRARY=$given/ run -0 coffer pull --force got.sif library://name:two
	grep -q '^GET /v1/imagefile/name:two?arch=amd64' web.log
	SSL_CERT_FILE=$WORK/ca.crt run -0 coffer pull --force got.sif "library://${fresh#https://}/team/project/name"
	run -0 coffer pull --force --no-https got.sif "library://${given#http://}/team/project/name"
	rm got.sif
	run -0 --separate-stderr coffer build --library "$given" --base-pem-path=rsa_pri.pem --pem-path=rsa_pub.pem got.sif library://team/project/name
	err_has 'Downloading library image'
	printf 'Bootstrap: library\nLibrary: %s\nFrom: team/project/name:two\n%%post\n\techo more >/etc/more\n' "$given" >d.def
	run -0 coffer build --force --base-pem-path=rsa_pri.pem got.sif d.def
	run -0 --separate-stderr coffer exec got.sif cat /etc/more
	[ "$output" = more ]
	rm got.sif
	run --separate-stderr coffer build got.sif library://team/project/name
	refused 255 'remote has no library client'
	run --separate-stderr coffer build --library "$given" got.sif library://team/project/wrong
	refused 255 'conveyor failed to get: what came is not the file that the library tells of'
	run --separate-stderr coffer pull --library "$given" got.sif library://team/project/wrong
	refused 255 'what came is not the file that the library tells of'
	run --separate-stderr coffer pull --library "$given" got.sif library://team/project/nohash
	refused 255 'the library gives the image no SHA-256'
	run --separate-stderr coffer pull --library "$given" got.sif library://team/project/none
	refused 255 'it is not there (status 404)'
	run --separate-stderr coffer pull --library "$given/good/page.sif?" got.sif library://team/project/name
	refused 255 "library's answer"
	run --separate-stderr coffer pull --library "$given" got.sif 'library://team/../name?x=y'
	refused 255 'could not parse reference'
	run --separate-stderr coffer pull --library there got.sif library://name
	refused 255 'the library there is no URL'
	local secret
	for secret in http://me:word@there https://word@there/x me:word@there; do
		APPTAINER_LIBRARY=$secret run --separate-stderr coffer pull got.sif library://name
		refused 255 'a password in a URL is seen by everybody'
		[[ "$stderr" != *word@* ]]
	done
	[ -z "$(left)" ]
	for said in 'Downloading library image' 'Using cached SIF image'; do
		run -0 --separate-stderr coffer exec --library "$given" --pem-path=rsa_pri.pem library://team/project/name echo yes
		err_has "$said"
	done
	[ "$(ls cache/cache/library)" = "$(sha256sum <image.sif | cut -d' ' -f1)" ]
}

@test "library://: what is kept by a digest has that digest, whatever a library says next" {
	local given=http://localhost:$PLAIN
	run --separate-stderr coffer exec --library "$given" --pem-path=rsa_pri.pem library://team/turns/name echo yes
	refused 255 'the library tells of another image than a moment ago'
	err_has 'try once more'
	[ -z "$(ls cache/cache/library)" ]
	run -0 --separate-stderr coffer exec --library "$given" --pem-path=rsa_pri.pem library://team/project/name echo yes
	err_has 'Downloading library image'
	cmp image.sif cache/cache/library/*
}
