#!/usr/bin/env bash
# A program that takes all memory of the host is killed, and its container is gone; a start for which there is no memory is an error.
# as: root
# only on: v2 v1 hybrid
. /vm/cases/lib
# The kernel is to choose the hog, not its launcher.
echo -900 > /proc/$$/oom_score_adj
memory=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
is "the hog is killed" 137 "$(code nsplan do --oom-score-adj 1000 -- dd if=/dev/zero of=/dev/null bs="$((memory - 20))M" count=1)"
is "the host goes on" 0 "$(code nsplan do -- true)"
is "a launcher without memory is an error" yes "$([ "$(code sh -c 'ulimit -v 600; exec nsplan do -- true')" -ne 0 ] && echo yes)"
for limit in 100k 4m; do
  is "a limit of $limit, below what a program needs, ends it, or is refused" yes "$(case $(code nsplan do -m $limit -- sh -c 'dd if=/dev/zero of=/dev/null bs=16M count=1') in 125 | 137) echo yes ;; esac)"
done
is "and nothing is left of it for another command to undo" 1 "$(nsplan list | wc -l)"
