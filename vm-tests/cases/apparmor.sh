#!/usr/bin/env bash
# A profile that the kernel was given becomes what a container may do, its root and whoever joins it included.
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
profile nsplan-other flags=(attach_disconnected, mediate_deleted) {
  file,
  capability,
  signal,
}
P
enforced="nsplan-case (enforce)"
label="cat /proc/self/attr/current"
is "the kernel takes the profiles" 0 "$(code apparmor_parser --skip-cache --replace /tmp/profile)"
is "the program runs under it" "$enforced" "$(nsplan do --apparmor nsplan-case -- $label)"
is "as the first process inside, whose label anybody there can read" "$enforced" "$(nsplan do --apparmor nsplan-case -- sh -c 'cat /proc/1/attr/current')"
is "below an init that stays" "$enforced" "$(nsplan do --init --apparmor nsplan-case -- $label)"
is "as an ordinary user in a user namespace" "$enforced" "$(nsplan do --uidmap 0:0:65536 --apparmor nsplan-case -u 7 -- $label)"
is "what it denies is denied to root" 1 "$(code nsplan do --apparmor nsplan-case -- cat /etc/hostname)"
says "by the kernel" "ermission denied" "$(said)"
is "what it does not is allowed" 0 "$(code nsplan do --apparmor nsplan-case -- cat /etc/hosts)"
is "without it nothing is denied" 0 "$(code nsplan do -- cat /etc/hostname)"
is "and nothing is in force" unconfined "$(nsplan do -- $label)"
is "a profile that nobody loaded is refused" 125 "$(code nsplan do --apparmor no-such-profile -- true)"
says "by its name" no-such-profile "$(said)"

stays labelled --apparmor nsplan-case
is "the host sees the first process's" "$enforced" "$(cat "/proc/$(first labelled)/attr/current")"
is "who joins has the container's" "$enforced" "$(nsplan exec labelled $label)"
is "and is denied the same" 1 "$(code nsplan exec labelled cat /etc/hostname)"
is "unless another is asked for" "nsplan-other (enforce)" "$(nsplan exec --apparmor nsplan-other labelled $label)"
is "which must be loaded" 125 "$(code nsplan exec --apparmor no-such-profile labelled true)"
says "by its name too" no-such-profile "$(said)"
goes labelled
stays free
is "who joins a container without a profile has none" unconfined "$(nsplan exec free $label)"
is "but may have one" "$enforced" "$(nsplan exec --apparmor nsplan-case free $label)"
goes free

a_bundle /tmp/bundle '["cat", "/proc/1/attr/current"]' '"apparmorProfile": "nsplan-case", ' ''
is "a bundle's profile is in force" "$enforced" "$(nsplan run --bundle /tmp/bundle bundled < /dev/null)"
is "a bundle is created under it" 0 "$(code nsplan create --bundle /tmp/bundle bundled < /dev/null)"
nsplan create --bundle /tmp/bundle later > /tmp/bundle/said < /dev/null
nsplan start later
sleep 1
is "and its program started in it" "$enforced" "$(cat /tmp/bundle/said)"
for name in bundled later; do nsplan delete --force $name; done
apparmor_parser --remove /tmp/profile
rm -r /tmp/profile /tmp/bundle
