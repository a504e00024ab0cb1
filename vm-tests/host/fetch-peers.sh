#!/usr/bin/env bash
# fetch-peers.sh SUITE PACKAGE...: programs of a Debian suite and the libraries they need → cache/peers/{tree/,VERSION}.
#
# VERSION has a line `PACKAGE VERSION SHA256` for each of the programs, then for each of the libraries.
set -euo pipefail
suite=$1
shift
cache=$(cd "$(dirname "$0")/.." && mkdir -p cache && cd cache && pwd)
fail() { echo "fetch-peers: $*" >&2; exit 1; }
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/apt.sh"
use_suite "$cache" "$suite" || fail "$suite"

for package in "$@"; do
  apt-cache show "$package" > /dev/null 2>&1 || fail "no package $package in suite \`$suite\`"
done
# The first of alternatives is what Debian installs.
mapfile -t libraries < <(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks \
  --no-replaces --no-enhances "$@" | grep -E '^lib' | grep -v elogind | sort -u)
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/tree"
(cd "$work/debs" && apt-get download -qq "$@" "${libraries[@]}") || fail "cannot download $* ${libraries[*]}"
for package in "$@" "${libraries[@]}"; do
  file=$(find "$work/debs" -name "${package}_*.deb" -print -quit)
  dpkg -x "$file" "$work/tree"
  echo "$package $(dpkg-deb -f "$file" Version) $(sha256sum "$file" | cut -d' ' -f1)"
done > "$work/VERSION"
rm -rf "$cache/peers"
mkdir "$cache/peers"
mv "$work/tree" "$work/VERSION" "$cache/peers/"
