#!/usr/bin/env bash
# tests/engines/podman-rootless.sh RUNTIME [PATTERN]: what an ordinary user of podman does with a container → one line a case.
#
# The user, with ranges of subordinate ids, is there in this script's mount namespace only. Without a systemd of its own,
# and on cgroup v1 in any case, it has no control groups: limits, pause and stats are not tried.
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
run() { podman run --network none "$@"; }
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

podman rm -f -a -t 0 > /dev/null 2>&1
left() { find "/run/user/$user" -path '*nsplan*' -mindepth 1 -maxdepth 2 -name '[0-9a-f]*' 2> /dev/null; pgrep -u $user -a sleep; true; }
it "no state and no process is left" is '' left
counted
