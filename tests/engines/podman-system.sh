#!/usr/bin/env bash
# tests/engines/podman-system.sh RUNTIME [FILE-PATTERN]: podman's own system tests with this runtime → one line a test, `ok` or `not ok`.
#
# The tests are those of Debian's source package libpod, of the version that is installed; their image is made here from
# busybox, since no registry is asked. Run it with runc and with nsplan and compare:
#
#   podman-system.sh runc > runc.tap; podman-system.sh target/release/nsplan > nsplan.tap; diff runc.tap nsplan.tap
#
# With $CASES, a pattern, only the cases whose names it matches are run. What each did is in raw.tap beside the suite.
#
# Debian's packages: podman conmon netavark iptables catatonit bats jq skopeo socat buildah busybox-static iproute2 util-linux dpkg-dev.
. "$(dirname "$0")/lib.sh"
cache=${ENGINES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/nsplan-engines}

# The suite, from the machine's own apt sources.
fetch() {
  mkdir -p "$cache/apt/parts" "$cache/apt/lists/partial"
  local file
  for file in /etc/apt/sources.list.d/*.sources; do
    sed 's/^Types: deb$/Types: deb-src/' "$file" > "$cache/apt/parts/${file##*/}"
  done
  local apt=(apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$cache/apt/parts" -o "Dir::State::Lists=$cache/apt/lists" -o Acquire::Languages=none -o APT::Sandbox::User=root)
  (cd "$cache" && "${apt[@]}" update && "${apt[@]}" source --download-only libpod) || return
  mkdir -p "$cache/libpod" && tar -C "$cache/libpod" --strip-components=1 -xf "$cache"/libpod_*.orig.tar.xz
}
if [ -z "${ENGINES_INSIDE:-}" ] && [ ! -d "$cache/libpod/test/system" ]; then
  fetch > /dev/null || fail "the source package libpod cannot be fetched"
fi
scene podman conmon netavark bats jq skopeo socat

cat > "$scratch/containers.conf" << 'C'
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
C
export CONTAINERS_CONF=$scratch/containers.conf
printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/store"\nrunroot = "/run/store"\n' "$scratch" > "$scratch/storage.conf"
export CONTAINERS_STORAGE_CONF=$scratch/storage.conf
# No registry is asked: whoever pulls the suite's image is given the one made here. `--remote` takes no runtime.
image=quay.io/libpod/testimage:20220615
cat > "$scratch/podman" << P
#!/bin/sh
case " \$* " in
  *" pull $image "*) exec "$scratch/image" ;;
  *" --remote "* | *" --url "*) exec podman "\$@" ;;
esac
exec podman --runtime $runtime "\$@"
P
cat > "$scratch/image" << P
#!/bin/sh
podman import --quiet --change 'WORKDIR /home/podman' \
  --change 'CMD ["/bin/echo", "This container is intended for podman CI testing"]' \
  --change 'LABEL created_by=test/system/build-testimage' --change 'LABEL created_at=2022-06-15T00:00:00Z' \
  --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$scratch/image.tar" $image | sed 's/^sha256://'
P
chmod +x "$scratch/podman" "$scratch/image"
export PODMAN=$scratch/podman OCI_RUNTIME=$runtime NETWORK_BACKEND=netavark PODMAN_TIMEOUT=60

# What its image has: an id file of a given date, a program that waits, a web server by the name that Alpine gives it.
home=$scratch/root/home/podman
mkdir -p "$home"
echo 20220615 > "$home/testimage-id"
touch --date=@1600000000 "$home/testimage-id"
printf '#!/bin/sh\necho "Confirmed: testimage pause invoked as $0"\nwhile :; do sleep 0.1; done\n' > "$home/pause"
chmod 755 "$home/pause"
ln -s busybox "$scratch/root/bin/busybox-extras"
tar -C "$scratch/root" -cf "$scratch/image.tar" .

cd "$cache/libpod" || exit 2
for file in test/system/[0-9]*.bats; do
  [[ $file =~ $pattern ]] || continue
  echo "# $file"
  podman image exists $image || "$scratch/image" > /dev/null 2> "$scratch/err" || fail "no image could be made: $(cat "$scratch/err")"
  timeout 900 bats --tap ${CASES:+--filter "$CASES"} "$file" 2> "$scratch/err" | tee -a "$cache/raw.tap" | grep -E '^(ok|not ok) ' | sed -E 's/^(ok|not ok) [0-9]+ /\1 /; s/ in [0-9]+ms$//'
done
# A case that failed may have left a container that runs, and the engine leaves the control group that its own are in.
"$PODMAN" rm -f -a -t 0 > /dev/null 2>&1
find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' -exec rmdir {} + 2> /dev/null
true
