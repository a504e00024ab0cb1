#!/usr/bin/env bash
# tests/engines/podman-rootless.sh RUNTIME [PATTERN]: what an ordinary user of podman does with a container → one line a case.
#
# The user, with ranges of subordinate ids, is there in this script's mount namespace only. For limits, pause and stats it
# needs a cgroup of v2 that it owns: this script makes one, with the controllers that v1 does not have.
#
# Debian's packages: podman conmon uidmap catatonit slirp4netns busybox-static iproute2 util-linux.
. "$(dirname "$0")/lib.sh"
scene podman conmon catatonit newuidmap setpriv slirp4netns

user=4242
for file in passwd group subuid subgid; do cp "/etc/$file" "$scratch/$file" 2> /dev/null || : > "$scratch/$file"; done
echo "sailor:x:$user:$user::$scratch/home:/bin/sh" >> "$scratch/passwd"
echo "sailor:x:$user:" >> "$scratch/group"
for file in subuid subgid; do echo "sailor:400000:65536" >> "$scratch/$file"; done
for file in passwd group subuid subgid; do
  [ -e "/etc/$file" ] || fail "no /etc/$file"
  mount --bind "$scratch/$file" "/etc/$file"
done
chmod 711 "$scratch" && mkdir -p "$scratch/home" "/run/user/$user"
# A runtime in a directory of root's cannot be run by somebody else.
mkdir /run/tested && install -m 755 "$runtime" /run/tested/ && runtime=/run/tested/$(basename "$runtime")
# What udev lets everybody open, and a machine without it may not.
mknod -m 666 "$scratch/tun" c 10 200 && mount --bind "$scratch/tun" /dev/net/tun || fail "no /dev/net/tun"
chown -R $user:$user "$scratch/home" "$scratch/root" "$scratch/volume" "/run/user/$user"
as_user() {
  setpriv --reuid=$user --regid=$user --clear-groups env -i PATH="$PATH" HOME="$scratch/home" XDG_RUNTIME_DIR="/run/user/$user" \
    TERM=xterm CONTAINERS_CONF="$scratch/containers.conf" "$@"
}
cat > "$scratch/containers.conf" << 'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
C
engine_command="podman as_user"
podman() {
  cd "$scratch/home" && as_user timeout --foreground -k 5 60 podman --root "$scratch/home/store" --runroot "/run/user/$user/store" \
    --tmpdir "/run/user/$user/libpod" --storage-driver vfs --runtime "$runtime" --cgroup-manager cgroupfs --events-backend=file "$@"
}
. "$(dirname "$0")/podman-both.sh"
# With a control group of its own: below this one.
parent=()
run() { podman run --network none "${parent[@]}" "$@"; }
tar -C "$scratch/root" -c . | podman import - bb > "$scratch/said" 2>&1 || { cat "$scratch/said" >&2; fail "no image could be made"; }

runs
it "root inside is the user outside" has "^ +0 +$user +1$" run --rm bb cat /proc/self/uid_map
it "other ids come from the user's ranges" has '^ +1 +400000 +65536$' run --rm bb cat /proc/self/uid_map
it "--userns=keep-id keeps the user's own" is $user run --rm --userns keep-id bb id -u
is_kept_from_much

runs_in_the_background
ends_and_goes
in_namespaces_of() { as_user "$@"; }
shares

# ---- with a control group of its own ----------------------------------------------------------------------------------

# delegated: this shell is in a cgroup of v2 that the user owns, and `$tree` is where the user's containers are.
delegated() {
  [ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ] || { umount -R -l /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup; } || return
  tree=/sys/fs/cgroup/engines-$$ before=/sys/fs/cgroup$(awk -F: '$1 == 0 { print $3 }' /proc/self/cgroup)
  mkdir -p "$tree/caller" && echo $$ > "$tree/caller/cgroup.procs" || return
  controllers=$(cat "$tree/cgroup.controllers")
  # shellcheck disable=SC2086
  [ -z "$controllers" ] || printf '+%s ' $controllers > "$tree/cgroup.subtree_control" || return
  chown $user "$tree" "$tree"/cgroup.{procs,subtree_control,threads} "$tree/caller" "$tree/caller/cgroup.procs"
}
if delegated; then
  # The process that holds the user's namespaces has the mounts of before.
  podman system migrate
  parent=(--cgroup-parent "/${tree##*/}")
  podman rm -f -a -t 0 > /dev/null
  run -d --name long bb sleep 100 > /dev/null
  is_controlled
  # shellcheck disable=SC2086
  are_set $controllers
  for name in memory pids cpu cpuset; do
    [[ " $controllers " = *" $name "* ]] || echo "left out: limits of $name, a controller that cgroup v2 does not have here"
  done
  podman rm -f -t 0 long > /dev/null
  left() { find "$tree" -mindepth 1 -type d ! -name caller; }
  it "no control group is left" is '' left
  podman system migrate
  echo $$ > "$before/cgroup.procs"
  until_true rmdir "$tree/caller"
  rmdir "$tree"
else
  echo "left out: stats, pause and limits, which need a cgroup of v2"
fi

podman rm -f -a -t 0 > /dev/null 2>&1
# The process that holds the user's namespaces stays for the next command.
podman system migrate
left() { find "/run/user/$user" -path '*nsplan*' -mindepth 1 -maxdepth 2 -name '[0-9a-f]*' 2> /dev/null; pgrep -u $user -r D,R,S,T -a .; true; }
it "no state and no process is left" is '' left
counted
