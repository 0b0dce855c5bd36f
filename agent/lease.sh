#!/bin/sh
# What udhcpc calls when it has an address. Only while the agent runs: afterwards the address simply stays.
case $1 in
  bound | renew)
    ip addr replace "$ip/${mask:-24}" broadcast + dev "$interface"
    [ -z "$router" ] || ip route replace default via "${router%% *}" dev "$interface"
    for one in $dns; do echo "nameserver $one"; done > /etc/resolv.conf
    printf "address='%s'\nprefix='%s'\nrouter='%s'\ndns='%s'\n" "$ip" "${mask:-24}" "${router%% *}" "$dns" > /run/bramble/lease
    ;;
esac
