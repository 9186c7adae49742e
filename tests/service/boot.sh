#!/bin/sh
# Makes systemd process 1 over the tree $1, in the new namespaces (mount, pid, network, cgroup, ipc, uts) that this is
# started in. The folders after it are shown at their own places, read-only.
set -eu
tree=$1; shift
mount --make-rprivate /
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount -t sysfs sysfs "$tree/sys"
for place in run tmp dev; do mount -t tmpfs -o mode=755 tmpfs "$tree/$place"; done
chmod 1777 "$tree/tmp"
for device in null zero full random urandom tty; do
    touch "$tree/dev/$device"
    mount --bind "/dev/$device" "$tree/dev/$device"
done
mkdir "$tree/dev/pts" "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=666 devpts "$tree/dev/pts"
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
touch "$tree/dev/console"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup"
else
    mount -t tmpfs -o mode=755 tmpfs "$tree/sys/fs/cgroup"
    mkdir "$tree/sys/fs/cgroup/systemd" "$tree/sys/fs/cgroup/unified"
    mount -t cgroup -o none,name=systemd cgroup "$tree/sys/fs/cgroup/systemd"
    mount -t cgroup2 cgroup2 "$tree/sys/fs/cgroup/unified"
fi
for folder in "$@"; do
    mkdir -p "$tree$folder"
    mount --bind "$folder" "$tree$folder"
    mount -o remount,bind,ro "$tree$folder"
done
ip link set lo up
exec env -i container=lxc PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    chroot "$tree" /lib/systemd/systemd --system systemd.unit=multi-user.target
