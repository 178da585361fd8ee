# Process 1 of the lab in its root: what a host has around pyro, then the job, then the end.
#
# Everything that the job says goes to a virtio port, whose other end is the standard output of the VMM.

mount -t cgroup2 cgroup2 /sys/fs/cgroup
# As an init system does.
echo +cpu +memory +pids >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /dev/pts /dev/shm /lab/home
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
# Templates are guests' memory in files: where each page that a guest touches is first allocated on a disk and then
# written there, making one takes much longer. A part of this is used; what is said to be free has to be enough for pyro.
mount -t tmpfs -o size=12g,mode=1777 tmpfs /tmp
mkdir -m 700 /lab/environments/templates
mount -t tmpfs -o size=12g,mode=0700 tmpfs /lab/environments/templates
chmod 1777 /dev/shm
# A waiting CPU that polls takes time from one that works.
echo 0 >/sys/module/kvm/parameters/halt_poll_ns
# For a group, as on Debian; here it needs no name.
chgrp 104 /dev/kvm
chmod 660 /dev/kvm
hostname lab
busybox ip link set lo up
# What was staged by an ordinary user is root's here.
chown -R root:root /lab/bin /lab/dist /lab/environments /lab/job.sh
[ ! -d /lab/tests ] || chown -R root:root /lab/tests

export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/lab/home LC_ALL=C.UTF-8
cd /lab/home || exit
port=$(echo /dev/vport*p1)
setsid --wait sh /lab/job.sh >"$port" 2>&1 </dev/null
echo "@lab ended $?" >"$port"
busybox poweroff -f
