#!/usr/bin/env bash
# A real systemd, asked over its bus, becomes scopes with limits that it knows and keeps, and that are gone afterwards.
# as: root user
# only on: systemd systemd-hybrid
. /vm/cases/lib
ctl="systemctl"
slice=system.slice
if [ "$VM_AS" = user ]; then ctl="systemctl --user" slice=user.slice; fi
# What is left of scopes of ours, however they ended.
scopes() { $ctl list-units --all --no-legend --plain --type=scope | cut -d' ' -f1 | grep case-; }
box() { nsplan --systemd-cgroup "$@"; }

if [ "$VM_LAYOUT" = hybrid ] && [ "$VM_AS" = user ]; then
  is "a user has no controllers of v1 to limit with" 125 "$(code box do -m 64m -- true)"
  says "and is told so" "cgroup|controller" "$(said)"
  exit
fi
where=$(box do --name case-1 --cgroupns host -m 64m -- cat /proc/self/cgroup)
says "it is a scope in $slice" "/$slice/[^ ]*\.scope$" "$where"
box do --name case-2 -m 64m --pids-limit 20 --cpus 0.5 -- sleep 1000 &
launcher=$!
sleep 3
scope=$(scopes | head -n 1)
says "systemd lists it" "case-2" "$scope"
memory=MemoryMax
[ "$VM_LAYOUT" = v2 ] || memory=MemoryLimit
is "systemd knows the memory" "$memory=67108864" "$($ctl show -p $memory "$scope")"
is "and the tasks" "TasksMax=20" "$($ctl show -p TasksMax "$scope")"
is "and the quota" "CPUQuotaPerSecUSec=500ms" "$($ctl show -p CPUQuotaPerSecUSec "$scope")"
is "and that it is delegated" "Delegate=yes" "$($ctl show -p Delegate "$scope")"
file=memory.max
[ "$VM_LAYOUT" = v2 ] || file=memory.limit_in_bytes
limits() { find /sys/fs/cgroup -path "*/$scope/*" -name "$file" -exec cat {} +; }
$ctl daemon-reload
is "the limit is the kernel's, after a reload of systemd too" 67108864 "$(limits | sort -u)"
beside() { nsplan exec "$@"; }
if [ "$VM_AS" = user ]; then
  is "nobody is moved there from a login's session" 125 "$(code nsplan exec case-2 true)"
  says "and is told from where" "systemd-run --user --scope" "$(said)"
  beside() { systemd-run --quiet --user --scope -- nsplan exec "$@"; }
fi
is "a program more is begun in it" 0 "$(code beside case-2 true)"
beside case-2 sleep 1000 &
joined=$!
sleep 2
is "and stays in it" 2 "$(find /sys/fs/cgroup -path "*/$scope*" -name cgroup.procs -exec cat {} + | sort -u | wc -l)"
is "it is ended with its scope" 0 "$(code nsplan delete --force case-2)"
wait $launcher $joined
is "a hog is killed" 137 "$(code box do --name case-3 -m 64m -- dd if=/dev/zero of=/dev/null bs=200M count=1)"
box do --name case-4 -m 64m -- sleep 1000 &
launcher=$!
sleep 3
kill -9 $launcher
wait $launcher
is "delete after a kill" 0 "$(code nsplan delete --force case-4)"
is "no scope is left, failed or not" "" "$(scopes)"
if [ "$VM_AS" = root ]; then
  box do --name case-5 -m 64m -- sleep 1000 &
  launcher=$!
  sleep 3
  stopped=$(scopes)
  # Without a scope it would go on for good.
  if [ -n "$stopped" ]; then $ctl stop "$stopped"; else kill $launcher; fi
  wait $launcher
  is "a scope that systemd stops is an end by a signal" yes "$([ $? -gt 128 ] && echo yes)"
  is "and nothing is left of it" "" "$(scopes)"
fi
