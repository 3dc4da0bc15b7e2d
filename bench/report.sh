# SPDX-License-Identifier: Apache-2.0
# docs/performance.md and its plots, from the figures that there are.

# A table out of rows, see lib.sh.
table() { # THIRD
	awk -F'\t' -v third="$1" '
		function show(v, unit) {
			if (v !~ /^[0-9]/) return v == "-" ? "–" : v
			if (unit == "") return sprintf("%.0f", v)
			if (v >= 100) return sprintf("%.0f %s", v, unit)
			return sprintf(v >= 10 ? "%.1f %s" : "%.2f %s", v, unit)
		}
		function ratio(a, b) {
			if (a !~ /^[0-9]/ || b !~ /^[0-9]/ || !(b + 0)) return "–"
			a /= b
			return sprintf(a >= 10 ? "%.0f" : a >= 1 ? "%.1f" : "%.2f", a)
		}
		BEGIN {
			printf "| | coffer | Apptainer | ratio |%s target | met |\n", third == "" ? "" : " " third " | ratio |"
			printf "|---|---|---|---|%s---|---|\n", third == "" ? "" : "---|---|"
		}
		{
			met = $7 == "-" ? ($6 == "" ? "" : "?") : $3 !~ /^[0-9]/ ? "no" : $3 + 0 <= $7 + 0 ? "yes" : "**no**"
			printf "| %s | %s | %s | %s |", $1, show($3, $2), show($4, $2), ratio($4, $3)
			if (third != "") printf " %s | %s |", show($5, $2), ratio($3, $5)
			printf " %s | %s |\n", $6, met
		}'
}
# What failed, and the last words.
failures() { # PART
	for file in "$results/$1"/*.failed; do
		[ -e "$file" ] || continue
		name=${file##*/}
		printf -- '- `%s` failed: `%s`\n' "${name%.failed}" "$(cut -c1-200 "$file")"
	done
}
report() {
	peer_root=${COFFER_PEER:-/var/lib/coffer-peer}
	mkdir -p docs/performance
	cat <<END
# Performance

Made by \`scripts/bench\`: medians of alternating rounds, coffer and its peers in turn, as a normal user
on all sides, the image file in the page cache; all else that a part left in the kernel's caches is dropped
before the next. A ratio above Apptainer's column says how many times longer Apptainer takes; one after the
third column, what part of its time coffer takes. Targets are the project's own; none of them is a condition
of this document's being written.

| | |
|---|---|
| machine | $(nproc) cores, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1), $(free -g | awk '/^Mem/ { print $2 }') GB |
| kernel | $(uname -sr) |
| coffer | $("$work/bin/coffer" --version | sed 's/.*version //'), commit $(cat "$work/commit"), release build by gcc $(gcc -dumpfullversion), libdeflate $(version libdeflate0), OpenSSL $(version libssl3), libfuse $(version libfuse3-3) |
| Apptainer | $(chroot "$peer_root" apptainer --version 2>/dev/null | sed 's/.*version //'), with gocryptfs $(version gocryptfs "$peer_root"), squashfuse $(version squashfuse "$peer_root"), squashfs-tools $(version squashfs-tools "$peer_root") |
| bubblewrap | $(version bubblewrap) |
| base | a Debian minbase with python3-minimal: $(tree_size base) |
| sci | the same with python3-scipy and python3-pandas: $(tree_size sci) |
END
	for part in $parts; do
		eval "title=\$${part}_title third=\$${part}_third text=\$${part}_text"
		printf '\n## %s\n\n' "$title"
		if [ ! -e "$results/$part/when" ]; then
			echo "Not measured yet: \`scripts/bench $part\`."
			continue
		fi
		printf '%s\n\n' "$text"
		"${part}_rows" >"$work/rows"
		table "$third" <"$work/rows"
		failed=$(failures "$part")
		[ -z "$failed" ] || printf '\n%s\n' "$failed"
		bench/plot "$title" "$third" <"$work/rows" >"docs/performance/$part.svg"
		printf '\n![%s](performance/%s.svg)\n\nMeasured: %s.\n' "$title" "$part" "$(cat "$results/$part/when")"
	done
}
version() { # PACKAGE [ROOT]
	dpkg-query ${2:+--admindir="$2/var/lib/dpkg"} -W -f '${Version}' "$1" 2>/dev/null || echo '?'
}
tree_size() {
	echo "$(du -sm --apparent-size "$work/$1" | cut -f1) MiB in $(find "$work/$1" | wc -l) files"
}
