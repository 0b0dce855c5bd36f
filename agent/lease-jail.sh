# Runs in a mount namespace of its own (unshare -m) and becomes udhcpc, chrooted into a small tmpfs that switch_root neither empties nor
# shows to the new system: at a renewal, its script and a shell for it are still there. Interface and mac are in the environment.
set -e
jail=/lease
mkdir -p $jail
mount -t tmpfs -o mode=755,size=8m,nosuid tmpfs $jail
cd $jail
mkdir -p bin proc run dev @
cp /bin/busybox bin/busybox
for name in sh ip cat cmp echo killall mkdir mv printf rm tr; do ln -s busybox bin/$name; done
cp /agent/lease.sh lease.sh
# the @ as first character of its name tells systemd's shutdown to spare it: systemd.io/ROOT_STORAGE_DAEMONS
ln -s ../bin/busybox @/udhcpc
for folder in proc run dev; do mount --bind "/$folder" "$folder"; done
exec env PATH=/bin chroot $jail @/udhcpc -i "$interface" -s /lease.sh -t 8 -T 2 -n
