# tests/engines/lib.sh: a scene for an engine's test → a scratch directory, a root file system, and words to say cases with.
#
# To be sourced first thing: `scene PROGRAM...` runs the script again in a mount and a network namespace of its own, with
# an empty /run and /dev/shm, and what engines write below /etc is a copy. What an engine leaves there is gone with the
# namespaces, and scripts may run beside each other: podman's first command after a boot, which an empty /run looks like,
# frees all locks of containers, and they are in /dev/shm.
set -uo pipefail

engine=$(basename "$0" .sh)
runtime=${1:?"usage: $engine.sh RUNTIME [PATTERN]"}
pattern=${2:-}
fail() { echo "$engine.sh: $*" >&2; exit 2; }
case $runtime in */*) runtime=$(realpath "$runtime") ;; *) runtime=$(command -v "$runtime") ;; esac
[ -x "$runtime" ] || fail "no runtime \`$1\`"

# scene PROGRAM...: these are needed.
scene() {
  local program status name
  for program in busybox unshare script ip "$@"; do
    command -v "$program" > /dev/null || [ -x "/usr/lib/podman/$program" ] || fail "no program \`$program\`"
  done
  if [ -z "${ENGINES_INSIDE:-}" ]; then
    scratch=$(mktemp -d)
    ENGINES_INSIDE=$scratch unshare --mount --net --propagation private "$0" "$runtime" "$pattern"
    status=$?
    rm -rf --one-file-system "$scratch"
    exit $status
  fi
  scratch=$ENGINES_INSIDE
  ip link set lo up
  mount -t tmpfs -o mode=755 run /run
  mount -t tmpfs -o mode=1777 shm /dev/shm
  for name in containers cni; do
    [ -d "/etc/$name" ] && cp -a "/etc/$name" "$scratch/etc-$name" && mount --bind "$scratch/etc-$name" "/etc/$name"
  done
  mkdir -p "$scratch"/root/{bin,etc,proc,sys,dev,tmp,run,var,root,home} "$scratch/volume"
  cp "$(command -v busybox)" "$scratch/root/bin/busybox"
  for name in $(busybox --list | grep -vx busybox); do ln -sf busybox "$scratch/root/bin/$name"; done
  printf 'root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\nuser:x:1000:1000::/home:/bin/sh\n' > "$scratch/root/etc/passwd"
  printf 'root:x:0:\ndaemon:x:1:\nuser:x:1000:\nplugdev:x:46:user\n' > "$scratch/root/etc/group"
}

passed=0 failed=0
# it SENTENCE COMMAND...: the command says whether; what it printed is shown where it does not hold.
it() {
  local sentence=$1 said
  shift
  [ -z "$pattern" ] || [[ $sentence =~ $pattern ]] || return 0
  if said=$("$@" 2>&1); then
    echo "ok   $sentence"
    passed=$((passed + 1))
  else
    echo "FAIL $sentence"
    printf '%s\n' "$said" | tail -n 8 | sed 's/^/     /'
    failed=$((failed + 1))
  fi
}
# is WANTED COMMAND...: the output, carriage returns aside, is this.
is() {
  local wanted=$1 got
  shift
  got=$("$@" 2>&1 | tr -d '\r')
  [ "$got" = "$wanted" ] || { printf 'expected: %s\nfound:    %s\n' "$wanted" "$got"; return 1; }
}
# has PATTERN COMMAND...: the output matches.
has() {
  local wanted=$1 got
  shift
  got=$("$@" 2>&1)
  grep -qE -- "$wanted" <<< "$got" || { printf 'expected: %s\nfound:    %s\n' "$wanted" "$got"; return 1; }
}
# ends CODE COMMAND...: the exit code is this.
ends() {
  local wanted=$1 got said
  shift
  said=$("$@" 2>&1)
  got=$?
  [ "$got" = "$wanted" ] || { printf 'expected code %s, found %s: %s\n' "$wanted" "$got" "$said"; return 1; }
}
piped() { echo words | "$@"; }
# in_terminal COMMAND...: with a terminal for its standard streams; functions and plain variables are exported to it.
# `script` takes the shell of $SHELL, and where there is none /bin/sh, which throws exported functions away.
in_terminal() { scripted "$@" < <(sleep 5); }
# typed COMMAND...: the same, and somebody types `words`.
typed() { scripted "$@" < <(sleep 1; echo words; sleep 4); }
scripted() {
  export -f "$1" $engine_command
  export scratch runtime root user
  SHELL=$BASH script -qec "$(printf '%q ' "$@")" /dev/null
}
# until_true COMMAND...: tries for five seconds.
until_true() {
  local _
  for _ in {1..50}; do "$@" > /dev/null 2>&1 && return; sleep 0.1; done
  "$@"
}
# cgroup_of PID CONTROLLER: the directory
cgroup_of() {
  local path
  path=$(awk -F: -v c="$2" '{ n = split($2, a, ","); for (i = 1; i <= n; i++) if (a[i] == c) print $3 }' "/proc/$1/cgroup")
  if [ -n "$path" ]; then echo "/sys/fs/cgroup/$2$path"; else awk -F: '$1 == 0 { print "/sys/fs/cgroup" $3 }' "/proc/$1/cgroup"; fi
}
# counted: the closing line, and whether all passed.
counted() {
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ]
}
