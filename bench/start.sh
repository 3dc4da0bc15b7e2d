# SPDX-License-Identifier: Apache-2.0
# From the command's start to its end, where the command in the container does nothing.

start_title="Start"
start_third="bwrap, plain folder"
start_text="\`exec IMAGE true\` with an RSA key of 4096 bits, the tree base; bwrap makes a container of the folder
itself. The KDF alone is that of the image which Apptainer built: scrypt, N = 2^16, in a program that
does nothing else. What a start takes longer than that is the median of the differences in each round: that
of the two medians would be the machine's, whose speed changes by more than 8 ms from round to round."

start_round() {
	take start/own.ours ours "$watch" coffer exec $pri base.ours.sif true
	take start/own.theirs theirs "$watch" apptainer exec $pri base.theirs.sif true
	# shellcheck disable=SC2046 # words
	take start/bwrap ours "$watch" $(in_root base true)
	take start/luks2.ours ours "$watch" coffer exec $pri base.luks2.sif true
	take start/foreign.ours ours "$watch" coffer exec $pri base.theirs.sif true
	take start/scrypt ours unlock scrypt 16
	take start/least.rsa ours unlock rsa pri.pem
	take start/least.scrypt ours unlock scrypt 10
	take start/least.kdf ours env GLIBC_TUNABLES=glibc.malloc.hugetlb=1 unlock scrypt 16
	take start/least.true ours "$watch" true
}
start_crowd() {
	take start/crowd.ours ours "$watch" -j 32 coffer exec $pri base.ours.sif true
	take start/crowd.theirs theirs "$watch" -j 32 apptainer exec $pri base.theirs.sif true
	# shellcheck disable=SC2046 # words
	take start/crowd.bwrap ours "$watch" -j 32 $(in_root base true)
}
start_run() {
	build_images base
	spec=base image base.luks2.sif $pub --encryption=luks2
	warm base.ours.sif base.theirs.sif base.luks2.sif
	rounds 21 start_round
	differences start/foreign.ours start/scrypt start/foreign.more
	rounds 5 start_crowd
}
start_rows() {
	row "its own image, gocryptfs" ms start/own.ours start/own.theirs start/bwrap \
		"≥ 30 × Apptainer, ≤ 3 × bwrap" 'least(per(t, 30), times(k, 3))'
	row "its own image, LUKS2" ms start/luks2.ours - start/bwrap "" ""
	kdf=$(value start/scrypt ms)
	row "the image by Apptainer (the KDF alone: $(printf %.0f "${kdf:-0}") ms)" ms start/foreign.ours \
		start/own.theirs - "" ""
	row "  less the KDF alone in the same round" ms start/foreign.more - - "≤ 8 ms" 8
	row "32 at once" ms start/crowd.ours start/crowd.theirs start/crowd.bwrap "≥ 40 × Apptainer" 'per(t, 40)'
}
