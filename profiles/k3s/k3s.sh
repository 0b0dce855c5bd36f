#!/bin/sh
# Makes the profile's k3s cluster on its first node and joins it on the others. Done once; again at the next boot when it failed.
umask 077
member() { sh /run/bramble/member "$@"; }
address={{ node.address }}
install={{ value.install | shell }} sha256={{ value.sha256 | shell }} version={{ value.version | shell }}
config=/etc/rancher/k3s/config.yaml.d
data=/var/lib/rancher/k3s

answer=$(member wait {{ value.wait_minutes }}) || exit 1
value() { printf '%s\n' "$answer" | sed -n "s/^$1=//p"; }
mkdir -p $config
case $(value role) in
  first)
    role=server
    # agents join with a token of their own: the server's would make them administrators
    [ -s $config/50-role.yaml ] ||
      printf 'agent-token: "%s"\ntls-san:\n  - "%s"\n' "$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')" "$address" > $config/50-role.yaml
    ;;
  join)
    role=agent
    printf '%s' "$(value token)" > /etc/rancher/k3s/join-token
    printf 'server: "https://%s"\ntoken-file: /etc/rancher/k3s/join-token\n' "$(value address)" > $config/50-role.yaml
    ;;
esac

# what was given: a program, or the install script, by its first two bytes
case $install in
  http://* | https://*)
    curl -fsSL -o /usr/local/lib/bramble/k3s.given "$install" || exit 1
    install=/usr/local/lib/bramble/k3s.given
    ;;
esac
[ -z "$sha256" ] || echo "$sha256  $install" | sha256sum -c - || exit 1
if [ "$(head -c 2 "$install")" = '#!' ]; then
  INSTALL_K3S_EXEC=$role INSTALL_K3S_VERSION=$version sh "$install" || exit 1
else
  mkdir -p /usr/local/bin
  cp "$install" /usr/local/bin/k3s && chmod 755 /usr/local/bin/k3s || exit 1
  name=k3s
  [ $role = server ] || name=k3s-agent
  cat > /etc/systemd/system/$name.service <<UNIT
[Unit]
Description=Lightweight Kubernetes ($role)
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
KillMode=process
Delegate=yes
LimitNOFILE=1048576
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
TimeoutStartSec=0
Restart=always
RestartSec=5s
ExecStart=/usr/local/bin/k3s $role

[Install]
WantedBy=multi-user.target
UNIT
  systemctl daemon-reload && systemctl enable --now $name || exit 1
fi

[ $role = server ] || exit 0
tries=0
until [ -s $data/server/agent-token ]; do
  tries=$((tries + 1))
  [ $tries -lt 120 ] || { echo "k3s has written no $data/server/agent-token"; exit 1; }
  sleep 5
done
tr -d '\n' < $data/server/agent-token | member made "$address:6443"
