#!/usr/bin/env bash
# tests/engines/cri.sh RUNTIME [PATTERN]: what a Kubernetes node asks of containerd, with this runtime → one line a case.
#
# `cri.py` speaks kubelet's words. Pods have a bridge in this script's network namespace.
#
# Debian's packages: containerd containernetworking-plugins python3-grpcio busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene containerd ctr containerd-shim-runc-v2
here=$(dirname "$(realpath "$0")")
/usr/bin/python3 -c 'import grpc' || fail "no package python3-grpcio"
[ -x /usr/lib/cni/bridge ] || fail "no package containernetworking-plugins"
# Where the library of networks keeps what it has done.
mkdir -p /var/lib/cni && mount -t tmpfs cni /var/lib/cni

mkdir "$scratch/networks"
cat > "$scratch/networks/pods.conflist" << C
{"cniVersion": "0.4.0", "name": "pods", "plugins": [{"type": "bridge", "bridge": "pods0", "isGateway": true,
  "ipam": {"type": "host-local", "dataDir": "$scratch/addresses", "ranges": [[{"subnet": "10.88.7.0/24"}]]}}]}
C
cat > "$scratch/config.toml" << C
version = 2
root = "$scratch/containerd"
state = "/run/containerd"
[grpc]
address = "/run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/bb:1"
disable_apparmor = true
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$scratch/networks"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "$runtime"
C
# An image of the root: a layer, a description, and a list of both.
mkdir "$scratch/image"
tar -C "$scratch/root" -cf "$scratch/image/layer.tar" .
sum=$(sha256sum < "$scratch/image/layer.tar")
printf '{"architecture":"amd64","os":"linux","config":{"Env":["PATH=/bin"],"Cmd":["sleep","1000"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "${sum%% *}" > "$scratch/image/config.json"
printf '[{"Config":"config.json","RepoTags":["localhost/bb:1"],"Layers":["layer.tar"]}]' > "$scratch/image/manifest.json"
tar -C "$scratch/image" -cf "$scratch/image.tar" manifest.json config.json layer.tar

containerd --config "$scratch/config.toml" > "$scratch/containerd.log" 2>&1 &
daemon=$!
trap 'kill $daemon; wait $daemon' EXIT
ctr() { timeout --foreground -k 5 60 ctr --address /run/containerd.sock --namespace k8s.io "$@"; }
until_true ctr version || { tail -5 "$scratch/containerd.log"; fail "containerd does not answer"; }
ctr images import "$scratch/image.tar" > "$scratch/said" 2>&1 || { cat "$scratch/said" >&2; fail "no image could be made"; }
cri() { timeout --foreground -k 5 90 /usr/bin/python3 "$here/cri.py" /run/containerd.sock "$@"; }

# The numbers are those of the fields in the interface's version 1.
# The processes of each container are apart.
pod() { printf '[[1,[[1,"one"],[2,"one-uid"],[3,"default"]]],[2,"boat"],[3,"%s/logs"],[8,[[1,"/kubepods-%s"],[2,[[1,[[2,1]]]]]]]]' "$scratch" "$$"; }
until_true cri Version '[]' || { tail -5 "$scratch/containerd.log"; fail "the interface does not answer"; }
mkdir "$scratch/logs"
until_true eval 'cri Status "[]" | grep -q NetworkReady'
it "a pod is made" has '^[0-9a-f]{64}$' cri RunPodSandbox "[[1,$(pod)]]"
sandbox=$(ctr containers ls -q | head -n 1)
container() { # container NAME SCRIPT [RESOURCES]
  local linux="[15,[[1,[${3:-}]],[2,[[3,[[2,1]]]]]]]"
  cri CreateContainer "[[1,\"$sandbox\"],[2,[[1,[[1,\"$1\"]]],[2,[[1,\"localhost/bb:1\"]]],[3,\"sh\"],[4,\"-c\"],[4,\"$2\"],[11,\"$1.log\"],$linux]],[3,$(pod)]]"
}
first=$(container first 'echo begun; trap \"exit 7\" TERM; while :; do sleep 0.1; done' '[4,67108864],[3,512]')
second=$(container second 'sleep 1000')
it "a container is created in it" has '^created' cri ContainerStatus "[[1,\"$first\"]]"
it "and started" cri StartContainer "[[1,\"$first\"]]"
it "a second one beside it" cri StartContainer "[[1,\"$second\"]]"
it "it runs" is 'running 0' cri ContainerStatus "[[1,\"$first\"]]"
it "what it prints is in its log" has ' stdout F begun$' cat "$scratch/logs/first.log"
run_in() { cri ExecSync "[[1,\"$1\"],[2,\"sh\"],[2,\"-c\"],[2,\"$2\"],[3,20]]"; }
it "a probe runs in it" has 'while :' run_in "$first" ps
it "a probe ends with its program's code" ends 3 run_in "$first" 'exit 3'
pid_of() { ctr tasks ls | awk -v id="$1" '$1 == id { print $2 }'; }
of() { readlink "/proc/$(pid_of "$2")/ns/$1"; }
shared() { local name; for name in net ipc uts; do is "$(of "$name" "$first")" of "$name" "$second" || return; done; }
reached() {
  local address
  address=$(run_in "$second" 'ip -o -4 addr show eth0' | sed -n 's/.* inet \([0-9.]*\).*/\1/p')
  run_in "$first" 'echo served > /tmp/index.html; httpd -p 80 -h /tmp' && [ -n "$address" ] && is served timeout 10 busybox wget -q -O - "http://$address/"
}
it "the pod's containers share network, queues and names" shared
apart() { local name; for name in mnt pid; do [ "$(of "$name" "$first")" != "$(of "$name" "$second")" ] || return; done; }
it "and neither processes nor mounts" apart
it "the host name is the pod's" is boat run_in "$second" hostname
it "it has an address, and the node reaches it" reached
it "the default filter is not asked for, privileges are not gained" has '^CapEff:.00000000a80425fb$' run_in "$first" 'cat /proc/self/status'
limited() {
  local directory
  directory=$(cgroup_of "$(pid_of "$first")" memory)
  grep -qx "$1" "$directory"/memory.limit_in_bytes 2> /dev/null || grep -qx "$1" "$directory"/memory.max
}
it "memory is limited" limited 67108864
it "limits are updated" cri UpdateContainerResources "[[1,\"$first\"],[2,[[4,134217728]]]]"
it "memory is limited otherwise" limited 134217728
it "its use is measured" has . cri ContainerStats "[[1,\"$first\"]]"
it "a stop sends TERM" cri StopContainer "[[1,\"$first\"],[2,5]]"
it "and its code is kept" is 'exited 7' cri ContainerStatus "[[1,\"$first\"]]"
it "one that does not listen is killed" cri StopContainer "[[1,\"$second\"],[2,1]]"
it "with 137" is 'exited 137' cri ContainerStatus "[[1,\"$second\"]]"
it "a container is removed" cri RemoveContainer "[[1,\"$first\"]]"
it "the pod is stopped" cri StopPodSandbox "[[1,\"$sandbox\"]]"
it "and removed" cri RemovePodSandbox "[[1,\"$sandbox\"]]"
left() { ctr containers ls -q; find /sys/fs/cgroup -path "*/kubepods-$$/*" -type d 2> /dev/null; find /run/containerd/runc -mindepth 2 2> /dev/null; }
it "no container, no control group and no state is left" is '' left
for directory in /sys/fs/cgroup/*/kubepods-$$ /sys/fs/cgroup/kubepods-$$; do [ ! -d "$directory" ] || rmdir "$directory"; done
counted
