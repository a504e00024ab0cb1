#!/usr/bin/env bash
# tests/engines/containerd.sh RUNTIME [PATTERN]: containerd's own client and runc shim with this runtime → one line a case.
#
# Debian's packages: containerd busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene containerd ctr containerd-shim-runc-v2

cat > "$scratch/config.toml" << C
version = 2
root = "$scratch/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "/run/containerd.sock"
C
containerd --config "$scratch/config.toml" > "$scratch/containerd.log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
engine_command=ctr
ctr() { timeout --foreground -k 5 60 ctr --address /run/containerd.sock "$@"; }
until_true ctr version || { tail -5 "$scratch/containerd.log"; fail "containerd does not answer"; }

# Everything of one name is gone: the task, the container, what the shim keeps.
gone() { ctr task kill -s KILL "$1" > /dev/null 2>&1; ctr task rm -f "$1" > /dev/null 2>&1; ctr container rm "$1" > /dev/null 2>&1; }
run() { ctr run --runc-binary "$runtime" --rm --env PATH=/bin --rootfs "$@"; }
root=$scratch/root

it "run prints what the program prints" is hello run "$root" c1 echo hello
it "run ends with the program's exit code" ends 42 run "$root" c2 sh -c 'exit 42'
it "run without a program fails" ends 1 run "$root" c3 no-such-program
it "a terminal is given" has '^/dev/(pts/0|console)' in_terminal run -t $root c4 tty
limited() {
  ctr run --runc-binary "$runtime" -d --env PATH=/bin --memory-limit 67108864 --rootfs "$root" small sleep 50 || return
  local directory status
  directory=$(cgroup_of "$(ctr task ls | awk '$1 == "small" { print $2 }')" memory)
  grep -qx 67108864 "$directory"/memory.limit_in_bytes 2> /dev/null || grep -qx 67108864 "$directory"/memory.max
  status=$?
  gone small
  return $status
}
it "memory is limited" limited
it "the default filter is installed when asked for" has '^Seccomp:.2$' run --seccomp "$root" c6 cat /proc/self/status
it "variables and directory are passed" is 'two /tmp' run --env ONE=two --cwd /tmp "$root" c7 sh -c 'echo $ONE $PWD'
it "--privileged has every capability" has '^CapEff:.000001f' run --privileged "$root" c8 cat /proc/self/status
detached() { ctr run --runc-binary "$runtime" -d --env PATH=/bin --rootfs "$root" long sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'; }
it "run -d leaves it running" detached
status() { ctr task ls | awk -v id="$1" '$1 == id { print $3 }'; }
it "its task runs" is RUNNING status long
it "exec runs in it" has 'while :' ctr task exec --exec-id e1 long ps
it "exec ends with its program's code" ends 3 ctr task exec --exec-id e2 long sh -c 'exit 3'
it "exec with a terminal" has '^/dev/(pts/[0-9]|console)' in_terminal ctr task exec -t --exec-id e3 long tty
paused() { ctr task pause long && is PAUSED status long && ctr task resume long && is RUNNING status long; }
it "pause and resume" paused
it "its processes are listed" has '[0-9]' ctr task ps long
it "it is measured" has 'pids|memory' ctr task metrics long
killed() { ctr task kill -s TERM long && until_true is STOPPED status long; }
it "kill ends it" killed
removed() { ctr task rm long; ctr container rm long && ! ctr container ls -q | grep -qx long; }
it "rm removes it" removed
twice() { ctr run --runc-binary "$runtime" -d --env PATH=/bin --rootfs "$root" one sleep 50 && ctr run --runc-binary "$runtime" -d --env PATH=/bin --rootfs "$root" two sleep 50 && is RUNNING status one && is RUNNING status two; local s=$?; gone one; gone two; return $s; }
it "two at once" twice
left() { find /sys/fs/cgroup -path '/sys/fs/cgroup/*/default/*' -type d 2> /dev/null; find /run/containerd/runc -mindepth 2 2> /dev/null; }
it "no control group and no state is left" is '' left
counted
