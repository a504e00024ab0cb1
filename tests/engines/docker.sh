#!/usr/bin/env bash
# tests/engines/docker.sh RUNTIME [PATTERN]: Docker's engine with this runtime added to it → one line a case.
#
# Debian's packages: docker.io containerd iptables busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene docker dockerd containerd iptables

# The engine's own bridge is made in this script's network namespace.
echo '{}' > "$scratch/daemon.json"
dockerd --config-file "$scratch/daemon.json" --add-runtime "tested=$runtime" --data-root "$scratch/docker" --exec-root /run/docker --pidfile /run/docker.pid \
  --host unix:///run/docker.sock --storage-driver vfs --default-runtime tested --iptables=false --ip6tables=false \
  --ip-masq=false > "$scratch/dockerd.log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
engine_command=docker
docker() { timeout --foreground -k 5 60 docker --host unix:///run/docker.sock --config "$scratch/client" "$@"; }
until_true docker version || { tail -5 "$scratch/dockerd.log"; fail "dockerd does not answer"; }
tar -C "$scratch/root" -c . | docker import - bb > /dev/null || fail "no image could be made"
run() { docker run --rm --network none "$@"; }

it "the engine runs containers with it" has 'Default Runtime: tested' docker info
it "run prints what the program prints" is hello run bb echo hello
it "run ends with the program's exit code" ends 42 run bb sh -c 'exit 42'
it "a program that is not there gives 127" ends 127 run bb no-such-program
it "a program that cannot be executed gives 126" ends 126 run bb /etc/passwd
it "run -i passes standard input" is words piped run -i bb cat
it "run -t gives a terminal" has '^/dev/(pts/0|console)' in_terminal run -t bb tty
it "a user by name gets its ids" has 'uid=1000\(user\)' run --user user bb id
it "a volume is the host's directory" is '' run -v "$scratch/volume:/v" bb touch /v/made
it "what was written is there" test -e "$scratch/volume/made"
it "--read-only makes the root read-only" has 'Read-only file system' run --read-only bb touch /x
it "the default filter is installed" has '^Seccomp:.2$' run bb cat /proc/self/status
it "capabilities are the default ones" has '^CapEff:.00000000a80425fb$' run bb cat /proc/self/status
it "--init gives a first process" has 'docker-init|tini' run --init bb ps
limited() {
  local id directory status
  id=$(docker run -d --network none --memory 64m bb sleep 50) || { echo "$id"; return 1; }
  directory=$(cgroup_of "$(docker inspect -f '{{.State.Pid}}' "$id")" memory)
  grep -qx 67108864 "$directory"/memory.limit_in_bytes 2> /dev/null || grep -qx 67108864 "$directory"/memory.max
  status=$?
  docker rm -f "$id" > /dev/null
  return $status
}
it "memory is limited" limited
detached() { docker run -d --network none --name long bb sh -c 'trap "exit 7" TERM; while :; do sleep 0.1; done'; }
it "run -d leaves it running" detached
it "exec runs in it" has 'while :' docker exec long ps
it "exec ends with its program's code" ends 3 docker exec long sh -c 'exit 3'
it "exec -t gives a terminal" has '^/dev/(pts/[0-9]|console)' in_terminal docker exec -t long tty
it "top lists its processes" has 'sleep' docker top long
it "stats measure it" has '^long ' docker stats --no-stream --format '{{.Name}} {{.MemUsage}}'
status() { docker inspect -f '{{.State.Status}}' "$1"; }
paused() { docker pause long > /dev/null && is paused status long && docker unpause long > /dev/null && is running status long; }
it "pause and unpause" paused
updated() { docker update --memory 128m --memory-swap 128m long > /dev/null; }
it "update changes a limit" updated
stopped() { docker stop -t 5 long > /dev/null && is 'exited 7' docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' long; }
it "stop sends TERM and the code is kept" stopped
started() { docker start long > /dev/null && is running status long; }
it "it can be started again" started
it "rm removes it" docker rm -f long
bridged() { docker run --rm bb ip -o addr show eth0; }
it "a container of the engine's bridge has its address" has 'inet 172\.' bridged
left() { find /sys/fs/cgroup -path '/sys/fs/cgroup/*/docker/*' -type d 2> /dev/null; }
it "no control group is left" is '' left
counted
