#!/usr/bin/env bash
# tests/engines/podman.sh RUNTIME [PATTERN]: what a user of podman does with a container → one line a case, and a count.
#
# Debian's packages: podman conmon netavark iptables catatonit busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene podman conmon netavark catatonit

engine_command=podman
podman() {
  timeout --foreground -k 5 60 podman --root "$scratch/store" --runroot /run/store --tmpdir /run/libpod --runtime "$runtime" \
    --cgroup-manager cgroupfs --events-backend=file "$@"
}
# The engine's default is above what a caller without CAP_SYS_RESOURCE may give.
cat > "$scratch/containers.conf" << 'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
default_capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"]
C
export CONTAINERS_CONF=$scratch/containers.conf
run() { podman run --network none "$@"; }
. "$(dirname "$0")/podman-both.sh"
# What there is on the host of the containers that this script has had; conmon's own groups are the engine's.
remains() {
  local id
  for id in $(grep -ohE '\b[0-9a-f]{64}\b' /run/libpod/events/*.log | sort -u); do
    find /sys/fs/cgroup -path "*/libpod-$id" -type d 2> /dev/null
  done
  find /run/runc /run/crun /run/nsplan -mindepth 1 -maxdepth 1 2> /dev/null
}
tar -C "$scratch/root" -c . | podman import - bb > /dev/null 2>&1 || fail "no image could be made"


# ---- run -------------------------------------------------------------------------------------------------------------

runs
shot() { run -d --name shot bb sleep 100 > /dev/null && podman kill -s KILL shot > /dev/null && is 137 podman wait shot; local s=$?; podman rm -f shot > /dev/null; return $s; }
it "a program that a signal ended counts 128 and its number" shot
it "groups are added" has '46' run --rm --user 1000 --group-add 46 bb id -G
it "--uts=host shares the host's name" is "$(readlink /proc/self/ns/uts)" run --rm --uts host bb readlink /proc/self/ns/uts
it "--ipc=host shares the host's queues" is "$(readlink /proc/self/ns/ipc)" run --rm --ipc host bb readlink /proc/self/ns/ipc
it "--cgroupns=private hides where it is" has '^0::/$' run --rm --cgroupns private bb grep '^0:' /proc/self/cgroup
it "a user namespace maps its ids" has '^ +0 +100000 +1000$' run --rm --uidmap 0:100000:1000 --gidmap 0:100000:1000 bb cat /proc/self/uid_map

# ---- what is kept from it --------------------------------------------------------------------------------------------

is_kept_from_much
it "capabilities are the default ones" has '^CapEff:.00000000800405fb$' run --rm bb cat /proc/self/status
it "a capability is added" has '^CapEff:.00000000800415fb$' run --rm --cap-add NET_ADMIN bb cat /proc/self/status
it "paths can be unmasked" has . run --rm --security-opt unmask=ALL bb cat /proc/timer_list
it "a device is made and allowed" has '^crw.* 10, 229 ' run --rm --device /dev/fuse bb ls -l /dev/fuse
it "a device that is not allowed is refused" has 'Operation not permitted' run --rm --cap-add MKNOD bb sh -c 'mknod /dev/kmsg2 c 1 11; head -c1 /dev/kmsg2'

# ---- limits ----------------------------------------------------------------------------------------------------------

are_set memory pids cpu cpuset
update() {
  local id
  id=$(run -d --memory 64m bb sleep 100) && podman update --memory 128m "$id" > /dev/null &&
    grep -qx 134217728 "$(cgroup_of "$(pid_of "$id")" memory)"/memory.{limit_in_bytes,max} 2> /dev/null
  local status=$?
  podman rm -f -t 0 "$id" > /dev/null
  return $status
}
it "update changes a limit" update

# ---- a running one ---------------------------------------------------------------------------------------------------

runs_in_the_background
is_controlled
it "exec has no more capabilities than the container" has '^CapEff:.00000000800405fb$' podman exec long cat /proc/self/status
inside() { podman exec long sh -c 'for n in ipc mnt net pid uts; do readlink /proc/self/ns/$n; done'; }
it "exec is in every namespace of the container" is "$(for n in ipc mnt net pid uts; do readlink "/proc/$(pid_of long)/ns/$n"; done)" inside
it "another one shares its network" is "$(readlink "/proc/$(pid_of long)/ns/net")" podman run --rm --network container:long bb readlink /proc/self/ns/net
ends_and_goes

# ---- networks and pods -----------------------------------------------------------------------------------------------

in_namespaces_of() { "$@"; }
shares

# ---- nothing is left -------------------------------------------------------------------------------------------------

podman rm -f -a -t 0 > /dev/null 2>&1
it "no control group and no state is left" is '' remains

counted
