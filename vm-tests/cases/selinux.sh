#!/usr/bin/env bash
# A policy that the kernel was given, contexts of a process and of mounts become what a container may do, its root included.
# as: root
# only on: selinux
. /vm/cases/lib
is "the kernel takes the policy" 0 "$(code secilc -o /tmp/policy -f /dev/null /vm/cases/selinux.cil)"
cat /tmp/policy > /sys/fs/selinux/load
host=system_u:system_r:host_t:s0
inside=system_u:system_r:container_t:s0:c1
other=system_u:system_r:container_t:s0:c2
file=system_u:object_r:container_file_t:s0:c1
label="cat /proc/self/attr/current"
bare() { tr -d '\0'; } # a context as the kernel writes it ends with a NUL
is "the program runs in its context" $inside "$(nsplan do --process-label $inside -- $label | bare)"
is "as the first process inside" $inside "$(nsplan do --process-label $inside -- sh -c 'cat /proc/1/attr/current' | bare)"
is "below an init that stays" $inside "$(nsplan do --init --process-label $inside -- $label | bare)"
is "and in the host's without one" $host "$(nsplan do -- $label | bare)"
mounts=$(nsplan do --mount-label $file --tmpfs /tmp -- cat /proc/self/mounts)
for where in /dev /dev/pts /dev/shm /tmp; do
  says "the file system at $where has the mounts' context" " $where (tmpfs|devpts) .*context=.?$file" "$mounts"
done
is "its files have it" $file "$(nsplan do --mount-label $file --tmpfs /tmp -- sh -c 'touch /tmp/x; stat -c %C /tmp/x')"

stays labelled --process-label $inside
is "the host sees the first process's" $inside "$(bare < "/proc/$(first labelled)/attr/current")"
is "who joins has the container's" $inside "$(nsplan exec labelled $label | bare)"
is "unless another is asked for" $other "$(nsplan exec --process-label $other labelled $label | bare)"
is "which the policy must know" 125 "$(code nsplan exec --process-label system_u:system_r:nobody_t:s0 labelled true)"
goes labelled

a_bundle /tmp/bundle '["sh", "-c", "cat /proc/1/attr/current /proc/mounts"]' "\"selinuxLabel\": \"$inside\", " "\"mountLabel\": \"$file\","
bundled=$(nsplan run --bundle /tmp/bundle bundled < /dev/null | bare)
says "a bundle's process has its context" "^$inside" "$bundled"
says "and its mounts have theirs" " /dev/shm tmpfs .*context=.?$file" "$bundled"

mkdir /tmp/private /tmp/shared /tmp/left
for dir in private shared left; do echo x > /tmp/$dir/x; done
is "sources of binds are relabelled" 0 "$(code nsplan do --mount-label $file -v /tmp/private:/mnt:Z -v /tmp/shared:/srv:z -v /tmp/left:/opt -- true)"
is "for one container alone" "$file $file" "$(stat -c %C /tmp/private) $(stat -c %C /tmp/private/x)"
is "or for all of them" "${file%:*} ${file%:*}" "$(stat -c %C /tmp/shared) $(stat -c %C /tmp/shared/x)"
says "and nothing else" ":host_t:" "$(stat -c %C /tmp/left/x)"

echo 1 > /sys/fs/selinux/enforce
labelled() { code nsplan do --process-label $inside --mount-label $file --tmpfs /tmp "$@"; }
is "what the policy allows is allowed" 0 "$(labelled -- sh -c 'echo x > /tmp/x')"
is "in what was relabelled too" 0 "$(labelled -v /tmp/private:/mnt -- sh -c 'echo x > /mnt/y')"
is "what it does not is denied" 2 "$(labelled -v /tmp/left:/mnt -- sh -c 'echo x > /mnt/y')"
is "and nothing written" x "$(ls /tmp/left)"
try='(echo x > /tmp/x) 2> /dev/null && echo written || echo denied'
is "to root as well" denied "$(nsplan do --process-label $inside --tmpfs /tmp -- sh -c "$try")"
is "a context that the policy has not is refused" 125 "$(code nsplan do --process-label system_u:system_r:nobody_t:s0 -- true)"
says "by its name" nobody_t "$(said)"
echo 0 > /sys/fs/selinux/enforce
rm -r /tmp/policy /tmp/bundle /tmp/private /tmp/shared /tmp/left
