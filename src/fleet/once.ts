// The script that does a profile's packages and commands on a node: each once for the life of its clone.

export interface OnceParts {
  /** The clone's life: another instance does all again. */
  instance: string;
  packages: readonly string[];
  commands: readonly string[];
  /** sha256 in hex: what was done is remembered by it, so that a command may hold a secret. */
  digest(text: string): string;
  /** For `sh`, as one word. */
  quote(text: string): string;
}

/** Undefined where there is nothing to do. Plain POSIX sh; whatever HTTP the node has is `member`'s business. */
export function onceScript({ instance, packages, commands, digest, quote }: OnceParts): string | undefined {
  if (packages.length === 0 && commands.length === 0) return undefined;
  const seen = new Map<string, number>();
  const steps: string[] = [];
  const step = (name: string, key: string, line: string) => {
    const times = seen.get(key) ?? 0;
    seen.set(key, times + 1);
    steps.push(`step ${quote(name)} ${digest(`${key}\n${times}`)} ${line}`);
  };
  if (packages.length > 0)
    step(
      "packages",
      `packages ${[...packages].sort().join(" ")}`,
      `install ${packages.map(quote).join(" ")}`,
    );
  commands.forEach((command, i) => {
    step(`command ${i + 1}`, `command ${command}`, `sh -c ${quote(command)}`);
  });
  return `${HEAD.replace("INSTANCE", quote(instance))}${steps.join("\n")}\n${TAIL}`;
}

const HEAD = `#!/bin/sh
# What this node's profile wants done once: written anew at each boot, in memory only.
umask 077
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root DEBIAN_FRONTEND=noninteractive
state=/var/lib/bramble/once
mkdir -p $state
instance=INSTANCE
[ "$(cat $state/instance 2>/dev/null)" = "$instance" ] || { rm -f $state/done; echo "$instance" > $state/instance; }
touch $state/done
did=0
tell() { sh /run/bramble/member told "$1" "$2"; }
step() {
  name=$1 key=$2
  shift 2
  while read -r line; do [ "$line" != "$key" ] || return 0; done < $state/done
  echo "== $name"
  "$@" < /dev/null
  code=$?
  if [ $code != 0 ]; then
    tell failed "$name of the profile ended with $code: the rest waits for the next boot; /var/log/bramble-once.log on the node says more"
    exit 1
  fi
  echo "$key" >> $state/done
  sync # a power cut must not have it done twice
  did=$((did + 1))
}
here() {
  if command -v dpkg-query > /dev/null 2>&1; then [ "$(dpkg-query -W -f '\${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
  elif command -v apk > /dev/null 2>&1; then apk info -e "$1" > /dev/null 2>&1
  elif command -v rpm > /dev/null 2>&1; then rpm -q "$1" > /dev/null 2>&1
  else return 1; fi
}
install() {
  lacking=
  for one in "$@"; do here "$one" || lacking="$lacking $one"; done
  [ -n "$lacking" ] || return 0
  if command -v apt-get > /dev/null 2>&1; then
    apt-get -q -o DPkg::Lock::Timeout=300 update
    apt-get -q -y -o DPkg::Lock::Timeout=300 install $lacking
  elif command -v apk > /dev/null 2>&1; then apk add $lacking
  elif command -v dnf > /dev/null 2>&1; then dnf -y install $lacking
  else
    echo "no apt-get, apk or dnf here to install$lacking"
    return 1
  fi
}
`;

const TAIL = `[ $did = 0 ] || tell done "$did steps"
`;
