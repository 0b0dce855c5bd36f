# Runs in a mount namespace of its own (unshare -m), and becomes iscsid: a small tmpfs with what iscsid needs, and a chroot into it.
# switch_root empties the initramfs, and the system's own first process never sees these mounts: nothing there can unmount or hide them.
set -e
jail=/iscsi
mkdir -p $jail
mount -t tmpfs -o mode=755,size=32m,nodev tmpfs $jail
cd $jail
mkdir -p etc/iscsi var/lib/iscsi run/lock/iscsi proc sys dev tmp
while read -r file; do
  mkdir -p "$jail/${file%/*}"
  cp "/$file" "$jail/$file"
done < /agent/jail
cp /etc/iscsi/* etc/iscsi/
echo 'root:x:0:0:root:/:/bin/false' > etc/passwd
for folder in proc sys dev; do mount --bind /$folder $jail/$folder; done
echo $$ > /run/bramble/iscsid.pid
# by its name, found in PATH: so the @ is the first character of argv[0]
export PATH=/sbin
exec chroot $jail @iscsid -f -c /etc/iscsi/iscsid.conf -i /etc/iscsi/initiatorname.iscsi
