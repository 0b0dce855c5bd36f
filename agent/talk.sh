# What the agent says: on the console to people, by HTTP to the server. Sourced by /init.

uptime_now() { cut -d' ' -f1 /proc/uptime; }
# Where the server listens to the kernel, it hears the agent by the same way; the console shows what the kernel is told.
say() {
  if [ "$kernel_log" = netconsole-up ]; then echo "agent: $*" > /dev/kmsg; else echo "[$(uptime_now)] agent: $*"; fi
}

# Any bytes as %xx: nothing in a text can break a line.
encoded() { printf %s "$1" | od -An -v -tx1 | tr -d '\n' | tr ' ' '%'; }

# report STEP DETAIL [LINES]: a step of this boot's timeline. Without a session there is nobody who would know us.
report() {
  say "$1: $2"
  [ -n "$session" ] || return 0
  printf 'step=%s\ndetail=%s\nuptime=%s\n%s' "$1" "$(encoded "$2")" "$(uptime_now)" "$3" > /run/bramble/report
  post /agent/report text/plain /run/bramble/report || say "the server did not take that report"
}

# post PATH TYPE FILE, as this session.
post() {
  wget -q -T 10 -O /run/bramble/answer --header "content-type: $2" --header "x-bramble-session: $session" \
    --post-file "$3" "$server$1" 2> /run/bramble/wget.err
}

# hello: the one-time token for a session and the orders of this boot. A lost answer is asked for again: the server gives
# the same one for a minute.
hello() {
  printf 'boot=%s\ntoken=%s\nmac=%s\nserial=%s\nmodel=%s\n' "$boot" "$token" "$mac" "$serial" "$model" > /run/bramble/hello
  tries=0
  until wget -q -T 10 -O /run/bramble/orders --header 'content-type: text/plain' \
    --post-file /run/bramble/hello "$server/agent/hello" 2> /run/bramble/wget.err; do
    ! grep -q ' 40[0-9]' /run/bramble/wget.err || fail "the server refuses this boot's token: $(cat /run/bramble/wget.err)"
    tries=$((tries + 1))
    [ $tries -lt 12 ] || fail "no answer from $server: $(cat /run/bramble/wget.err)"
    sleep 3
  done
  root=$wanted seed=0 reporter=0 hostname= root_partition=2 root_fstype=ext4
  iscsi_portal= iscsi_target= iscsi_initiator= iscsi_user= iscsi_secret= iscsi_mutual_user= iscsi_mutual_secret= iscsi_lun=0 guard=
  : > /run/bramble/volumes
  nbd_host= nbd_port=10809 nbd_export= nbd_size= nbd_dead=86400 nbd_timeout=5 ram_url= ram_format=tar
  nfs_host= nfs_path= nfs_options=
  while read -r line; do
    value=${line#*=}
    case $line in
      session=*) session=$value ;;
      root=*) root=$value ;;
      iscsi_portal=*) iscsi_portal=$value ;;
      iscsi_target=*) iscsi_target=$value ;;
      iscsi_initiator=*) iscsi_initiator=$value ;;
      iscsi_user=*) iscsi_user=$value ;;
      iscsi_secret=*) iscsi_secret=$value ;;
      iscsi_mutual_user=*) iscsi_mutual_user=$value ;;
      iscsi_mutual_secret=*) iscsi_mutual_secret=$value ;;
      iscsi_lun=*) iscsi_lun=$value ;;
      volume_[0-9]*) echo "$line" >> /run/bramble/volumes ;;
      guard=*) guard=$value ;;
      nbd_host=*) nbd_host=$value ;;
      nbd_port=*) nbd_port=$value ;;
      nbd_export=*) nbd_export=$value ;;
      nbd_size=*) nbd_size=$value ;;
      nbd_dead=*) nbd_dead=$value ;;
      nbd_timeout=*) nbd_timeout=$value ;;
      nfs_host=*) nfs_host=$value ;;
      nfs_path=*) nfs_path=$value ;;
      nfs_options=*) nfs_options=$value ;;
      root_partition=*) root_partition=$value ;;
      root_fstype=*) root_fstype=$value ;;
      ram_url=*) ram_url=$value ;;
      ram_format=*) ram_format=$value ;;
      hostname=*) hostname=$value ;;
      seed=*) seed=$value ;;
      reporter=*) reporter=$value ;;
    esac
  done < /run/bramble/orders
  [ -n "$session" ] || fail "the server's answer has no session"
  rm -f /run/bramble/hello /run/bramble/orders
}

# fail WHAT: tells everybody, then a shell for whoever sits at the console, then a new try.
fail() {
  report failed "$*"
  [ "$onfail" = shell ] || { sleep 10; reboot -f; }
  shell_until_reboot
}

# The console's shell. Nobody there for two minutes: a new boot, since most troubles of a network pass.
shell_until_reboot() {
  say "press Enter for a shell; without one this node boots again in 120 s"
  if read -r -t 120 _; then setsid cttyhack sh; else sleep 120; fi
  sync
  reboot -f
}
