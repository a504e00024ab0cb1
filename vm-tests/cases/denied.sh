#!/usr/bin/env bash
# Where a security module forbids new user namespaces, root still starts containers, and a user is told what was forbidden.
# as: root user
# only on: userns-lsm
. /vm/cases/lib
if [ "$VM_AS" = root ]; then
  is "root needs none" 0 "$(code nsplan do -- true)"
  is "and the module does forbid them" yes "$([ "$(code unshare --user true)" -ne 0 ] && echo yes)"
else
  is "a user is refused" 125 "$(code nsplan do -- true)"
  says "and told which call was, and how" "clone.*EPERM" "$(said)"
  says "with what to look for" "hint:" "$(said)"
fi
