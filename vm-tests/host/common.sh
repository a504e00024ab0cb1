# common.sh: words that `run` and `latency` share. Sourced with `here`, the folder vm-tests.

cache=$here/cache
mkdir -p "$cache/logs"

fail() { echo "vm-tests: $*" >&2; exit 2; }

table() { grep -vE '^(#|$)' "$here/$1"; } # the lines of a table of ours
names() { table "$1" | awk '{ print $1 }'; }
field() { table "$1" | awk -v name="$2" -v n="$3" '$1 == name { print $n }'; }

need() { command -v "$1" > /dev/null || fail "no program \`$1\`: install the package $2"; }
need_all() {
  need qemu-system-x86_64 qemu-system-x86
  need busybox busybox-static
  need zstd zstd
  need lz4 lz4
  need xz xz-utils
  need cargo "of Rust (rustup)"
  need git git
  need strip binutils
}

fetched() { # fetched KERNEL: in the cache, with its modules packed
  local dir=$cache/kernels/$1 inputs=$here/host/pack.sh
  if [ -n "${refresh:-}" ] || [ ! -e "$dir/VERSION" ]; then
    "$here/host/fetch.sh" "$1" "$(field kernels "$1" 2)" || return 1
  fi
  if [ ! "$dir/modules.cpio" -nt "$inputs" ] || [ ! "$dir/modules.cpio" -nt "$dir/VERSION" ]; then
    "$here/host/pack.sh" --modules "$1"
  fi
}

fetched_programs() { # what gives security modules their rules, a bus, and what writes processes down
  local programs=(apparmor secilc dbus-daemon criu)
  [ -z "${refresh:-}" ] && grep -qs "^${programs[-1]} " "$cache/programs/VERSION" ||
    "$here/host/fetch-programs.sh" programs bookworm "${programs[@]}"
}

packed_systemd() { # in the cache, packed
  local inputs=$here/host/pack.sh
  [ -z "${refresh:-}" ] && [ -e "$cache/systemd/VERSION" ] ||
    "$here/host/fetch-programs.sh" systemd bookworm systemd dbus dbus-daemon dbus-bin dbus-user-session \
      dbus-system-bus-common dbus-session-bus-common mount
  [ "$cache/systemd.cpio" -nt "$inputs" ] && [ "$cache/systemd.cpio" -nt "$here/guest/vm.service" ] || "$here/host/pack.sh" --systemd
}

# QEMU 7.2 corrupts flags around cmpxchg16b (cx16=off) and is not sound with two processors (smp 1). KVM is not used: a
# device that opens may still boot nothing.
# shellcheck disable=SC2034
qemu=(qemu-system-x86_64 -M q35 -cpu "max,cx16=off" -smp 1 -m 2048 -nodefaults -no-user-config -display none -no-reboot)

# Ends with the guest's status, 124 when it was ended at its limit of SECONDS. Whoever ends this ends the guest. What the
# guest says on its second port (LOG) is passed on where it matches PATTERN (of grep -E).
guest() { # guest SECONDS CONSOLE LOG PATTERN QEMU...
  local most=$1 console=$2 log=$3 pattern=$4 pid code=0
  shift 4
  : > "$log"
  timeout -k 5 "$most" "$@" -serial "file:$console" -serial "file:$log" &
  pid=$!
  # shellcheck disable=SC2064
  trap "kill $pid 2> /dev/null" EXIT
  # The guest's lines end as a terminal's do.
  tail -s 0.2 -n +1 -f --pid=$pid "$log" | stdbuf -o0 tr -d '\r' | grep --line-buffered -aE "$pattern" | sed -u 's/^/   /' || true
  wait $pid || code=$?
  trap - EXIT
  tr -d '\r' < "$log" > "$log.new" && mv "$log.new" "$log"
  return $code
}

# Whether the kernel complained, or the guest about itself.
complained() { grep -aqE 'BUG:|Oops:|Kernel panic|WARNING: CPU|vm: ' "$1"; }

show_end() { # show_end CONSOLE LOG CODE: what a guest that failed said last
  [ "$3" != 124 ] || echo "   ended at its time limit"
  echo "   the last lines of ${1##*/} (status $3 of QEMU):"
  tail -n 30 "$1" | sed 's/^/   | /'
  echo "   the last lines of ${2##*/}:"
  tail -n 10 "$2" | sed 's/^/   | /'
}
