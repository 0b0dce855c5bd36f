# Disks over iSCSI. Sourced by /init. The kernel holds the session; who logs in again after a break is iscsid, which outlives the agent in
# a mount namespace and a tmpfs of its own (iscsid-jail.sh): nothing of it lies on the disk that it serves.

# Log-in values: what is written here is what `iscsiadm -o new` makes a node record of. Secrets are in this file and in that record only,
# never in an argument, which anybody on the node could read.
iscsi_settings() {
  mkdir -p /etc/iscsi
  echo "InitiatorName=$iscsi_initiator" > /etc/iscsi/initiatorname.iscsi
  cat > /etc/iscsi/iscsid.conf <<CONF
iscsid.startup = /bin/false
node.startup = manual
node.leading_login = No
# requests wait for as long as it takes; with an end to it ext4 would become read-only
node.session.timeo.replacement_timeout = -1
node.session.initial_login_retry_max = 10
node.session.reopen_max = 0
node.conn[0].timeo.login_timeout = 8
node.conn[0].timeo.logout_timeout = 5
# a cable that was pulled is noticed by these
node.conn[0].timeo.noop_out_interval = 5
node.conn[0].timeo.noop_out_timeout = 5
node.session.err_timeo.abort_timeout = 15
node.session.err_timeo.lu_reset_timeout = 30
node.session.err_timeo.tgt_reset_timeout = 30
node.session.err_timeo.host_reset_timeout = 60
node.session.cmds_max = 128
node.session.queue_depth = 32
node.session.xmit_thread_priority = -20
node.session.iscsi.InitialR2T = No
node.session.iscsi.ImmediateData = Yes
node.session.iscsi.FirstBurstLength = 262144
node.session.iscsi.MaxBurstLength = 16776192
node.conn[0].iscsi.MaxRecvDataSegmentLength = 262144
node.conn[0].iscsi.MaxXmitDataSegmentLength = 0
node.conn[0].iscsi.HeaderDigest = None
node.session.nr_sessions = 1
node.session.iscsi.FastAbort = Yes
node.session.scan = auto
CONF
  [ -n "$iscsi_user" ] || return 0
  {
    echo "node.session.auth.authmethod = CHAP"
    echo "node.session.auth.chap_algs = SHA256,MD5"
    echo "node.session.auth.username = $iscsi_user"
    echo "node.session.auth.password = $iscsi_secret"
    [ -z "$iscsi_mutual_user" ] || {
      echo "node.session.auth.username_in = $iscsi_mutual_user"
      echo "node.session.auth.password_in = $iscsi_mutual_secret"
    }
  } >> /etc/iscsi/iscsid.conf
}

# iscsiadm as the jailed iscsid has it; also later, from the running node.
iscsiadm() { chroot "/proc/$(cat /run/bramble/iscsid.pid)/root" /sbin/iscsiadm "$@"; }

iscsi_up() {
  for name in iscsi_tcp sd_mod crc32c crc32c_generic; do modprobe -q $name; done
  [ -d /sys/class/iscsi_transport ] || fail "this kernel has no iSCSI driver (iscsi_tcp)"
  (umask 077; iscsi_settings)
  setsid unshare -m sh /agent/iscsid-jail.sh < /dev/null > /dev/kmsg 2>&1 &
  ticks=0
  until grep -q ISCSIADM_ABSTRACT /proc/net/unix; do
    ticks=$((ticks + 1))
    [ $ticks -lt 300 ] || fail "iscsid does not answer: $(dmesg | grep -i iscsid | tail -n 5)"
    usleep 50000
  done
  rm -f /etc/iscsi/iscsid.conf
  record="-m node -T $iscsi_target -p $iscsi_portal"
  iscsiadm $record -o new > /run/bramble/iscsi.log 2>&1 || fail "iscsi: $(cat /run/bramble/iscsi.log)"
  tries=0
  until iscsiadm $record --login > /run/bramble/iscsi.log 2>&1; do
    tries=$((tries + 1))
    # a server that says no does so for good; one that does not answer may be starting
    ! grep -q 'authorization failure' /run/bramble/iscsi.log || fail "iscsi: the server refuses the login: $(cat /run/bramble/iscsi.log)"
    [ $tries -lt 20 ] || fail "iscsi: no login at $iscsi_portal: $(cat /run/bramble/iscsi.log)"
    # older targets refuse to choose from a list with an algorithm that they do not know
    [ $tries != 1 ] || [ -z "$iscsi_user" ] || ! grep -q 'non-retryable' /run/bramble/iscsi.log ||
      iscsiadm $record -o update -n node.session.auth.chap_algs -v MD5 > /dev/null 2>&1
    say "iscsi: no login yet, try $tries: $(grep -m 1 'error' /run/bramble/iscsi.log || tail -n 1 /run/bramble/iscsi.log)"
    sleep 3
  done
  iscsi_secret= iscsi_mutual_secret=
}

# iscsi_disk LUN: the disk behind this LUN, as /dev/sdX in `disk`.
iscsi_disk() {
  ticks=0
  while :; do
    for found in /sys/class/iscsi_session/session*/device/target*/*:*:*:"$1"/block/*; do
      disk=/dev/${found##*/}
      [ ! -b "$disk" ] || return 0
    done
    ticks=$((ticks + 1))
    [ $ticks -lt 400 ] || fail "iscsi: the target has no disk with LUN $1"
    usleep 50000
  done
}

root_iscsi() {
  iscsi_disk "$iscsi_lun"
  device=$disk
  if [ "$root_partition" != 0 ]; then
    device=$disk$root_partition
    wait_for "$device" 15 || fail "the disk has no partition $root_partition"
  fi
  mount_root
  attached="iscsi $iscsi_portal LUN $iscsi_lun, $(($(cat "/sys/block/${disk##*/}/size") * 512)) bytes, $root_fstype on partition $root_partition"
}
