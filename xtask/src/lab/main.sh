# Process 1 of the lab in its root: what a host has around pyro, then the job, then the end.
#
# Everything that the job says goes to a virtio port, whose other end is the standard output of the VMM.

mount -t cgroup2 cgroup2 /sys/fs/cgroup
# As an init system does.
echo +cpu +memory +pids >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /dev/pts /dev/shm /lab/tmp /lab/home
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
# A file without name is what pyro keeps disks in, and overlayfs has none: so what is written is on the disk itself.
mount --bind /lab/tmp /tmp
chmod 1777 /tmp /dev/shm
# For a group, as on Debian; here it needs no name.
chgrp 104 /dev/kvm
chmod 660 /dev/kvm
hostname lab
busybox ip link set lo up
# What was staged by an ordinary user is root's here.
chown -R root:root /lab/bin /lab/dist /lab/environments /lab/job.sh
[ ! -d /lab/tests ] || chown -R root:root /lab/tests
# An installed image is known again by inode and time of change, which no copy keeps.
for install in /lab/environments/installs/*/install.json; do
    root=${install%install.json}root.erofs
    changed=$(date --date "$(stat --format %z "$root")" +%s%N)
    sed -i "s/\"inode\": [0-9]*/\"inode\": $(stat --format %i "$root")/; s/\"changed_ns\": [0-9]*/\"changed_ns\": $changed/" "$install"
done

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/lab/home LC_ALL=C.UTF-8
cd /lab/home || exit
port=$(echo /dev/vport*p1)
setsid --wait sh /lab/job.sh >"$port" 2>&1 </dev/null
echo "@lab ended $?" >"$port"
busybox poweroff -f
