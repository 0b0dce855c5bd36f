#!/bin/sh
# Runs in the node's own system, for what its profile does there: tells the boot server how it went, and asks it about the profile's
# cluster, as this boot's session. Requests go through a pipe: nothing secret stands in a list of processes.
#   member told failed|done WORDS
#   member wait [MINUTES]   prints role=first, or role=join with address= and token=; fails when there is no cluster to join in time
#   member made ADDRESS     with the join token on standard input
here=/run/bramble
export LC_ALL=C
. $here/session
box=$here/busybox

# request METHOD PATH, the body on standard input: prints the answer's body; fails unless the server took it.
request() {
  body=$($box cat)
  answer=$(printf '%s %s HTTP/1.0\r\nhost: %s:%s\r\ncontent-type: text/plain\r\nx-bramble-session: %s\r\ncontent-length: %s\r\n\r\n%s' \
    "$1" "$2" "$host" "$port" "$session" "${#body}" "$body" | $box nc -w 15 "$host" "$port" | $box tr -d '\r')
  case $answer in
    'HTTP/1.'?' 20'*) printf '%s\n' "$answer" | $box sed '1,/^$/d' ;;
    *) return 1 ;;
  esac
}
uptime_seconds() { $box cut -d. -f1 /proc/uptime; }
value() { printf '%s\n' "$answer_lines" | $box sed -n "s/^$1=//p"; }

case $1 in
  told) printf '%s\n%s' "$2" "$3" | request POST /agent/once ;;
  made)
    token=$($box cat)
    printf 'address=%s\ntoken=%s' "$2" "$token" | request POST /agent/cluster || { echo "the boot server did not take the join token" >&2; exit 1; }
    ;;
  wait)
    deadline=$(($(uptime_seconds) + ${2:-30} * 60))
    while :; do
      why="the boot server does not answer"
      if answer_lines=$(: | request GET /agent/cluster); then
        case $(value role) in
          first | join)
            printf '%s\n' "$answer_lines"
            exit 0
            ;;
        esac
        why=$(value why)
        [ "$(value role)" != stopped ] || break
      fi
      [ "$(uptime_seconds)" -lt $deadline ] || break
      $box sleep 5
    done
    echo "$why" >&2
    exit 1
    ;;
  *)
    echo "member told|wait|made" >&2
    exit 2
    ;;
esac
