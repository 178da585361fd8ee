"""A host without a program that runs VMs."""

from __future__ import annotations

import os
import subprocess
import sys
import unittest
from pathlib import Path

# pyro looks in the usual directories whatever PATH says, so the programs themselves are hidden, in a mount namespace.
HIDE = """
for dir in /usr/local/bin /usr/bin /bin /usr/local/sbin /usr/sbin /sbin; do
    for vmm in $dir/qemu-system-x86_64 $dir/firecracker; do
        ! [ -f $vmm ] || mount --bind /dev/null $vmm || exit 99
    done
done
exec "$@"
"""


class HostCompat(unittest.TestCase):
    def test_all_of_without_vms_where_no_vmm_can_be_seen(self) -> None:
        here = Path(__file__).parent
        unshare = ["unshare", "--mount"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
        done = subprocess.run(
            [*unshare, "sh", "-c", HIDE, "sh", sys.executable, here / "run.py", "without_vms"],
            cwd=here,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("test result: ok. 4 passed", done.stdout)
