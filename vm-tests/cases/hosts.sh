#!/usr/bin/env bash
# Two hosts on one wire, each with a bridge of its own, become containers that reach each other through both, by veths that are planned.
# as: root
. /vm/cases/lib
mkdir /tmp/hosts
for n in 1 2; do
  ip netns add "host$n"
  ip -n "host$n" link set lo up
  ip -n "host$n" link add bridge0 type bridge
  ip -n "host$n" addr add "10.$n.0.1/24" dev bridge0
  ip -n "host$n" link set bridge0 up
  ip netns exec "host$n" sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
  mkdir "/tmp/hosts/$n"
  cat > "/tmp/hosts/$n/container.json" << J
{
  "rootfs": "/", "readonlyfs": true, "hostname": "box$n",
  "namespaces": [{"type": "NEWNS", "path": ""}, {"type": "NEWPID", "path": ""}, {"type": "NEWUTS", "path": ""}, {"type": "NEWNET", "path": ""}],
  "capabilities": ["NET_RAW"],
  "networks": [
    {"type": "loopback", "address": "127.0.0.1/0", "gateway": "localhost", "mtu": 1500},
    {"type": "veth", "bridge": "bridge0", "veth_prefix": "veth", "address": "10.$n.0.2/24", "gateway": "10.$n.0.1", "mtu": 1400}
  ]
}
J
done
ip link add wire1 netns host1 type veth peer name wire2 netns host2
for n in 1 2; do
  ip -n "host$n" addr add "10.0.0.$n/24" dev "wire$n"
  ip -n "host$n" link set "wire$n" up
done
ip -n host1 route add 10.2.0.0/24 via 10.0.0.2
ip -n host2 route add 10.1.0.0/24 via 10.0.0.1
box() { # box HOST NAME PROGRAM...
  local host=$1 name=$2
  shift 2
  ip netns exec "host$host" nsplan run --bundle "/tmp/hosts/$host" "$name" -- "$@"
}
box 1 server nc -l -p 9999 -e cat /proc/sys/kernel/hostname &
server=$!
sleep 3
is "one hears the other through both hosts" box1 "$(box 2 client timeout 20 nc 10.1.0.2 9999 < /dev/null)"
wait $server
is "it has the address of its config" "10.2.0.2/24" "$(box 2 looks ip -o -4 addr show dev eth0 | sed 's/.*inet \([^ ]*\) .*/\1/')"
is "and its largest packet" 1400 "$(box 2 looks ip -o link show dev eth0 | sed "s/.* mtu \([0-9]*\) .*/\1/")"
is "a bridge that is not there is refused" 125 "$(code nsplan run --bundle /tmp/hosts/1 lost -- true)"
says "by its name" bridge0 "$(said)"
is "no veth is left on either host" "" "$(for n in 1 2; do ip -n "host$n" -o link | grep -o 'veth[^@:]*'; done)"
for n in 1 2; do ip netns del "host$n"; done
umount /run/netns 2> /dev/null
rmdir /run/netns
rm -r /tmp/hosts
# A peer goes away with its namespace, a little later.
sleep 1
