#!/usr/bin/env bash
# A program that takes more memory than its limit is killed; one that takes less is not.
# as: root user
# not on: userns-off userns-none userns-lsm
. /vm/cases/lib
hog() { code limited -m 64m -- dd if=/dev/zero of=/dev/null bs="$1" count=1; }
if has_cgroups; then
  is "8 MiB of 64 are there" 0 "$(hog 8M)"
  is "200 MiB of 64 are not" 137 "$(hog 200M)"
else
  is "a limit that nobody would enforce is refused" 125 "$(hog 8M)"
  says "and said so" "cgroup|controller" "$(said)"
fi
