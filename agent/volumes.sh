# Volumes: extra disks of the node, each a LUN beside its root. Made once, then mounted in the new root. Sourced by /init.

# In the first sector of a volume while its file system is being made: without it a board that lost power in between
# would find a disk that is neither blank nor mountable.
making="bramble: making a file system here"

# is_blank DISK: nothing but zeros at its beginning and its end, where every partition table and file system leaves something.
is_blank() {
  size=$(($(cat "/sys/block/${1##*/}/size") * 512))
  [ "$({ dd if="$1" bs=1M count=16; dd if="$1" bs=1M skip=$((size / 1048576 - 1)); } 2>/dev/null | tr -d '\0' | head -c 1 | wc -c)" = 0 ]
}

# make_volume DISK FSTYPE LABEL
make_volume() {
  case $2 in
    ext[234]) ;;
    *) fail "a volume of type $2 cannot be made here: ext4 can" ;;
  esac
  { echo "$making"; dd if=/dev/zero bs=512 count=1 2>/dev/null; } | dd of="$1" bs=512 count=1 iflag=fullblock conv=fsync,notrunc 2>/dev/null
  /sbin/mke2fs -q -F -t "$2" ${3:+-L "$3"} -E lazy_itable_init=1,lazy_journal_init=1 "$1" > /run/bramble/mke2fs.log 2>&1 ||
    fail "making $2 on volume $3: $(cat /run/bramble/mke2fs.log)"
  sync
  dd if=/dev/zero of="$1" bs=512 count=1 conv=fsync,notrunc 2>/dev/null
}

# volume LUN FSTYPE MOUNTPOINT LABEL
volume() {
  iscsi_disk "$1"
  place=$3
  case $place in
    /?*) ;;
    *) fail "volume $4: $place is no place to mount it" ;;
  esac
  if is_blank "$disk" || [ "$(dd if="$disk" bs=${#making} count=1 2>/dev/null | tr -d '\0')" = "$making" ]; then
    make_volume "$disk" "$2" "$4"
    made=", made anew"
  else
    made=
  fi
  modprobe -q "$2"
  mkdir -p "/newroot$place" && mount -t "$2" -o rw,noatime "$disk" "/newroot$place" 2> /run/bramble/mount.log ||
    fail "mounting volume $4 ($2) at $place: $(cat /run/bramble/mount.log) $(dmesg | tail -n 3). It is not blank: nothing was written to it"
  report volume "$4 at $place, $(($(cat "/sys/block/${disk##*/}/size") * 512)) bytes$made"
}

volumes() {
  while read -r line; do
    # four words, all of the server's making
    volume ${line#*=} < /dev/null
  done < /run/bramble/volumes
}
