#!/usr/bin/env bash
# A policy that the kernel was given, contexts of a process and of mounts become what a container may do, its root included.
# as: root
# only on: selinux
. /vm/cases/lib
is "the kernel takes the policy" 0 "$(code secilc -o /tmp/policy -f /dev/null /vm/cases/selinux.cil)"
cat /tmp/policy > /sys/fs/selinux/load
inside=system_u:system_r:container_t:s0:c1
file=system_u:object_r:container_file_t:s0:c1
is "the program runs in its context" $inside "$(nsplan do --process-label $inside -- cat /proc/self/attr/current | tr -d '\0')"
is "and in the host's without one" system_u:system_r:host_t:s0 "$(nsplan do -- cat /proc/self/attr/current | tr -d '\0')"
says "its mounts have theirs" "tmpfs .*context=.?$file" "$(nsplan do --mount-label $file -- cat /proc/self/mounts)"
echo 1 > /sys/fs/selinux/enforce
labelled() { code nsplan do --process-label $inside --mount-label $file --tmpfs /tmp "$@"; }
is "what the policy allows is allowed" 0 "$(labelled -- sh -c 'echo x > /tmp/x')"
try='(echo x > /tmp/x) 2> /dev/null && echo written || echo denied'
is "what it does not is denied to root" denied "$(nsplan do --process-label $inside --tmpfs /tmp -- sh -c "$try")"
is "a context that the policy has not is refused" 125 "$(code nsplan do --process-label system_u:system_r:nobody_t:s0 -- true)"
says "by its name" nobody_t "$(said)"
echo 0 > /sys/fs/selinux/enforce
rm /tmp/policy
