# Drivers and the wired network. Sourced by /init. Sets interface, mac, address.

# Loads what each device on the buses asks for, once per alias: a new bus (USB behind PCIe) brings new ones.
coldplug() {
  touch /run/bramble/aliases
  find /sys/devices -name modalias -exec cat {} + 2>/dev/null | sort -u > /run/bramble/aliases.now
  new=$(sort /run/bramble/aliases.now /run/bramble/aliases /run/bramble/aliases | uniq -u)
  mv /run/bramble/aliases.now /run/bramble/aliases
  set -f
  for alias in $new; do modprobe -q "$alias" 2>/dev/null; done
  set +f
}

# Ethernet interfaces of real devices, wireless left out.
wired() {
  for d in /sys/class/net/*; do
    [ -e "$d/device" ] && [ "$(cat "$d/type")" = 1 ] && [ ! -d "$d/wireless" ] && echo "${d##*/}"
  done
}

network_up() {
  ip link set lo up
  modprobe -q af_packet
  waited=0
  while :; do
    [ $((waited % 10)) != 0 ] || coldplug
    for interface in $(wired); do
      ip link set "$interface" up
      [ "$(cat "/sys/class/net/$interface/carrier" 2>/dev/null)" = 1 ] || continue
      if lease; then return; fi
    done
    waited=$((waited + 1))
    [ $waited -lt 300 ] || fail "no network: interfaces $(wired | tr '\n' ' '), none with a link and a DHCP answer"
    usleep 200000
  done
}

# The lease is kept for as long as the node runs: this udhcpc outlives the agent, in a jail of its own, and renews.
lease() {
  mac=$(cat "/sys/class/net/$interface/address")
  say "$interface ($mac) has a link, asking for an address"
  interface=$interface mac=$mac setsid unshare -m sh /agent/lease-jail.sh > /run/bramble/udhcpc.log 2>&1 ||
    { say "no DHCP answer on $interface: $(tail -n 1 /run/bramble/udhcpc.log)"; return 1; }
  ln -sf /run/netroot/resolv.conf /etc/resolv.conf
  . /run/bramble/lease
}

# What the kernel prints goes to the server, too, where the profile asks for it (bramble.console=netconsole), until the node is switched
# off. It needs the MAC of the next hop: the server's, or the router's, which the hello has just gone through.
netconsole_up() {
  [ "$kernel_log" = netconsole ] || return 0
  host=${server#*://} host=${host%%[:/]*}
  hop=$(ip route get "$host" | sed -n 's/.* via \([0-9.]*\).*/\1/p')
  hop_mac=$(sed -n "s/^${hop:-$host} .* \([0-9a-f:]\{17\}\) .*/\1/p" /proc/net/arp)
  # quiet keeps the kernel's words, and ours among them, from every console; a loglevel= is somebody's own wish
  [ -n "$loglevel" ] || dmesg -n 7
  if modprobe -q netconsole "netconsole=6665@/$interface,6666@$host/$hop_mac" 2>/dev/null; then kernel_log=netconsole-up
  else
    why=$(dmesg | grep netpoll | tail -n 1)
    report unheard "${why:-it has no netconsole}"
  fi
}
