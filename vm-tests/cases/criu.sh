#!/usr/bin/env bash
# A container that criu writes down is gone, and goes on from there with its next number.
# as: root
# only on: v2 v1
. /vm/cases/lib
# criu asks a disk's file system what it cannot ask a tmpfs.
a_disk /tmp/c/disk 16
mkdir -p /tmp/c/disk/rootfs/{bin,proc,sys,dev,tmp,etc}
cp /bin/busybox /tmp/c/disk/rootfs/bin/
ln -s busybox /tmp/c/disk/rootfs/bin/sh
counts='n=0; while :; do n=$((n + 1)); echo $n > /tmp/n; /bin/busybox sleep 0.1; done'
a_bundle /tmp/c '["sh", "-c", "'"$counts"'"]' '' ''
# A network of its own criu would close with iptables meanwhile, which the guest does not have.
sed -i -e '/"type": "network"/d' -e 's|"path": "/"|"path": "/tmp/c/disk/rootfs"|' -e 's|"readonly": true|"readonly": false|' /tmp/c/config.json
count() { cat /tmp/c/disk/rootfs/tmp/n; }
# beyond NUMBER: it counts on, from there and not from 1
beyond() {
  local n
  for _ in $(seq 200); do
    n=$(count)
    [ "${n:-0}" -le "$1" ] || { [ "$n" -lt $(($1 + 1000)) ] && echo yes; return; }
    sleep 0.1
  done
}
life() { code nsplan "$@" < /dev/null; }
# works WHAT LOG WORD...: a command that has criu do it, and what both said if it failed
works() {
  local what=$1 log=$2 answer
  shift 2
  answer=$(life "$@")
  is "$what" 0 "$answer"
  [ "$answer" = 0 ] || { said && tail -n 20 "$log"; }
}
is "it is created" 0 "$(life create --bundle /tmp/c criu-case)"
is "and started" 0 "$(life start criu-case)"
is "it counts" yes "$(beyond 5)"
works "it is written down" /tmp/c/images/dump.log checkpoint --image-path /tmp/c/images criu-case
says "and gone" '"status": "stopped"' "$(nsplan state criu-case)"
last=$(count)
is "what is left of it is deleted" 0 "$(life delete criu-case)"
works "it is there again" /tmp/c/images/restore.log restore --detach --bundle /tmp/c --image-path /tmp/c/images criu-case
is "and counts on from its last number" yes "$(beyond "$last")"
is "it can be joined" sh "$(nsplan exec criu-case /bin/busybox cat /proc/1/comm)"
says "it is in its cgroup" criu-case "$(cat "/proc/$(first criu-case)/cgroup")"
is "and be deleted" 0 "$(life delete --force criu-case)"
no_disk /tmp/c/disk
rm -r /tmp/c /run/criu.kdat
