#!/usr/bin/env bash
# A device that the config does not name cannot be used, even by root inside who makes a node for it.
# as: root
. /vm/cases/lib
is "the null device can be written" 0 "$(code nsplan do -- sh -c 'echo x > /dev/null')"
is "the zero device can be read" 4 "$(nsplan do -- head -c 4 /dev/zero | wc -c)"
# 1:11 is kmsg, which root may read where no rule is against it.
code nsplan do --cap-add MKNOD -- sh -c 'mknod /dev/x c 1 11; head -c 1 /dev/x' > /dev/null
says "a node made inside is refused" "not permitted|ermission denied" "$(said)"
