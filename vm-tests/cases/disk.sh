#!/usr/bin/env bash
# A full file system becomes an error of the program inside, and, where it is the launcher's own, one that leaves nothing.
# as: root
. /vm/cases/lib
is "a tmpfs with a size is full at that size" 1 "$(code nsplan do --tmpfs /tmp:size=1m -- dd if=/dev/zero of=/tmp/x bs=1M count=2)"
says "and says so" "No space left" "$(said)"
mkdir /tmp/full
mount -t tmpfs -o mode=755,size=4k,nr_inodes=1 full /tmp/full
is "no room for the launcher's journal" 125 "$(code nsplan --root /tmp/full do --pids-limit 10 -- true)"
says "is said as the kernel says it" "ENOSPC|No space left" "$(said)"
umount /tmp/full
rmdir /tmp/full
