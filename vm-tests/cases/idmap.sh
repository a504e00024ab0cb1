#!/usr/bin/env bash
# A file system of a disk, id-mapped, becomes files of other owners inside and of their own outside; before Linux 5.12 a refusal.
# as: root
# only on: v2 v1 hybrid session systemd no-mount-api
. /vm/cases/lib
. /vm/project
mkdir -p /tmp/i/rootfs/data
a_disk /tmp/i/disk 8
echo five > /tmp/i/disk/five
chown 5:5 /tmp/i/disk/five
mkdir /tmp/i/disk/all
chmod 777 /tmp/i/disk/all
cp /bin/busybox /tmp/i/rootfs/busybox
maps='[{"containerID": 0, "hostID": 2000, "size": 10}]'
cat > /tmp/i/config.json << J
{
  "ociVersion": "1.2.0", "root": {"path": "rootfs"},
  "process": {"cwd": "/", "args": ["/busybox", "sh"], "env": ["PATH=/"], "user": {"uid": 2005, "gid": 2005}},
  "mounts": [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/data", "source": "/tmp/i/disk", "options": ["bind", "idmap"], "uidMappings": $maps, "gidMappings": $maps}
  ],
  "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]}
}
J
inside() { nsplan run --bundle /tmp/i idmap-case -- /busybox sh -c "$1" 2>&1; }
if [ "$KERNEL" = 5.10 ] || [ "$VARIANT" = no-mount-api ]; then
  is "it is refused" 125 "$(code nsplan run --bundle /tmp/i idmap-case -- /busybox true)"
  says "and said what is missing" "mount_setattr|id-mapped|5.12" "$(said)"
else
  is "inside it has another owner" 2005:2005 "$(inside '/busybox stat -c %u:%g /data/five')"
  is "who may write it" yes "$(inside '/busybox echo six > /data/five; /busybox cat /data/five' | sed 's/six/yes/')"
  is "and makes files of the file system's own owner" 5:5 "$(inside '/busybox touch /data/all/new' && stat -c %u:%g /tmp/i/disk/all/new)"
  is "outside all is as before" 5:5 "$(stat -c %u:%g /tmp/i/disk/five)"
fi
no_disk /tmp/i/disk
rm -r /tmp/i
