#!/usr/bin/env bash
# build.sh: the project → static programs: a line `KIND NAME PATH` for each, KIND one of test, unit, bin, tool.
# build.sh --release: only the command and the guest's tool, as they are when they are measured.
#
# musl where that target is installed, else glibc, linked statically. Measured is musl only: what a C library does before
# `main` counts too.
set -euo pipefail
cd "$(dirname "$0")/../.."
# One place for what is built, also for the guest's tool, which is a package of its own.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
target=x86_64-unknown-linux-musl
if [ ! -d "$(rustc --print sysroot)/lib/rustlib/$target" ]; then
  [ "${1:-}" != --release ] || { echo "build: figures are of $target, which is not installed: rustup target add $target" >&2; exit 1; }
  target=x86_64-unknown-linux-gnu
  export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
# A dev-dependency of the benchmarks has a page of C, which needs nothing of a C library: any compiler will do.
export CC_x86_64_unknown_linux_musl=${CC_x86_64_unknown_linux_musl:-cc}
# At a fixed address, without relocations to work off at every start: a start is done in half the time where each
# instruction is emulated.
[ "${1:-}" = --release ] || RUSTFLAGS="${RUSTFLAGS:-} -C relocation-model=static"
export RUSTFLAGS=${RUSTFLAGS:-}
# Without debug information, since they are copied at every boot; a little optimised, since every instruction is emulated.
export CARGO_PROFILE_DEV_DEBUG=0 CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_TERM_COLOR=never
flags=(--quiet --locked --target "$target" --message-format=json-render-diagnostics)

# A cargo message about an executable becomes `KIND NAME PATH`; KIND is the target's, `unit` for the library's own tests.
lines() {
  grep '"executable":"' |
    sed -E 's/.*"target":\{"kind":\["([^"]*)"\].*"name":"([^"]*)","src_path".*"test":(true|false)\},.*"executable":"([^"]*)".*/\1 \2 \3 \4/' |
    awk '$1 == "test"                   { print "test", $2, $4 }
         $1 == "lib" && $3 == "true"    { print "unit", "unit", $4 }
         $1 == "bin" && $3 == "false"   { print "bin", $2, $4 }'
}
if [ "${1:-}" = --release ]; then
  # Figures must not depend on the folder that the project is in.
  export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix $PWD=/project"
  cargo build --release "${flags[@]}" | lines
  cargo build --release --manifest-path vm-tests/tool/Cargo.toml "${flags[@]}" | lines | sed 's/^bin/tool/'
  exit
fi
cargo test --no-run "${flags[@]}" | lines
cargo build --manifest-path vm-tests/tool/Cargo.toml "${flags[@]}" | lines | sed 's/^bin/tool/'
