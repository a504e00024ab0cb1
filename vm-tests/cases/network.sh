#!/usr/bin/env bash
# Two network namespaces on one bridge become two containers that reach each other, and one without that does not.
# as: root
. /vm/cases/lib
ip link add bridge0 type bridge
ip link set bridge0 up
for n in 1 2; do
  ip netns add "net$n"
  ip link add "host$n" type veth peer name eth0 netns "net$n"
  ip link set "host$n" master bridge0 up
  ip -n "net$n" addr add "10.0.0.$n/24" dev eth0
  ip -n "net$n" link set eth0 up
done
nsplan do --net ns:/run/netns/net1 -- nc -l -p 99 -e echo hello &
server=$!
sleep 2
is "one hears the other" hello "$(timeout 10 nsplan do --net ns:/run/netns/net2 -- nc 10.0.0.1 99 < /dev/null)"
wait $server
is "a container of its own reaches nobody" yes "$([ "$(code nsplan do -- nc -w 2 10.0.0.1 99)" -ne 0 ] && echo yes)"
for n in 1 2; do ip netns del "net$n"; done
ip link del bridge0
umount /run/netns 2> /dev/null
rmdir /run/netns
# A peer goes away with its namespace, a little later.
sleep 1
