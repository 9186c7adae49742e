#!/bin/busybox sh
# First program of the guest: loads the disk driver, finds the root file system by its label, lets its partition
# fill the disk and hands over. It must never write to anything but the partition table of that very disk.
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys

root=LABEL=cumulet-root
for word in $(cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done

load() {
    while read -r module; do
        insmod "/lib/modules/$module" 2>/dev/null
    done <"/etc/modules.$1"
}

find_root() {
    case $root in
        LABEL=* | UUID=*) findfs "$root" 2>/dev/null ;;
        *) [ -b "$root" ] && echo "$root" ;;
    esac
}

le32() {
    n=$1
    for _ in 1 2 3 4; do
        # shellcheck disable=SC2059
        printf "\\$(printf %03o $((n & 255)))"
        n=$((n >> 8))
    done
}

# Nothing of the disk is mounted yet, so the kernel takes the new table without a complaint.
grow() {
    part=${1#/dev/}
    at=/sys/class/block/$part
    [ -f "$at/partition" ] || return
    disk=$(basename "$(readlink -f "$at/..")")
    number=$(cat "$at/partition")
    size=$(($(cat "/sys/class/block/$disk/size") - $(cat "$at/start")))
    [ $size -gt 4294967295 ] && size=4294967295
    [ $((size - $(cat "$at/size"))) -gt 2048 ] || return
    le32 $size | dd of="/dev/$disk" bs=1 seek=$((446 + 16 * (number - 1) + 12)) conv=notrunc 2>/dev/null
    sync
    blockdev --rereadpt "/dev/$disk"
}

load fast
tries=0
until device=$(find_root) && [ -n "$device" ]; do
    tries=$((tries + 1))
    [ $tries = 5 ] && load all
    if [ $tries = 300 ]; then
        echo "initrd: no root file system ($root)"
        exec sh
    fi
    usleep 50000
done
grow "$device"
tries=0
until mount -t ext4 -o rw,noatime "$device" /mnt; do
    tries=$((tries + 1))
    [ $tries = 20 ] && exec sh
    usleep 50000
done
for place in dev proc sys; do
    /bin/busybox mount --move /$place /mnt/$place
done
exec /bin/busybox switch_root /mnt /sbin/init
