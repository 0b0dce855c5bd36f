# What this board is. Sourced by /init. Sets serial and model.

text_of() { [ ! -r "$1" ] || tr -d '\0' < "$1"; }
serial=$(text_of /proc/device-tree/serial-number)
[ -n "$serial" ] || serial=$(sed -n 's/^Serial[^:]*: *//p' /proc/cpuinfo)
serial=$(printf %s "$serial" | tail -c 8)
model=$(text_of /proc/device-tree/model)

# A JSON string: quotes and backslashes escaped, anything but printable ASCII dropped (busybox's tr knows no [:print:]).
json() { printf '"%s"' "$(printf %s "$1" | tr -cd ' -~' | sed 's/[\\"]/\\&/g')"; }

disks() {
  comma=
  for d in /sys/block/*; do
    [ -e "$d/device" ] || continue
    name=$(cat "$d/device/model" "$d/device/name" 2>/dev/null | head -n 1)
    printf '%s{"name":%s,"bytes":%s,"readOnly":%s,"model":%s}' "$comma" "$(json "${d##*/}")" \
      $(($(cat "$d/size") * 512)) "$([ "$(cat "$d/ro")" = 1 ] && echo true || echo false)" "$(json "${name%% *}")"
    comma=,
  done
}

inventory() {
  {
    printf '{"serial":%s,"model":%s,"mac":%s,"interface":%s' "$(json "$serial")" "$(json "$model")" "$(json "$mac")" "$(json "$interface")"
    printf ',"kernel":%s,"cpus":%s,"memoryKiB":%s' "$(json "$(uname -r)")" "$(nproc)" "$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)"
    printf ',"uptime":%s,"disks":[%s]}\n' "$(uptime_now)" "$(disks)"
  } > /run/bramble/inventory
  post /agent/inventory application/json /run/bramble/inventory || say "the server did not take the inventory"
  report inventory "$model, $(nproc) cores"
}
