#!/usr/bin/env bash
# fetch.sh NAME SUITE: the newest cloud kernel of a Debian suite → cache/kernels/NAME/{vmlinux,modules/,VERSION}.
#
# VERSION records release, version, suite, and the checksum of every package.
set -euo pipefail
name=$1 suite=$2
cache=$(cd "$(dirname "$0")/.." && mkdir -p cache && cd cache && pwd)
debs=$cache/debs
mkdir -p "$cache/kernels"
fail() { echo "fetch: $*" >&2; exit 1; }
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/apt.sh"
use_suite "$cache" "$suite" || fail "$suite"

meta=linux-image-cloud-amd64
# `sed q` would close the pipe early, and pipefail would call that an error: awk reads to the end.
version=$(apt-cache madison "$meta" |
  awk -F'|' -v s=" $suite/main " 'index($3, s) && !seen { gsub(/ /, "", $2); print $2; seen = 1 }')
[ -n "$version" ] || fail "no package $meta in suite \`$suite\`"
image=$(apt-cache show "$meta=$version" |
  awk '/^Depends:/ && match($0, /linux-image-[0-9][^ ,]*/) && !seen { print substr($0, RSTART, RLENGTH); seen = 1 }')
[ -n "$image" ] || fail "$meta $version depends on no linux-image package"
release=${image#linux-image-}
# From 7.x the image package is empty: linux-binary-* has the kernel, linux-modules-* its modules.
packages=("$image")
if apt-cache show "linux-binary-$release" > /dev/null 2>&1; then
  packages=("linux-binary-$release" "linux-modules-$release")
fi
(cd "$debs" && apt-get download -qq "${packages[@]}") || fail "cannot download ${packages[*]}"

work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
for package in "${packages[@]}"; do dpkg -x "$debs/${package}"_*.deb "$work/tree"; done
image=$(find "$work/tree" -name 'vmlinuz*' -type f -print -quit)
modules=$(find "$work/tree" -type d -path "*modules/$release/kernel" -print -quit)
{ [ -n "$image" ] && [ -n "$modules" ]; } || fail "${packages[*]}: no kernel or no modules inside"

# The ELF kernel is cut out of the bzImage: it boots a second faster and at a fixed address.
# Offsets of Documentation/x86/boot: setup_sects, payload_offset, payload_length.
number() { od -An -tu"$2" -j"$1" -N"$2" "$image" | tr -d ' '; }
start=$((($(number 497 1) + 1) * 512 + $(number 584 4)))
tail -c +$((start + 1)) "$image" > "$work/rest"
head -c "$(number 588 4)" "$work/rest" > "$work/payload"
magic() { od -An -tx1 -N4 "$1" | tr -d ' '; }
case $(magic "$work/payload") in
  28b52ffd) unpack=(zstd -dcq) ;;
  02214c18) unpack=(lz4 -dcq) ;;
  fd377a58) unpack=(xz -dcq --single-stream) ;;
  1f8b*) unpack=(gzip -dcq) ;;
  *) fail "$release: compressed in a way not known here ($(magic "$work/payload"))" ;;
esac
# The payload ends with its size in four bytes, at which the tools grumble after they are done.
"${unpack[@]}" < "$work/payload" > "$work/vmlinux" 2> /dev/null || true
[ "$(magic "$work/vmlinux")" = 7f454c46 ] || fail "$release: ${unpack[0]} gave no ELF kernel"

rm -rf "${cache:?}/kernels/$name"
mkdir -p "$cache/kernels/$name"
mv "$work/vmlinux" "$modules" "$cache/kernels/$name/"
mv "$cache/kernels/$name/kernel" "$cache/kernels/$name/modules"
{
  echo "$release $version $suite"
  for package in "${packages[@]}"; do (cd "$debs" && sha256sum "$package"_*.deb); done
} > "$cache/kernels/$name/VERSION"
