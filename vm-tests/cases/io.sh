#!/usr/bin/env bash
# A limit of bytes a second for a device becomes a slower program, and none for a device that is not named.
# as: root
. /vm/cases/lib
mkdir /tmp/io
dd if=/dev/zero of=/tmp/io/disk bs=1M count=8 2> /dev/null
for n in 0 1; do
  cp /tmp/io/disk "/tmp/io/disk$n"
  losetup "/dev/loop$n" "/tmp/io/disk$n"
done
cat > /tmp/io/container.json << 'J'
{
  "rootfs": "/",
  "readonlyfs": false,
  "hostname": "io",
  "namespaces": [{"type": "NEWNS", "path": ""}, {"type": "NEWPID", "path": ""}, {"type": "NEWUTS", "path": ""}],
  "capabilities": ["SYS_ADMIN"],
  "cgroups": {
    "name": "io-case", "parent": "", "allow_all_devices": true,
    "blkio_throttle_write_bps_device": "7:0 1048576"
  }
}
J
# Seconds that four megabytes take; only ever a lower limit is asked for.
seconds() {
  local begin end
  begin=$(cut -d. -f1 /proc/uptime)
  nsplan run --bundle /tmp/io io-case -- dd if=/dev/zero "of=/dev/$1" bs=256k count=16 oflag=direct > /tmp/io/said 2>&1 || cat /tmp/io/said >&2
  end=$(cut -d. -f1 /proc/uptime)
  echo $((end - begin))
}
limited=$(seconds loop0)
free=$(seconds loop1)
is "four megabytes at one a second take three seconds and more" yes "$([ "$limited" -ge 3 ] && echo yes || echo "no, $limited s")"
is "another device is faster" yes "$([ "$free" -lt "$limited" ] && echo yes || echo "no, $free s and $limited s")"
for n in 0 1; do losetup -d "/dev/loop$n"; done
rm -r /tmp/io
