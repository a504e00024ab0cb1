#!/usr/bin/env bash
# `nsplan do` with nothing else becomes a root of its own world, with the program's exit code.
# as: root user
# not on: userns-off userns-none userns-lsm
. /vm/cases/lib
is "root inside" 0 "$(nsplan do -- id -u)"
is "the host name is the container's" nsplan "$(nsplan do -- hostname)"
is "a host name can be given" box "$(nsplan do --hostname box -- hostname)"
is "its first process is number 1" 1 "$(nsplan do -- sh -c 'echo $$')"
is "the only link is loopback, and up" "1: lo: <LOOPBACK,UP,LOWER_UP>" "$(nsplan do -- ip -o link | cut -d' ' -f1-3)"
is "an exit code comes through" 7 "$(code nsplan do -- sh -c 'exit 7')"
is "death by a signal is 128 and its number" 137 "$(code nsplan do --timeout 1s -- sleep 100)"
is "no such program is 127" 127 "$(code nsplan do -- /no/such/program)"
is "a program that may not run is 126" 126 "$(code nsplan do -- /etc/passwd)"
is "nothing new can be gained" 1 "$(nsplan do -- sed -n 's/^NoNewPrivs:.//p' /proc/self/status)"
is "the host's root is read-only" 1 "$(code nsplan do -- touch /etc/x)"
is "standard input is passed on" hello "$(echo hello | nsplan do -- cat)"
is "an unknown option is refused" 125 "$(code nsplan do --no-such-option -- true)"
