# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The bench's rows of partclone's images: `used-blocks save` and `restore`
# against partclone's own programs, plain and packed.  Sourced by run.

save_ours() {
	"$FY_BUILD/used-blocks" save --progress none --compress "$1" "$disk" \
		"$out/image"
}

save_partclone() {
	partclone.ext4 -c -s "$disk" -o - -L "$T/partclone.log" 2>/dev/null |
		"$@" >"$out/image"
}

restore_ours() {
	"$FY_BUILD/used-blocks" restore --progress none "$1" "$out/disk"
}

restore_partclone() {
	"${@:2}" <"$1" | partclone.restore -C -W -s - -o "$out/disk" \
		-L "$T/partclone.log" 2>/dev/null
}

rows_images() {
	local i image=$T/kept
	for ((i = 0; i < runs; i++)); do
		measure save-plain save_ours none
		measure partclone-plain save_partclone cat
		measure save-zstd save_ours zstd:1
		measure partclone-zstd1 save_partclone zstd -q -T0 -1
		[ -e "$image.zst" ] || cp "$out/image" "$image.zst"
		measure save-gzip save_ours gzip
		measure partclone-pigz1 save_partclone pigz -1
		measure restore-zstd restore_ours "$image.zst"
		measure partclone-unzstd restore_partclone "$image.zst" \
			zstd -q -dc
	done
	row "save, plain / partclone" "$(median "$T/t.save-plain")" \
		"$(median "$T/t.partclone-plain")" 1 s
	row "save, zstd:1 / partclone, zstd -1" "$(median "$T/t.save-zstd")" \
		"$(median "$T/t.partclone-zstd1")" 1 s
	row "save, gzip / partclone, pigz -1" "$(median "$T/t.save-gzip")" \
		"$(median "$T/t.partclone-pigz1")" 1 s
	row "restore, zstd / zstd, partclone.restore" \
		"$(median "$T/t.restore-zstd")" \
		"$(median "$T/t.partclone-unzstd")" 1 s
	rm -f "$image.zst"
}
