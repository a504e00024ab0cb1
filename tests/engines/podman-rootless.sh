#!/usr/bin/env bash
# tests/engines/podman-rootless.sh RUNTIME [PATTERN]: what an ordinary user of podman does with a container → one line a case.
#
# The user, with ranges of subordinate ids, is there in this script's mount namespace only. Without a systemd of its own,
# and on cgroup v1 in any case, it has no control groups: limits, pause and stats are not tried.
#
# Debian's packages: podman conmon uidmap catatonit busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene podman conmon catatonit newuidmap setpriv

user=4242
for file in passwd group subuid subgid; do cp "/etc/$file" "$scratch/$file" 2> /dev/null || : > "$scratch/$file"; done
echo "sailor:x:$user:$user::$scratch/home:/bin/sh" >> "$scratch/passwd"
echo "sailor:x:$user:" >> "$scratch/group"
for file in subuid subgid; do echo "sailor:400000:65536" >> "$scratch/$file"; done
for file in passwd group subuid subgid; do
  [ -e "/etc/$file" ] || fail "no /etc/$file"
  mount --bind "$scratch/$file" "/etc/$file"
done
chmod 711 "$scratch" && mkdir -p "$scratch/home" "/run/user/$user"
# A runtime in a directory of root's cannot be run by somebody else.
mkdir /run/tested && install -m 755 "$runtime" /run/tested/ && runtime=/run/tested/$(basename "$runtime")
chown -R $user:$user "$scratch/home" "$scratch/root" "$scratch/volume" "/run/user/$user"
as_user() {
  setpriv --reuid=$user --regid=$user --clear-groups env -i PATH="$PATH" HOME="$scratch/home" XDG_RUNTIME_DIR="/run/user/$user" \
    TERM=xterm CONTAINERS_CONF="$scratch/containers.conf" "$@"
}
cat > "$scratch/containers.conf" << 'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
C
engine_command="podman as_user"
podman() {
  cd "$scratch/home" && as_user timeout --foreground -k 5 60 podman --root "$scratch/home/store" --runroot "/run/user/$user/store" \
    --tmpdir "/run/user/$user/libpod" --storage-driver vfs --runtime "$runtime" --cgroup-manager cgroupfs --events-backend=file "$@"
}
run() { podman run --network none "$@"; }
tar -C "$scratch/root" -c . | podman import - bb > "$scratch/said" 2>&1 || { cat "$scratch/said" >&2; fail "no image could be made"; }

it "run prints what the program prints" is hello run --rm bb echo hello
it "run takes a root directory as well as an image" is hello run --rm --rootfs "$scratch/root" echo hello
it "run ends with the program's exit code" ends 42 run --rm bb sh -c 'exit 42'
it "a program that is not there gives 127" ends 127 run --rm bb no-such-program
it "a program that cannot be executed gives 126" ends 126 run --rm bb /etc/passwd
it "run -i passes standard input" is words piped run --rm -i bb cat
it "run -t gives a terminal" has '^/dev/(pts/0|console)' in_terminal run --rm -t bb tty
it "root inside is the user outside" has "^ +0 +$user +1$" run --rm bb cat /proc/self/uid_map
it "other ids come from the user's ranges" has '^ +1 +400000 +65536$' run --rm bb cat /proc/self/uid_map
it "--userns=keep-id keeps the user's own" is $user run --rm --userns keep-id bb id -u
it "a user by name gets its ids and groups" has 'uid=1000\(user\) gid=1000\(user\) groups=.*46\(plugdev\)' run --rm --user user bb id
it "the host name is set" is boat run --rm --hostname boat bb hostname
it "pid 1 is the program" has '^ *1 root' run --rm bb ps
it "--init gives a first process that reaps" has 'catatonit|podman-init' run --rm --init bb ps
it "sysctls are set" is 8192 run --rm --sysctl kernel.shmmni=8192 bb cat /proc/sys/kernel/shmmni
it "a file system in memory is mounted" has 'tmpfs /scratch tmpfs rw,nosuid,nodev,.*size=1024k' run --rm --tmpfs /scratch:size=1m bb cat /proc/mounts
it "--network=host shares the host's network" is "$(readlink /proc/self/ns/net)" podman run --network host --rm bb readlink /proc/self/ns/net
it "--pid=host shares the host's processes" is "$(readlink /proc/self/ns/pid)" run --rm --pid host bb readlink /proc/self/ns/pid
it "--read-only makes the root read-only" has 'Read-only file system' run --rm --read-only bb touch /x
volume() { run --rm -v "$scratch/volume:/v" bb touch /v/made && [ "$(stat -c %u "$scratch/volume/made")" = $user ]; }
it "what is written to a volume is the user's" volume
it "no-new-privileges is set" has '^NoNewPrivs:.1$' run --rm --security-opt no-new-privileges bb cat /proc/self/status
it "the default system call filter is installed" has '^Seccomp:.2$' run --rm bb cat /proc/self/status
it "all capabilities are dropped" has '^CapBnd:.0000000000000000$' run --rm --cap-drop ALL bb cat /proc/self/status
it "--privileged gives all that the user's namespace has" has '^CapEff:.000001f[0-9a-f]+$' run --rm --privileged bb cat /proc/self/status
it "paths are masked" is '' run --rm bb cat /proc/timer_list

state() { podman inspect -f '{{.State.Status}}' "$1"; }
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }
id=$(run -d --name long bb sh -c 'trap "exit 7" TERM; echo begun; while :; do sleep 0.1; done') || echo "$id"
it "a container in the background runs" is running state long
it "exec runs in it" has 'while :' podman exec long ps
it "exec ends with its program's code" ends 3 podman exec long sh -c 'exit 3'
it "exec of a program that is not there gives 127" ends 127 podman exec long no-such-program
it "exec as another user" is 1000 podman exec --user 1000 long id -u
it "exec -i passes standard input" is words piped podman exec -i long cat
it "exec -t gives a terminal" has '^/dev/(pts/[0-9]|console)' in_terminal podman exec -t long tty
it "top lists its processes" has 'sleep' podman top long
it "logs give what it printed" is begun podman logs long
it "another one shares its processes" has 'while :' run --rm --pid container:long bb ps
stopped() { podman stop -t 5 long > /dev/null && is 'exited 7' podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' long; }
it "stop sends TERM and the code is kept" stopped
started() { podman start long > /dev/null && is running state long; }
it "it can be started again" started
killed() { podman kill -s KILL long > /dev/null && is 137 podman wait long; }
it "kill ends it with 137" killed
removed() { podman rm -f long > /dev/null && ! podman container exists long; }
it "rm removes it" removed
created() { podman create --name later --network none bb echo later > /dev/null && is later podman start -a later && podman rm later > /dev/null; }
it "create and start apart" created
pod() {
  podman pod create --name p --infra-image bb --infra-command "sleep 1000" --share net,ipc,uts --network none > /dev/null || return
  podman run -d --pod p --name a bb sleep 100 > /dev/null && podman run -d --pod p --name b bb sleep 100 > /dev/null || return
  local status=0 name
  for name in net ipc uts; do is "$(as_user readlink "/proc/$(pid_of a)/ns/$name")" as_user readlink "/proc/$(pid_of b)/ns/$name" || status=1; done
  podman pod rm -f -t 0 p > /dev/null
  return $status
}
it "containers of a pod share namespaces" pod

podman rm -f -a -t 0 > /dev/null 2>&1
left() { find "/run/user/$user" -path '*nsplan*' -mindepth 1 -maxdepth 2 -name '[0-9a-f]*' 2> /dev/null; pgrep -u $user -a sleep; true; }
it "no state and no process is left" is '' left
counted
