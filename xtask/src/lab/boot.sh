#!/bin/busybox sh
# Process 1 of the lab up to its root: the tools' image below, the work disk above.
set -e
busybox=/bin/busybox

$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do
    $busybox insmod "/modules/$module.ko"
done </modules/order

$busybox mount -t erofs -o ro /dev/vda /lower
$busybox mount -t ext4 /dev/vdb /store
$busybox mkdir -p /store/.upper /store/.overlay
$busybox mount -t overlay -o lowerdir=/lower,upperdir=/store/.upper,workdir=/store/.overlay overlay /sysroot
$busybox mkdir -p /sysroot/lab
for dir in dev proc sys; do
    $busybox mount --move "/$dir" "/sysroot/$dir"
done
$busybox mount --move /store /sysroot/lab
exec $busybox switch_root /sysroot /bin/sh /lab/main.sh
