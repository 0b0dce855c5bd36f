#!/bin/sh
# What udhcpc calls, at the first lease and at every renewal for as long as the node runs. It changes the interface and files below /run,
# nothing else: the root's disk may be away just now, and only this brings the network back that leads to it.

# No answer, refused, run out: the root hangs on the address that there is.
case $1 in bound | renew) ;; *) exit 0 ;; esac

# put FILE, text on stdin: true where the file has changed
put() {
  mkdir -p "${1%/*}"
  cat > "$1.new"
  if cmp -s "$1.new" "$1"; then
    rm "$1.new"
    return 1
  fi
  mv "$1.new" "$1"
}

prefix=${mask:-24}
was=
[ ! -e /run/bramble/lease ] || was=$(. /run/bramble/lease && echo "$address/$prefix")
[ -z "$was" ] || [ "$was" = "$ip/$prefix" ] || ip addr del "$was" dev "$interface"
ip addr replace "$ip/$prefix" broadcast + dev "$interface"
router=${router%% *}
[ -z "$router" ] || ip route replace default via "$router" dev "$interface"
case $domain in *[!A-Za-z0-9.-]*) domain= ;; esac
printf "address='%s'\nprefix='%s'\nrouter='%s'\ndns='%s'\n" "$ip" "$prefix" "$router" "$dns" | put /run/bramble/lease

{
  [ -z "$domain" ] || echo "search $domain"
  for one in $dns; do echo "nameserver $one"; done
} | put /run/netroot/resolv.conf

# systemd-networkd: the same address, kept at its stop
{
  printf '[Match]\nMACAddress=%s\n\n[Network]\nAddress=%s/%s\nKeepConfiguration=yes\nLinkLocalAddressing=no\n' "$mac" "$ip" "$prefix"
  [ -z "$router" ] || echo "Gateway=$router"
  for one in $dns; do echo "DNS=$one"; done
} | put /run/systemd/network/00-netroot.network

# systemd-resolved, whoever manages the interface
{
  printf '[Resolve]\nDNS=%s\n' "$dns"
  [ -z "$domain" ] || echo "Domains=$domain"
} | put /run/systemd/resolved.conf.d/netroot.conf && killall -q -HUP systemd-resolved

# NetworkManager: not its interface; the name servers still are its to write down
{
  printf '[device-netroot]\nmatch-device=mac:%s\nmanaged=0\n' "$mac"
  [ -z "$dns" ] || printf '\n[global-dns-domain-*]\nservers=%s\n' "$(echo $dns | tr ' ' ',')"
  [ -z "$dns" ] || [ -z "$domain" ] || printf '\n[global-dns]\nsearches=%s\n' "$domain"
} | put /run/NetworkManager/conf.d/netroot.conf && killall -q -HUP NetworkManager
exit 0
