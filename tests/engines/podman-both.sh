# tests/engines/podman-both.sh: what root and an ordinary user do with podman alike → cases, as functions by topic.
#
# To be sourced behind lib.sh. The script has defined `podman`, `run` (without a network, and with the limits that are to
# be), `in_namespaces_of` (the command as somebody who may look at the containers' processes), and has made the image bb.

state() { podman inspect -f '{{.State.Status}}' "$1"; }
pid_of() { podman inspect -f '{{.State.Pid}}' "$1"; }

runs() {
  it "run prints what the program prints" is hello run --rm bb echo hello
  it "run takes a root directory as well as an image" is hello run --rm --rootfs "$scratch/root" echo hello
  it "run ends with the program's exit code" ends 42 run --rm bb sh -c 'exit 42'
  it "a program that is not there gives 127" ends 127 run --rm bb no-such-program
  it "a program that cannot be executed gives 126" ends 126 run --rm bb /etc/passwd
  it "run -i passes standard input" is words piped run --rm -i bb cat
  it "run -t gives a terminal" has '^/dev/(pts/0|console)' in_terminal run --rm -t bb tty
  it "run -it passes what is typed" has 'found words' typed run --rm -it bb sh -c 'read line; echo "found $line"'
  it "variables are passed" is two run --rm -e ONE=two bb sh -c 'echo $ONE'
  it "the working directory is chosen" is /tmp run --rm -w /tmp bb pwd
  it "a user by name gets its ids and groups" has 'uid=1000\(user\) gid=1000\(user\) groups=.*46\(plugdev\)' run --rm --user user bb id
  it "a user by number gets them" has '^uid=1234.* gid=5678' run --rm --user 1234:5678 bb id
  it "the host name is set" is boat run --rm --hostname boat bb hostname
  it "pid 1 is the program" has '^ *1 root' run --rm bb ps
  it "--init gives a first process that reaps" has 'catatonit|podman-init' run --rm --init bb ps
  it "a limit of open files is set" is 512 run --ulimit nofile=512:512 --ulimit nproc=1024:1024 --rm bb sh -c 'ulimit -n'
  it "sysctls are set" is 8192 run --rm --sysctl kernel.shmmni=8192 bb cat /proc/sys/kernel/shmmni
  it "a file system in memory is mounted" has 'tmpfs /scratch tmpfs rw,nosuid,nodev,.*size=1024k' run --rm --tmpfs /scratch:size=1m bb cat /proc/mounts
  it "the size of /dev/shm is set" has 'shm /dev/shm tmpfs .*size=2048k' run --rm --shm-size 2m bb cat /proc/mounts
  it "--network=host shares the host's network" is "$(readlink /proc/self/ns/net)" podman run --network host --rm bb readlink /proc/self/ns/net
  it "--pid=host shares the host's processes" is "$(readlink /proc/self/ns/pid)" run --rm --pid host bb readlink /proc/self/ns/pid
}

volume() { run --rm -v "$scratch/volume:/v" bb touch /v/made && [ "$(stat -c %u "$scratch/volume/made")" = "${user:-0}" ]; }
named() { run --rm -v kept:/v bb sh -c 'echo x > /v/y' && is x run --rm -v kept:/v bb cat /v/y; }
is_kept_from_much() {
  it "--read-only makes the root read-only" has 'Read-only file system' run --rm --read-only bb touch /x
  it "a volume is the host's directory, and what is written to it its owner's" volume
  it "a read-only volume cannot" has 'Read-only file system' run --rm -v "$scratch/volume:/v:ro" bb touch /v/x
  it "a named volume keeps what is written" named
  it "all capabilities are dropped" has '^CapBnd:.0000000000000000$' run --rm --cap-drop ALL bb cat /proc/self/status
  it "no-new-privileges is set" has '^NoNewPrivs:.1$' run --rm --security-opt no-new-privileges bb cat /proc/self/status
  it "the default system call filter is installed" has '^Seccomp:.2$' run --rm bb cat /proc/self/status
  it "it can be left out" has '^Seccomp:.0$' run --rm --security-opt seccomp=unconfined bb cat /proc/self/status
  printf '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["chown","fchown","lchown","fchownat"],"action":"SCMP_ACT_ERRNO","errnoRet":38}]}' > "$scratch/no-chown.json"
  it "a filter of the user's own counts" has 'Function not implemented' run --rm --security-opt "seccomp=$scratch/no-chown.json" bb chown 1 /tmp
  it "paths are masked" is '' run --rm bb cat /proc/timer_list
  it "paths are read-only" has 'Read-only file system' run --rm bb sh -c 'echo 1 > /proc/sys/kernel/shmmni'
  it "--privileged takes all that away" has '^CapEff:.000001f[0-9a-f]+$' run --rm --privileged bb cat /proc/self/status
}

background() { podman exec -d long sleep 77 && sleep 0.3 && has 'sleep 77' podman exec long ps; }
copied() { podman cp long:/etc/passwd "$scratch/volume/copied" && grep -q root "$scratch/volume/copied"; }
# A container `long` is left running.
runs_in_the_background() {
  local id
  id=$(run -d --name long -e COLOUR=blue bb sh -c 'trap "exit 7" TERM; echo begun; while :; do sleep 0.1; done') || echo "$id"
  it "a container in the background runs" is running state long
  it "exec runs in it" has 'while :' podman exec long ps
  it "exec ends with its program's code" ends 3 podman exec long sh -c 'exit 3'
  it "exec of a program that is not there gives 127" ends 127 podman exec long no-such-program
  it "exec has the container's variables and its own" is 'blue red' podman exec -e OTHER=red long sh -c 'echo $COLOUR $OTHER'
  it "exec as another user" is 1000 podman exec --user 1000 long id -u
  it "exec in another directory" is /tmp podman exec -w /tmp long pwd
  it "exec -i passes standard input" is words piped podman exec -i long cat
  it "exec -t gives a terminal" has '^/dev/(pts/[0-9]|console)' in_terminal podman exec -t long tty
  it "exec is filtered as the container is" has '^Seccomp:.2$' podman exec long cat /proc/self/status
  it "exec --privileged is not" has '^CapEff:.000001f[0-9a-f]+$' podman exec --privileged long cat /proc/self/status
  it "a command in the background can be seen" background
  it "top lists its processes" has 'sleep' podman top long
  it "logs give what it printed" is begun podman logs long
  it "a file is copied out of it" copied
  it "another one shares its processes" has 'while :' run --rm --pid container:long bb ps
}

paused() { podman pause long > /dev/null && is paused state long && podman unpause long > /dev/null && is running state long; }
# `long` has a control group.
is_controlled() {
  it "stats measure it" has '^long .*[0-9]' podman stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}'
  it "pause and unpause" paused
}

limited() { # limited OPTION VALUE CONTROLLER V1-FILE V1-VALUE V2-FILE V2-VALUE
  local id directory found
  id=$(run -d "$1=$2" bb sleep 100) || { echo "$id"; return 1; }
  directory=$(cgroup_of "$(pid_of "$id")" "$3")
  if [ -e "$directory/$4" ]; then found=$(cat "$directory/$4"); set -- "$1" "$2" "$3" "$4" "$5" "$4" "$5"; else found=$(cat "$directory/$6"); fi
  podman rm -f -t 0 "$id" > /dev/null
  [ "$found" = "$7" ] || { echo "$6: expected $7, found $found"; return 1; }
}
# are_set [CONTROLLER...]: the limits of these.
are_set() {
  local name
  for name in "$@"; do
    case $name in
      memory) it "memory is limited" limited --memory 64m memory memory.limit_in_bytes 67108864 memory.max 67108864 ;;
      pids) it "the number of processes is limited" limited --pids-limit 50 pids pids.max 50 pids.max 50 ;;
      cpu)
        it "cpu time is limited" limited --cpus 0.5 cpu cpu.cfs_quota_us 50000 cpu.max '50000 100000'
        it "cpu shares are given" limited --cpu-shares 512 cpu cpu.shares 512 cpu.weight 20
        ;;
      cpuset) it "processors are chosen" limited --cpuset-cpus 0 cpuset cpuset.cpus 0 cpuset.cpus 0 ;;
    esac
  done
}

stopped() { podman stop -t 5 long > /dev/null && is 'exited 7' podman inspect -f '{{.State.Status}} {{.State.ExitCode}}' long; }
started() { podman start long > /dev/null && is running state long; }
killed() { podman kill -s KILL long > /dev/null && is 137 podman wait long; }
removed() { podman rm -f long > /dev/null && ! podman container exists long; }
created() { podman create --name later --network none bb echo later > /dev/null && is later podman start -a later && podman rm later > /dev/null; }
healthy() {
  run -d --name ill --health-cmd 'test -e /tmp/well' --health-interval disable bb sleep 100 > /dev/null || return
  ends 1 podman healthcheck run ill && podman exec ill touch /tmp/well && ends 0 podman healthcheck run ill
  local status=$?
  podman rm -f -t 0 ill > /dev/null
  return $status
}
again() {
  run -d --restart on-failure:2 --name again bb sh -c 'echo x; exit 1' > /dev/null || return
  until_true thrice
  is $'x\nx\nx' podman logs again
  local status=$?
  podman rm -f again > /dev/null
  return $status
}
thrice() { [ "$(podman logs again | grep -c x)" = 3 ]; }
# `long` ends, and others are there for a moment.
ends_and_goes() {
  it "stop sends TERM and the code is kept" stopped
  it "it can be started again" started
  it "kill ends it with 137" killed
  it "rm removes it" removed
  it "create and start apart" created
  it "health checks are run" healthy
  it "what fails is started again" again
}

published() {
  local id said
  id=$(podman run -d -p 127.0.0.1:18080:80 bb sh -c 'echo served > /tmp/index.html; httpd -f -p 80 -h /tmp') || { echo "$id"; return 1; }
  for _ in {1..20}; do said=$(busybox wget -q -O - http://127.0.0.1:18080/ 2>&1) && break; sleep 0.3; done
  podman rm -f -t 0 "$id" > /dev/null
  [ "$said" = served ] || { echo "$said"; return 1; }
}
pod() {
  podman pod create --name p --infra-image bb --infra-command "sleep 1000" --share net,ipc,uts --network none > /dev/null || return
  podman run -d --pod p --name a bb sleep 100 > /dev/null && podman run -d --pod p --name b bb sleep 100 > /dev/null || return
  local status=0 name
  for name in net ipc uts; do is "$(in_namespaces_of readlink "/proc/$(pid_of a)/ns/$name")" in_namespaces_of readlink "/proc/$(pid_of b)/ns/$name" || status=1; done
  podman pod rm -f -t 0 p > /dev/null
  return $status
}
shares() {
  it "a published port is reached from the host" published
  it "containers of a pod share namespaces" pod
}
