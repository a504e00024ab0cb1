#!/usr/bin/env bash
# Where user namespaces are switched off, root still starts containers, and a user is told which switch it is.
# as: root user
# only on: userns-off userns-none
. /vm/cases/lib
if [ "$VM_AS" = root ]; then
  is "root needs none" 0 "$(code nsplan do -- true)"
else
  is "a user is refused" 125 "$(code nsplan do -- true)"
  case $VM_USERNS in
    off) says "and told the switch" unprivileged_userns_clone "$(said)" ;;
    none) says "and told the switch" max_user_namespaces "$(said)" ;;
  esac
fi
