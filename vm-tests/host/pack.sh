#!/usr/bin/env bash
# pack.sh BUILT: the programs that build.sh named, the project's test data and tools of this machine → cache/base.cpio.
# pack.sh --latency BUILT: the measured command, the guest's tool and the fetched peers → cache/latency.cpio.
# pack.sh --systemd: the fetched systemd with its bus, and a unit that runs the suites → cache/systemd.cpio.
# pack.sh --modules NAME: a fetched kernel's modules → cache/kernels/NAME/modules.cpio, in the order they must be loaded.
#
# The kernel takes several archives one after another, so each part is built when it changes.
set -euo pipefail
here=$(cd "$(dirname "$0")/.." && pwd)
top=$(cd "$here/.." && pwd)
cache=$here/cache
fail() { echo "pack: $*" >&2; exit 1; }

work=$(mktemp -d -p "$cache")
trap 'rm -rf "$work"' EXIT
archive() { (cd "$work" && find . | busybox cpio -o -H newc -R 0:0 2> /dev/null) > "$1.new" && mv "$1.new" "$1"; }

# Modules that tests and cases use; the file systems and links of containers.
modules=(overlay fuse veth bridge tun loop dummy macvlan nf_tables nft_masq nft_chain_nat nft_ct
  unix_diag tcp_diag udp_diag netlink_diag af_packet_diag)

pack_modules() {
  local kernel=$cache/kernels/$1
  declare -A seen
  mkdir "$work/modules"
  : > "$work/modules/order"
  add() {
    local name=${1//-/_} file
    [ -z "${seen[$name]:-}" ] || return 0
    seen[$name]=1
    file=$(find "$kernel/modules" -name "${name//_/[-_]}.ko*" -print -quit)
    [ -n "$file" ] || return 0 # built in
    case $file in
      *.xz) xz -dc "$file" > "$work/modules/$name.ko" ;;
      *) cp "$file" "$work/modules/$name.ko" ;;
    esac
    # `depends=a,b` is one of the texts in the module's .modinfo section.
    local needed
    for needed in $(tr '\0' '\n' < "$work/modules/$name.ko" | sed -n 's/^depends=//p' | tr ',' ' '); do add "$needed"; done
    echo "$name" >> "$work/modules/order"
  }
  for module in "${modules[@]}"; do add "$module"; done
  archive "$kernel/modules.cpio"
}

# Programs of this machine that tests ask as witnesses, and the package each is in.
tools=(findmnt:util-linux unshare:util-linux nsenter:util-linux setpriv:util-linux prlimit:util-linux id:coreutils stat:coreutils
  uname:coreutils bash:bash dash:dash ip:iproute2 newuidmap:uidmap newgidmap:uidmap strace:strace
  tar:tar gzip:gzip)

copy_program() { # at its own path, with the libraries it names
  mkdir -p "$work$(dirname "$1")"
  cp -L "$1" "$work$1"
  # newuidmap is setuid; whoever builds the archive, root owns what is in it.
  chmod --reference="$1" "$work$1"
  local library
  ldd "$1" 2> /dev/null | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$work$(dirname "$library")"
    cp -L "$library" "$work$library"
  done
}

skeleton() { # skeleton SCRIPT: what every guest has, and what it runs
  mkdir -p "$work"/{bin,sbin,usr/bin,usr/sbin,lib,lib64,etc,proc,sys,dev,tmp,run,newroot,vm}
  cp "$(command -v busybox)" "$work/bin/busybox"
  cp "$here/guest/init" "$work/init"
  cp "$here/guest/host" "$here/guest/go" "$here/guest/$1" "$work/vm/"
  chmod +x "$work/init" "$work/vm"/*
}

pack_latency() {
  skeleton latency
  mkdir "$work/modules" && : > "$work/modules/order"
  local kind name path
  while read -r kind name path; do
    case $kind in
      tool) cp "$path" "$work/vm/tool" ;;
      bin) cp "$path" "$work/usr/bin/$name" ;;
    esac
  done < "$1"
  cp "$cache"/peers/tree/usr/bin/{crun,bwrap} "$cache/peers/tree/usr/sbin/runc" "$work/usr/bin/"
  local file
  (cd "$cache/peers/tree" && find . -name '*.so*' -path '*lib*' -not -path '*/gconv/*' -print0) |
    while IFS= read -r -d '' file; do
      mkdir -p "$work/${file%/*}"
      cp -a "$cache/peers/tree/$file" "$work/$file"
    done
  accounts
  # The same bytes for the same inputs.
  find "$work" -exec touch -hd @0 {} +
  archive "$cache/latency.cpio"
}

pack_systemd() {
  (cd "$cache/systemd/tree" && tar -c --exclude=./usr/share/{doc,man,locale,lintian,bash-completion,zsh} --exclude='*/gconv/*' .) |
    tar -x -C "$work"
  mkdir -p "$work"/etc/systemd/system/user@.service.d
  # There is no PAM in the guest.
  printf '%s\n' '[Service]' 'PAMName=' 'Environment=XDG_RUNTIME_DIR=/run/user/%i' 'Delegate=yes' > "$work/etc/systemd/system/user@.service.d/vm.conf"
  cp "$here/guest/vm.service" "$work/etc/systemd/system/"
  # The project may have been built below /tmp: neither a mount over it nor a clean one.
  mkdir -p "$work/etc/tmpfiles.d"
  ln -s /dev/null "$work/etc/systemd/system/tmp.mount"
  ln -s /dev/null "$work/etc/tmpfiles.d/tmp.conf"
  archive "$cache/systemd.cpio"
}

pack_base() {
  skeleton suites
  mkdir -p "$work"/vm/{tests,cases}
  local tool path
  for tool in "${tools[@]}"; do
    path=$(command -v "${tool%:*}") || fail "no program \`${tool%:*}\`: install the package ${tool#*:}"
    copy_program "$path"
  done
  local kind name
  while read -r kind name path; do
    case $kind in
      # Without symbols: all of it is copied at every boot.
      test | unit) strip -o "$work/vm/tests/$name" "$path" ;;
      tool) strip -o "$work/vm/tool" "$path" ;;
      # Tests know the program by the path that cargo built it at; people and cases by its name.
      bin) mkdir -p "$work$(dirname "$path")" && strip -o "$work$path" "$path" && ln -s "$path" "$work/usr/bin/$name" ;;
    esac
  done < "$1"
  # Tests read their data below the path they were built at: all that is tracked, or will be.
  mkdir -p "$work$top"
  (cd "$top" && git ls-files -z --cached --others --exclude-standard |
    tar -c --null --ignore-failed-read -T - 2> /dev/null) | tar -x -C "$work$top"
  cp -r "$here/cases/." "$work/vm/cases/"
  # Their libraries are those of this machine, where it is of the same release; else they come along.
  (cd "$cache/programs/tree" && tar -c --exclude='*/gconv/*' usr/bin/secilc usr/bin/dbus-daemon usr/sbin/criu sbin/apparmor_parser lib usr/lib/*-linux-gnu) |
    tar -x --keep-directory-symlink --skip-old-files -C "$work"
  sed '/^#/d' "$here/exceptions" > "$work/vm/exceptions"
  accounts
  archive "$cache/base.cpio"
}

accounts() {
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'daemon:x:1:1::/:/bin/false' 'user:x:1000:1000::/home/user:/bin/sh' \
    'nobody:x:65534:65534::/:/bin/false' > "$work/etc/passwd"
  printf '%s\n' 'root:x:0:' 'daemon:x:1:' 'tty:x:5:' 'user:x:1000:' 'nogroup:x:65534:' > "$work/etc/group"
  echo 'user:100000:65536' | tee "$work/etc/subuid" > "$work/etc/subgid"
  printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' > "$work/etc/nsswitch.conf"
  echo '127.0.0.1 localhost vm' > "$work/etc/hosts"
  echo vm > "$work/etc/hostname"
}

case $1 in
  --latency) pack_latency "$2" ;;
  --systemd) pack_systemd ;;
  --modules) pack_modules "$2" ;;
  *) pack_base "$1" ;;
esac
