# The last steps: what the new system must know about its root lies in /run, which it inherits and which no disk keeps. Sourced by /init.

units=/run/systemd/system
unit_in_root() { [ -e "/newroot/lib/systemd/system/$1" ] || [ -e "/newroot/usr/lib/systemd/system/$1" ] || [ -e "/newroot/etc/systemd/system/$1" ]; }
is_systemd() { [ -x /newroot/lib/systemd/systemd ] || [ -x /newroot/usr/lib/systemd/systemd ]; }

# quiet UNIT: a service (or a unit of another kind, by its whole name) that this boot does not start.
quiet() {
  mkdir -p $units
  case $1 in
    *.socket) ln -sf /dev/null "$units/$1" ;;
    *) ln -sf /dev/null "$units/$1.service" ;;
  esac
}

# The system's own open-iscsi would find our session by the socket that all its versions share, and log it out at shutdown.
own_iscsi_out_of_the_way() {
  for unit in iscsid.socket iscsid iscsi open-iscsi; do quiet $unit; done
}

# want UNIT: a service of the image that this boot starts, enabled or not.
want() {
  unit_in_root "$1.service" || return 0
  mkdir -p $units/multi-user.target.wants
  ln -sf "/usr/lib/systemd/system/$1.service" "$units/multi-user.target.wants/$1.service"
}

# drop_in UNIT NAME, text on stdin
drop_in() {
  mkdir -p "$units/$1.d"
  cat > "$units/$1.d/$2.conf"
}

# Someone gave a key to log in with: Raspberry Pi OS ships with ssh off.
want_ssh() {
  want ssh
  host_keys
}

# Without host keys sshd does not start. Raspberry Pi OS makes them at a first boot that a network boot has no part in; an image made
# of a node's disk was cleaned of that node's.
host_keys() {
  unit_in_root ssh.service || return 0
  [ -z "$(ls $etc/ssh/ssh_host_*_key 2>/dev/null)" ] || return 0
  # the image's own unit for it runs before ssh, where it is enabled: nothing is left to do then
  drop_in ssh.service host-keys <<'CONF'
[Service]
ExecStartPre=
ExecStartPre=/bin/sh -c 'ls /etc/ssh/ssh_host_*_key > /dev/null 2>&1 || ssh-keygen -A'
ExecStartPre=/usr/sbin/sshd -t
CONF
}

# A swap file on a disk that needs memory to send its writes; and growing a disk that has its size already.
no_card() {
  for unit in dphys-swapfile resize2fs_once rpi-resize; do quiet $unit; done
}

# A one-shot service that tells the server that the system is up, by whatever the image has for it.
leave_reporter() {
  is_systemd || return 0
  hostport=${server#*://}
  hostport=${hostport%%/*}
  port=${hostport##*:}
  [ "$port" != "$hostport" ] || port=80
  cat > /run/bramble/booted <<SCRIPT
#!/bin/sh
# Tells the boot server that this node is up.
host='${hostport%%:*}' port='$port' session='$session'
SCRIPT
  cat /agent/booted.sh >> /run/bramble/booted
  chmod 700 /run/bramble/booted
  mkdir -p $units/multi-user.target.wants
  cat > $units/report-boot.service <<'UNIT'
[Unit]
Description=Report this boot to the boot server
After=multi-user.target

[Service]
Type=oneshot
ExecStart=/bin/sh /run/bramble/booted
TimeoutStartSec=180
UNIT
  ln -sf ../report-boot.service $units/multi-user.target.wants/report-boot.service
}

hand_over() {
  new_init=
  for path in /sbin/init /usr/lib/systemd/systemd /etc/init /bin/init /bin/sh; do
    [ -e "/newroot$path" ] || [ -L "/newroot$path" ] || continue
    new_init=$path
    break
  done
  [ -n "$new_init" ] || fail "the root has no init"
  for folder in dev proc sys run; do mkdir -p "/newroot/$folder" || fail "the root has no /$folder"; done
  # as the kernel itself would have mounted it: the system checks it and then makes it writable
  [ "$rw" = rw ] || mount -o remount,ro /newroot || fail "mounting the root read-only again"
  # nothing in such a root will tell more: the timeline ends here
  no_reporter=
  [ -e $units/report-boot.service ] || no_reporter="reporter=0
"
  report switch-root "$new_init" "$no_reporter"
  for folder in dev proc sys run; do mount --move "/$folder" "/newroot/$folder"; done
  exec switch_root -c /dev/console /newroot "$new_init"
}
