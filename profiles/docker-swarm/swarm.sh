#!/bin/sh
# Makes the profile's swarm on its first node and joins it on the others. Done once; again at the next boot when it failed.
member() { sh /run/bramble/member "$@"; }
address={{ node.address }}

tries=0
until docker info > /dev/null 2>&1; do
  tries=$((tries + 1))
  [ $tries -lt 60 ] || { echo "dockerd does not answer: $(docker info 2>&1 | tail -n 1)"; exit 1; }
  sleep 5
done
state() { docker info --format '{% raw %}{{.Swarm.LocalNodeState}}{% endraw %}'; }

answer=$(member wait {{ value.wait_minutes }}) || exit 1
value() { printf '%s\n' "$answer" | sed -n "s/^$1=//p"; }
case $(value role) in
  first)
    # what it prints holds the join token, which belongs in no log
    [ "$(state)" = active ] || docker swarm init --advertise-addr "$address" > /dev/null || exit 1
    docker swarm join-token --quiet worker | member made "$address:2377"
    ;;
  join)
    [ "$(state)" != active ] || exit 0
    docker swarm join --advertise-addr "$address" --token "$(value token)" "$(value address)"
    ;;
esac
