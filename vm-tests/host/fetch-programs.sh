#!/usr/bin/env bash
# fetch-programs.sh NAME SUITE PACKAGE...: programs of a Debian suite and the libraries they need → cache/NAME/{tree/,VERSION}.
#
# VERSION has a line `PACKAGE VERSION SHA256` for each of the programs, then for each of the libraries.
set -euo pipefail
name=$1 suite=$2
shift 2
cache=$(cd "$(dirname "$0")/.." && mkdir -p cache && cd cache && pwd)
fail() { echo "fetch-programs: $*" >&2; exit 1; }
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/apt.sh"
use_suite "$cache" "$suite" || fail "$suite"

for package in "$@"; do
  apt-cache show "$package" > /dev/null 2>&1 || fail "no package $package in suite \`$suite\`"
done
# The libraries that packages depend on. The first of alternatives is what Debian installs.
libraries_of() {
  apt-cache depends --important "$@" | sed -nE '/^  \|?Depends: lib/s/.*: //p' | grep -v elogind | sort -u
}
# Only through libraries: what their other dependencies are for is the installation.
libraries=() new=("$@")
while [ ${#new[@]} -gt 0 ]; do
  mapfile -t new < <(libraries_of "${new[@]}" | grep -vxFf <(printf '%s\n' "$@" "${libraries[@]}"))
  libraries+=("${new[@]}")
done
mapfile -t libraries < <(printf '%s\n' "${libraries[@]}" | sort -u)
work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
mkdir "$work/debs" "$work/tree"
(cd "$work/debs" && apt-get download -qq "$@" "${libraries[@]}") || fail "cannot download $* ${libraries[*]}"
for package in "$@" "${libraries[@]}"; do
  file=$(find "$work/debs" -name "${package}_*.deb" -print -quit)
  dpkg -x "$file" "$work/tree"
  echo "$package $(dpkg-deb -f "$file" Version) $(sha256sum "$file" | cut -d' ' -f1)"
done > "$work/VERSION"
rm -rf "${cache:?}/$name"
mkdir "$cache/$name"
mv "$work/tree" "$work/VERSION" "$cache/$name/"
