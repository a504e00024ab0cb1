#!/usr/bin/env bash
# A host with two thousand mounts, and a container with two hundred, become a start like any other.
# as: root
. /vm/cases/lib
# systemd makes a unit of each, which takes ten times as long as the mount.
many=2000
[ "$VM_INIT" != systemd ] || many=300
mkdir /tmp/many
mount -t tmpfs many /tmp/many
i=0
while [ $i -lt $many ]; do
  mkdir "/tmp/many/$i"
  mount -t tmpfs -o size=4k m "/tmp/many/$i"
  i=$((i + 1))
done
is "a start beside $many mounts" 0 "$(code nsplan do -- true)"
is "the host has them still" $many "$(grep -c ' /tmp/many/' /proc/mounts)"
umount -l /tmp/many
i=0
set --
while [ $i -lt 200 ]; do
  set -- "$@" -v "/tmp/many:/tmp/v$i"
  i=$((i + 1))
done
is "two hundred volumes" 200 "$(nsplan do "$@" -- sh -c "grep -c ' /tmp/v' /proc/mounts")"
rmdir /tmp/many
