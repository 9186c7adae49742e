"""What holds a guest's QEMU in, should the guest break out into it: the settings of a libvirtd that we start.

Each guest names its own user (see `domain`); here is what all have alike. What this kernel cannot do is left out and
said so. Must never let a QEMU start as root or without its filter of system calls.
"""

from __future__ import annotations

import os
import pwd
import stat
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from cumulet.node import users

# The filtered capability makes libvirt ask a starting QEMU for some four hundred properties of its processor, one by
# one, which is two thirds of a start; without it, it asks for the same as two lists of bits.
# Files are given to their users by us: libvirt would make a shared base image the property of the guest that came last.
_SETTINGS = """\
user = "{account}"
group = "{account}"
dynamic_ownership = 0
remember_owner = 0
security_driver = "{driver}"
security_default_confined = 1
seccomp_sandbox = 1
clear_emulator_capabilities = 1
namespaces = [{namespaces}]
cgroup_controllers = [{controllers}]
stdio_handler = "file"
max_core = 0
capability_filters = ["cpu-unavailable-features"]
"""
_ACCOUNT = "libvirt-qemu"


class Confinement(Struct, frozen=True):
    """What this host can do. `driver`: apparmor, selinux or none; `private_dev`: each QEMU has a /dev of its own, with
    nothing in it that it was not given."""

    driver: str
    private_dev: bool

    def settings(self) -> str:
        """The text of qemu.conf."""
        return _SETTINGS.format(
            account=_account(),
            driver=self.driver,
            namespaces='"mount"' if self.private_dev else "",
            # A process without CAP_MKNOD in a /dev of its own reaches no device that this controller could deny;
            # it costs a third of a start.
            controllers="" if self.private_dev else '"devices"',
        )

    def sentence(self) -> str:
        """For ``status``."""
        dev = "with a /dev of its own" if self.private_dev else "but with the host's /dev: devices cannot be made here"
        names = {"apparmor": "under AppArmor", "selinux": "under SELinux"}
        driver = names.get(self.driver, "without AppArmor or SELinux: this host has none")
        return f"each guest's QEMU runs as a user of its own, under seccomp, {dev}, {driver}"


THE_HOSTS = (
    "each guest's QEMU runs as a user of its own; the rest is as the host's libvirtd has it in /etc/libvirt/qemu.conf"
)


def find(folder: Path, system: Path = Path("/sys")) -> Confinement:
    """What this host can do; `folder` is one to try it in."""
    return Confinement(_driver(system), _devices_can_be_made(folder / ".device"))


def _driver(system: Path) -> str:
    with suppress(OSError):
        if (system / "module/apparmor/parameters/enabled").read_text().strip() == "Y":
            return "apparmor"
    return "selinux" if (system / "fs/selinux/enforce").exists() else "none"


def _devices_can_be_made(trial: Path) -> bool:
    """In a user namespace nobody makes devices, and a QEMU that is to have its own would not start."""
    trial.unlink(missing_ok=True)
    try:
        os.mknod(trial, stat.S_IFCHR | 0o600, os.makedev(1, 3))
    except OSError:
        return False
    trial.unlink()
    return True


def _account() -> str:
    """Whom libvirt asks QEMU as what it can do: the account of Debian's package, else a user without one."""
    with suppress(KeyError):
        pwd.getpwnam(_ACCOUNT)
        return _ACCOUNT
    return f"+{users.derived('libvirt').uid}"
