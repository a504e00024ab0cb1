#!/usr/bin/env bash
# A busy loop with a tenth of a processor is held back by the kernel, which counts how often.
# as: root
. /vm/cases/lib
nsplan do --name busy --cpus 0.1 -- sh -c 'while :; do :; done' &
launcher=$!
sleep 3
most=$(find /sys/fs/cgroup -path '*busy*' -name cpu.stat -exec sed -n 's/^nr_throttled //p' {} \; | sort -n | tail -n 1)
is "it was held back" yes "$([ "${most:-0}" -gt 5 ] && echo yes || echo "no, throttled ${most:-never}")"
kill -TERM $launcher
wait $launcher
is "and ends by the signal that the launcher was sent" yes "$([ $? -gt 128 ] && echo yes)"
