# Runs in the node's own system. /run/bramble/booted begins with host, port and session.
body="step=booted
detail=$(uname -n)
uptime=$(cut -d' ' -f1 /proc/uptime)
"
request() {
  printf 'POST /agent/report HTTP/1.0\r\nhost: %s:%s\r\ncontent-type: text/plain\r\nx-bramble-session: %s\r\ncontent-length: %s\r\n\r\n%s' \
    "$host" "$port" "$session" "${#body}" "$body"
}
has() { command -v "$1" > /dev/null 2>&1; }
tell() {
  if has bash; then
    request > /run/bramble/request
    bash -c 'exec 3<> "/dev/tcp/$0/$1" && cat /run/bramble/request >&3 && read -r line <&3 && [[ $line == *" 20"* ]]' "$host" "$port"
  elif has curl; then
    curl -fsS -m 10 -o /dev/null -H 'content-type: text/plain' -H "x-bramble-session: $session" --data-binary "$body" "http://$host:$port/agent/report"
  elif has wget; then
    wget -q -T 10 -O /dev/null --header 'content-type: text/plain' --header "x-bramble-session: $session" --post-data "$body" "http://$host:$port/agent/report"
  elif has python3; then
    request | python3 -c 'import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2])),10); s.sendall(sys.stdin.buffer.read()); sys.exit(b" 20" not in s.recv(64))' "$host" "$port"
  elif has perl; then
    request | perl -MIO::Socket::INET -e '$s=IO::Socket::INET->new("$ARGV[0]:$ARGV[1]") or exit 1; shift; shift; print $s join("",<STDIN>); exit(<$s> !~ / 20/)' "$host" "$port"
  else
    echo "nothing here speaks HTTP: no bash, curl, wget, python3 or perl"
    exit 0
  fi
}
tries=0
until tell; do
  tries=$((tries + 1))
  [ $tries -lt 30 ] || exit 1
  sleep 5
done
rm -f /run/bramble/request
