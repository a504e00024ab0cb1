#!/usr/bin/env bash
# An overlay of the host becomes a root that can be written to, while the host stays as it was.
# as: root
. /vm/cases/lib
mkdir -p /tmp/o/merged
mount -t tmpfs scratch /tmp/o/merged
mkdir /tmp/o/merged/up /tmp/o/merged/work /tmp/o/merged/root
mount -t overlay -o lowerdir=/,upperdir=/tmp/o/merged/up,workdir=/tmp/o/merged/work overlay /tmp/o/merged/root
is "a file is written in the overlay" 0 "$(code nsplan do --rootfs /tmp/o/merged/root -- touch /etc/written)"
is "the host has no such file" no "$([ -e /etc/written ] && echo yes || echo no)"
is "the upper layer has it" yes "$([ -e /tmp/o/merged/up/etc/written ] && echo yes || echo no)"
umount /tmp/o/merged/root
umount /tmp/o/merged
rm -rf /tmp/o
