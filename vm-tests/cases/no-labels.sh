#!/usr/bin/env bash
# A label for a security module that this host does not run becomes a refusal that names the module: nothing starts without it.
# as: root user
# only on: v2 v1 selinux no-lsm
. /vm/cases/lib
context=system_u:system_r:container_t:s0
refused() { # refused MODULE OPTION...
  local module=$1
  shift
  is "$1 is refused" 125 "$(code nsplan do "$@" -- true)"
  says "and the module named" "$1 .*: $module is not active" "$(said)"
}
if ! grep -q apparmor /sys/kernel/security/lsm; then refused AppArmor --apparmor nsplan-case; fi
if ! grep -q selinux /sys/kernel/security/lsm; then
  refused SELinux --process-label $context
  refused SELinux --mount-label $context
  mkdir -p "/tmp/source-$VM_AS"
  is "a relabelled bind is refused" 125 "$(code nsplan do -v "/tmp/source-$VM_AS:/mnt:Z" -- true)"
  says "for the module" "SELinux is not active" "$(said)"
  rmdir "/tmp/source-$VM_AS"
fi
stays plain
if ! grep -q apparmor /sys/kernel/security/lsm; then
  is "of who joins too" 125 "$(code nsplan exec --apparmor nsplan-case plain true)"
else
  is "of who joins too" 125 "$(code nsplan exec --process-label $context plain true)"
fi
says "and said so" "is not active" "$(said)"
goes plain
