#!/usr/bin/env bash
# A program that forks without end meets its limit, and nothing of it is left.
# as: root user
# not on: userns-off userns-none userns-lsm
. /vm/cases/lib
bomb='b() { b & b; }; b'
forks='i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i + 1)); done'
if has_cgroups; then
  says "the hundredth process is refused" "[Cc]annot fork|can't fork|Resource temporarily" "$(limited --pids-limit 20 -- sh -c "$forks" 2>&1)"
  limited --pids-limit 20 --timeout 5s -- sh -c "$bomb" > /dev/null 2>&1
  is "the host can still start programs" 0 "$(code true)"
else
  is "a limit that nobody would enforce is refused" 125 "$(code nsplan do --pids-limit 20 -- true)"
fi
is "fifty processes end with their first" 0 "$(code nsplan do -- sh -c 'i=0; while [ $i -lt 50 ]; do sleep 100 & i=$((i + 1)); done')"
