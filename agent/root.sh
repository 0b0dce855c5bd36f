# Roots: each leaves the new root mounted on /newroot and says in `attached` what it is. Sourced by /init.

# The kernel holds the connection, and all requests while there is none; nbd-keep (agent/c) dials again when it breaks, for as long as the
# node runs. The @ in its name tells systemd's shutdown to spare it; being stopped for a moment there does no harm to a connection of the kernel.
root_nbd() {
  modprobe -q nbd nbds_max=4 || [ -b /dev/nbd0 ] || fail "this kernel has no nbd driver"
  wait_for /dev/nbd0 10 || fail "no /dev/nbd0"
  mkdir -p /run/netroot
  # the export's name is a secret, and everybody may read a process's arguments
  printf %s "$nbd_export" |
    (cd / && exec @/nbd-keep "$nbd_host" "$nbd_port" 0 "${nbd_size:-0}" "$nbd_dead" "$nbd_timeout" /run/netroot/nbd) > /dev/kmsg 2>&1 &
  keeper=$!
  tries=0
  until [ -e /sys/block/nbd0/pid ] && [ "$(cat /sys/block/nbd0/size)" != 0 ]; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] && kill -0 $keeper 2>/dev/null || fail "nbd: $nbd_host:$nbd_port: $(dmesg | sed -n 's/.*nbd-keep: //p' | tail -n 1)"
    usleep 50000
  done
  size=$(($(cat /sys/block/nbd0/size) * 512))
  device=/dev/nbd0
  if [ "$root_partition" != 0 ]; then
    device=/dev/nbd0p$root_partition
    blockdev --rereadpt /dev/nbd0 2>/dev/null
    wait_for "$device" 10 || fail "the disk has no partition $root_partition"
  fi
  mount_root
  attached="nbd $nbd_host:$nbd_port $size bytes, $root_fstype on partition $root_partition"
}

# A tree of files on a server: the node's own on ours, or on another one. What the kernel says of a mount that failed is told in words; the
# path is never told, a secret of this boot is in it.
root_nfs() {
  for name in nfs nfsv3; do modprobe -q $name; done
  case $nfs_options in *vers=4*) modprobe -q nfsv4 ;; esac
  grep -qw nfs /proc/filesystems || fail "nfs: this kernel has no NFS client (nfs, nfsv3)"
  tries=0
  until mount -t nfs -o "$nfs_options" "$nfs_host:$nfs_path" /newroot 2> /run/bramble/mount.log; do
    why=$(sed -n 's/.*failed: //p' /run/bramble/mount.log)
    case $why in
      *'ermission denied'*) fail "nfs: $nfs_host refuses the mount: it came from the wrong address or with the wrong token" ;;
      *'No such file'*) fail "nfs: $nfs_host has no such tree" ;;
      *'rotocol not supported'* | *'No such device'*) fail "nfs: this kernel cannot mount with $nfs_options" ;;
      *'nvalid argument'*) fail "nfs: the kernel does not take these options: $nfs_options: $(dmesg | grep -i nfs | tail -n 1)" ;;
    esac
    tries=$((tries + 1))
    [ $tries -lt 20 ] || fail "nfs: no mount from $nfs_host: ${why:-no reason was given}"
    say "nfs: no mount yet, try $tries: $why"
    sleep 3
  done
  # nothing in its fstab makes it writable later
  rw=rw
  attached="nfs $nfs_host, $(df -k /newroot | awk 'END { print $(NF - 2) }') KiB free"
}

# Writable for as long as the seeds need; hand_over gives it up again.
mount_root() {
  modprobe -q "$root_fstype"
  for name in crc32c crc32c_generic; do modprobe -q $name; done
  mount -t "$root_fstype" -o rw "$device" /newroot 2> /run/bramble/mount.log ||
    fail "mounting $device ($root_fstype): $(cat /run/bramble/mount.log) $(dmesg | tail -n 3)"
}

# guard=SHUT,DOWN of the profile: restarts a node whose root is gone for so many seconds (agent/c/guard.c). Off unless asked for.
guard_root() {
  case $guard in '' | 0 | 0,0) return ;; esac
  state=
  [ ! -e /run/netroot/nbd ] || state=/run/netroot/nbd
  (cd / && exec @/guard "${guard%,*}" "${guard#*,}" $state) < /dev/null > /dev/kmsg 2>&1 &
}

# The root is a copy in memory: what is written is gone at the next boot.
root_ram() {
  url=${ram_url:-/agent/root}
  case $url in /*) url=$server$url ;; esac
  memory="mode=755,size=90%"
  case $ram_format in
    squashfs)
      for name in loop squashfs overlay; do modprobe -q $name; done
      mkdir -p /run/root
      mount -t tmpfs -o "$memory" tmpfs /run/root
      mkdir -p /run/root/image /run/root/changes /run/root/work
      download "$url" > /run/root/squashfs || fail "the root did not arrive: $(cat /run/bramble/wget.err)"
      mount -t squashfs -o loop,ro /run/root/squashfs /run/root/image || fail "mounting the squashfs: $(dmesg | tail -n 3)"
      mount -t overlay -o lowerdir=/run/root/image,upperdir=/run/root/changes,workdir=/run/root/work overlay /newroot ||
        fail "mounting the overlay: $(dmesg | tail -n 3)"
      ;;
    tar)
      mount -t tmpfs -o "$memory" tmpfs /newroot
      rm -f /run/bramble/arrived
      { download "$url" && : > /run/bramble/arrived; } | tar -x -C /newroot 2> /run/bramble/tar.log ||
        fail "unpacking the root: $(tail -n 3 /run/bramble/tar.log)"
      [ -e /run/bramble/arrived ] || fail "the root did not arrive whole: $(cat /run/bramble/wget.err)"
      ;;
    *) fail "the server sends a root as $ram_format, which this agent does not know" ;;
  esac
  rw=rw
  # there is no such disk: systemd would wait for it and then refuse to go on
  [ ! -f /newroot/etc/fstab ] || sed -i -E 's/^[^#[:space:]]+[[:space:]]+\/(boot[^[:space:]]*)?[[:space:]]/# &/' /newroot/etc/fstab
  attached="ram $ram_format, $(df -k /newroot | awk 'END { print $(NF - 3) }') KiB"
}

download() { wget -q -T 30 -O - --header "x-bramble-session: $session" "$1" 2> /run/bramble/wget.err; }

# wait_for DEVICE SECONDS
wait_for() {
  ticks=0
  until [ -b "$1" ]; do
    ticks=$((ticks + 1))
    [ $ticks -lt $(($2 * 20)) ] || return 1
    usleep 50000
  done
}
