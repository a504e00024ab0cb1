#!/usr/bin/env bash
# A launcher that is killed leaves what `nsplan delete` takes away.
# as: root
. /vm/cases/lib
nsplan do --name orphan --pids-limit 20 -m 64m -- sleep 1000 &
launcher=$!
sleep 2
kill -9 $launcher
wait $launcher
is "delete after a kill" 0 "$(code nsplan delete --force orphan)"
is "the name is free again" 0 "$(code nsplan do --name orphan --pids-limit 20 -- true)"
