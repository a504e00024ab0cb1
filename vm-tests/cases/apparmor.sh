#!/usr/bin/env bash
# A profile that the kernel was given becomes what a container may do, its root included.
# as: root
# only on: v2 v1 hybrid like-4.18
. /vm/cases/lib
cat > /tmp/profile << 'P'
profile nsplan-case flags=(attach_disconnected, mediate_deleted) {
  file,
  capability,
  network,
  signal,
  deny /etc/hostname r,
}
P
is "the kernel takes the profile" 0 "$(code apparmor_parser --skip-cache --replace /tmp/profile)"
is "the program runs under it" "nsplan-case (enforce)" "$(nsplan do --apparmor nsplan-case -- cat /proc/self/attr/current)"
is "what it denies is denied to root" 1 "$(code nsplan do --apparmor nsplan-case -- cat /etc/hostname)"
says "by the kernel" "ermission denied" "$(said)"
is "what it does not is allowed" 0 "$(code nsplan do --apparmor nsplan-case -- cat /etc/hosts)"
is "without it nothing is denied" 0 "$(code nsplan do -- cat /etc/hostname)"
is "a profile that nobody loaded is refused" 125 "$(code nsplan do --apparmor no-such-profile -- true)"
says "by its name" no-such-profile "$(said)"
apparmor_parser --remove /tmp/profile
rm /tmp/profile
