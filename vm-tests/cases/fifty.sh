#!/usr/bin/env bash
# Fifty containers one after another, and ten at once, leave nothing: what stands is compared after each case.
# as: root user
# not on: userns-off userns-none userns-lsm
. /vm/cases/lib
start() { nsplan do "$@"; }
if has_cgroups; then start() { limited --pids-limit 50 "$@"; }; fi
failed=0
i=0
while [ $i -lt 50 ]; do
  start -- true || failed=$((failed + 1))
  i=$((i + 1))
done
is "fifty starts" 0 $failed
pids=
for _ in 1 2 3 4 5 6 7 8 9 10; do
  start -- sh -c 'sleep 1' &
  pids="$pids $!"
done
for pid in $pids; do wait "$pid" || failed=$((failed + 1)); done
is "ten at once" 0 $failed
