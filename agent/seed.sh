# Writes into the mounted root what makes this clone this node: the seeds, and once a machine-id of its own. Sourced by /init.
# Everything may be done again at each boot. Only the node's own clone is written.

etc=/newroot/etc

# A clone begins with the image's identity. The first boot of this board on it makes a new one; where the image leaves
# that to its own first boot (no id, or "uninitialized") so do we.
prepare_clone() {
  board=${serial:-$mac}
  mark=/newroot/var/lib/bramble/board
  [ "$(cat $mark 2>/dev/null)" != "$board" ] || return 0
  [ -d /newroot/var/lib ] || return 0
  if grep -qE '^[0-9a-f]{32}$' $etc/machine-id 2>/dev/null; then
    tr -d - < /proc/sys/kernel/random/uuid > /run/bramble/machine-id && cat /run/bramble/machine-id > $etc/machine-id
    [ -L /newroot/var/lib/dbus/machine-id ] || rm -f /newroot/var/lib/dbus/machine-id
  fi
  rm -f /newroot/var/lib/systemd/random-seed /newroot/var/lib/systemd/credential.secret
  mkdir -p /newroot/var/lib/bramble && echo "$board" > $mark
}

seed_root() {
  cloudinit=0
  [ ! -e /newroot/usr/bin/cloud-init ] && [ ! -d $etc/cloud ] || cloudinit=1
  download "$server/agent/seed?cloudinit=$cloudinit" > /run/bramble/seed.tar || fail "the seeds did not arrive: $(cat /run/bramble/wget.err)"
  mkdir -p -m 700 /run/bramble/seed
  tar -x -f /run/bramble/seed.tar -C /run/bramble/seed || fail "the seeds are no tar"
  rm -f /run/bramble/seed.tar /run/bramble/once
  [ ! -f /run/bramble/seed/bramble-once ] || mv /run/bramble/seed/bramble-once /run/bramble/once
  if [ $cloudinit = 1 ]; then
    quiet userconfig
    words=cloud-init
  else
    plain_seed
    rm -f /run/bramble/seed/bramble-seed
    words="hostname $seed_hostname, user ${seed_user:-none}"
  fi
  lay_files
  host_keys
  [ ! -f /run/bramble/once ] || leave_once
  report seeded "$words"
  rm -rf /run/bramble/seed
}

# What is left of the seed goes into the root, from inside it: a link of the root that says /run or /etc means the root's, not ours.
# Folders that are there stay as they are.
lay_files() {
  [ -n "$(find /run/bramble/seed -type f)" ] || return 0
  mkdir -p /newroot/run && mount --bind /run /newroot/run || fail "the root has no /run"
  cp /bin/busybox /run/bramble/busybox
  chroot /newroot /run/bramble/busybox sh -c '
    box=/run/bramble/busybox
    cd /run/bramble/seed && $box find . -type f | while read -r file; do
      to=/${file#./}
      $box mkdir -p "${to%/*}" && $box cp -p "$file" "$to.bramble-new" && $box mv -f "$to.bramble-new" "$to" || exit 1
    done' || fail "writing the profile's files into the root: $(df -k /newroot | tail -n 1)"
  umount /newroot/run
  [ -f /run/bramble/once ] || rm -f /run/bramble/busybox
}

# What a profile does once runs in the node's own system when that is up, with /run/bramble/member to talk to us.
leave_once() {
  hostport=${server#*://}
  hostport=${hostport%%/*}
  port=${hostport##*:}
  [ "$port" != "$hostport" ] || port=80
  (umask 077; printf "host='%s' port='%s' session='%s'\n" "${hostport%%:*}" "$port" "$session" > /run/bramble/session)
  cp /agent/member.sh /run/bramble/member
  cp /bin/busybox /run/bramble/busybox
  chmod 700 /run/bramble/once
  chmod 755 /run/bramble/member /run/bramble/busybox
  if is_systemd; then
    mkdir -p $units/multi-user.target.wants
    # not part of the boot: it may wait for other nodes
    cat > $units/profile-once.service <<'UNIT'
[Unit]
Description=What this node's profile does once
Wants=network-online.target
After=network-online.target docker.service cloud-init.service cloud-config.service

[Service]
Type=exec
ExecStart=/bin/sh -c 'umask 077; exec /bin/sh /run/bramble/once >> /var/log/bramble-once.log 2>&1'
TimeoutStartSec=infinity
UNIT
    ln -sf ../profile-once.service $units/multi-user.target.wants/profile-once.service
    return 0
  fi
  line='[ ! -x /run/bramble/once ] || (umask 077; /bin/sh /run/bramble/once >> /var/log/bramble-once.log 2>&1) &'
  if [ -d $etc/local.d ]; then
    # OpenRC, where its local service is on
    printf '#!/bin/sh\n%s\n' "$line" > $etc/local.d/bramble-once.start
    chmod 755 $etc/local.d/bramble-once.start
    return 0
  fi
  [ -f $etc/rc.local ] || printf '#!/bin/sh\n' > $etc/rc.local
  chmod 755 $etc/rc.local
  grep -qF /run/bramble/once $etc/rc.local || sed -i "1a $line" $etc/rc.local
}

# plain_seed: for a system without cloud-init. Values are base64.
plain_seed() {
  seed_hostname= seed_user= seed_hash= seed_keys=
  while read -r line; do
    value=$(printf %s "${line#*=}" | base64 -d)
    case $line in
      hostname=*) seed_hostname=$value ;;
      user=*) seed_user=$value ;;
      password_hash=*) seed_hash=$value ;;
      ssh_keys=*) seed_keys=$value ;;
    esac
  done < /run/bramble/seed/bramble-seed
  [ -z "$seed_hostname" ] || seed_host
  if [ -n "$seed_user" ]; then
    printf %s "$seed_user" | grep -qE '^[a-z_][a-z0-9_-]{0,31}$' || fail "a user cannot be called $seed_user"
    seed_account "$seed_user"
    quiet userconfig
  fi
  if [ -n "$seed_keys" ]; then
    seed_authorized_keys "${seed_user:-root}"
    want_ssh
  fi
}

seed_host() {
  echo "$seed_hostname" > $etc/hostname
  touch $etc/hosts
  sed -i '/^127\.0\.1\.1[[:space:]]/d' $etc/hosts
  printf '127.0.1.1\t%s\n' "$seed_hostname" >> $etc/hosts
  hostname "$seed_hostname"
}

# field FILE NAME NUMBER of a colon-separated table
field() { awk -F: -v name="$2" -v n="$3" '$1 == name { print $n; exit }' "$etc/$1"; }

seed_account() {
  if [ -z "$(field passwd "$1" 3)" ]; then
    id=$(awk -F: '{ used[$3] = 1 } END { for (id = 1000; id in used; id++); print id }' $etc/passwd $etc/group)
    shell=/bin/sh
    [ ! -e /newroot/bin/bash ] || shell=/bin/bash
    echo "$1:x:$id:$id:$1:/home/$1:$shell" >> $etc/passwd
    echo "$1:x:$id:" >> $etc/group
    [ ! -f $etc/gshadow ] || echo "$1:!::" >> $etc/gshadow
    for group in sudo adm dialout cdrom audio video plugdev games users input render netdev gpio i2c spi; do join_group "$1" $group; done
  fi
  [ -f $etc/shadow ] || { : > $etc/shadow; chmod 600 $etc/shadow; }
  # 20000: some day when the password was last changed; 0 would ask for a new one at login
  [ -n "$(field shadow "$1" 1)" ] || echo "$1:*:20000:0:99999:7:::" >> $etc/shadow
  if [ -n "$seed_hash" ]; then
    HASH=$seed_hash awk -F: -v OFS=: -v name="$1" '$1 == name { $2 = ENVIRON["HASH"] } { print }' $etc/shadow > /run/bramble/shadow &&
      cat /run/bramble/shadow > $etc/shadow
    rm -f /run/bramble/shadow
  fi
  if [ -d $etc/sudoers.d ]; then
    (umask 0337; rm -f "$etc/sudoers.d/010_$1-nopasswd"; echo "$1 ALL=(ALL) NOPASSWD: ALL" > "$etc/sudoers.d/010_$1-nopasswd")
  fi
  home=/newroot$(field passwd "$1" 6)
  [ -d "$home" ] && return
  mkdir -p "$home"
  [ ! -d $etc/skel ] || cp -a $etc/skel/. "$home/"
  chmod 700 "$home"
  chown -R "$(field passwd "$1" 3):$(field passwd "$1" 4)" "$home"
}

# join_group USER GROUP, where the system has that group
join_group() {
  for table in group gshadow; do
    [ -f "$etc/$table" ] || continue
    awk -F: -v OFS=: -v user="$1" -v name="$2" '$1 == name { $4 = $4 == "" ? user : $4 "," user } { print }' "$etc/$table" \
      > /run/bramble/table && cat /run/bramble/table > "$etc/$table"
  done
  rm -f /run/bramble/table
}

# Adds the keys that are not there yet: what a person added stays.
seed_authorized_keys() {
  owner="$(field passwd "$1" 3):$(field passwd "$1" 4)"
  folder=/newroot$(field passwd "$1" 6)/.ssh
  mkdir -p -m 700 "$folder"
  touch "$folder/authorized_keys"
  printf '%s\n' "$seed_keys" | while read -r key; do
    [ -z "$key" ] || grep -qxF -- "$key" "$folder/authorized_keys" || printf '%s\n' "$key" >> "$folder/authorized_keys"
  done
  chmod 600 "$folder/authorized_keys"
  chown "$owner" "$folder" "$folder/authorized_keys"
}
