"""What this machine says of itself, for choosing defaults: addresses in use, name servers, the controller's
user.

It reads files below /proc and /etc; the only thing that it changes is the system user.
"""

from __future__ import annotations

import ipaddress
import os
import pwd
import subprocess
from collections.abc import Collection
from pathlib import Path

from cumulet.cli.errors import CliError
from cumulet.config import ConfigError

USER = "cumulet"
PROVIDER_CANDIDATES = [f"172.24.{number}.0/24" for number in (*range(4, 32), *range(104, 132))]


def routed_networks(table: Path = Path("/proc/net/route")) -> list[ipaddress.IPv4Network]:
    """The IPv4 networks that this machine has a route to, without the default route."""
    found = []
    for line in table.read_text().splitlines()[1:]:
        words = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(words[at]), "little") for at in (1, 7))
        if mask:
            found.append(ipaddress.IPv4Network((address, bin(mask).count("1"))))
    return found


def free_provider_cidr(used: list[ipaddress.IPv4Network]) -> str:
    """The first candidate that overlaps with nothing in `used`."""
    for candidate in PROVIDER_CANDIDATES:
        if not any(ipaddress.IPv4Network(candidate).overlaps(network) for network in used):
            return candidate
    raise ConfigError("found no free /24 for the external network; choose one with --provider-cidr")


def name_servers(resolv_conf: Path = Path("/etc/resolv.conf")) -> tuple[str, ...]:
    """The machine's IPv4 name servers that a guest can reach too (none on loopback)."""
    try:
        lines = resolv_conf.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                address = ipaddress.ip_address(words[1])
            except ValueError:
                continue
            if address.version == 4 and not address.is_loopback:
                found.append(str(address))
    return tuple(found)


def ensure_user(state: Path) -> pwd.struct_passwd:
    """The system user that the APIs run as; made when it is missing, which the state folder then
    remembers.
    """
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        pass
    command = ["/usr/sbin/useradd", "--system", "--user-group", "--no-create-home", "--home-dir", str(state)]
    done = subprocess.run([*command, "--shell", "/usr/sbin/nologin", USER], capture_output=True, text=True, check=False)
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        raise CliError(f"could not make the system user {USER}: {done.stderr.strip()}") from None
    if done.returncode == 0:
        (state / "made-user").write_text(f"{USER}\n")
    return user


_CAPABILITIES = {"chown": 0, "setgid": 6, "setuid": 7, "sys_admin": 21}


def may(rights: Collection[str]) -> bool:
    """Whether this process has all of these capabilities, as root in a container often has not."""
    lines = Path("/proc/self/status").read_text().splitlines()
    held = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return all(held >> _CAPABILITIES[right] & 1 for right in rights)


def remove_user() -> None:
    """Remove the system user, unless a process of his runs (another cloud's)."""
    try:
        uid = pwd.getpwnam(USER).pw_uid
    except KeyError:
        return
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                return
        except OSError:
            continue
    subprocess.run(["/usr/sbin/userdel", USER], capture_output=True, check=False)


def hidden_from(user: pwd.struct_passwd, path: Path) -> bool:
    """Whether a folder on the way to `path` is closed to `user` (such as a checkout in root's home)."""
    for folder in path.resolve().parents:
        found = folder.stat()
        bit = 0o100 if found.st_uid == user.pw_uid else 0o010 if found.st_gid == user.pw_gid else 0o001
        if not found.st_mode & bit:
            return True
    return False


def may_enter(user: pwd.struct_passwd, folder: Path) -> bool:
    """Whether `user` gets into the folder, asked of the kernel: access lists may say more than modes. Needs root."""
    return _tested(user, "-x", folder)


def may_read(user: pwd.struct_passwd, file: Path) -> bool:
    """Whether `user` may read the file, asked in the same way."""
    return _tested(user, "-r", file)


def _tested(user: pwd.struct_passwd, what: str, path: Path) -> bool:
    command = ["/usr/bin/test", what, str(path)]
    return subprocess.run(command, user=user.pw_uid, group=user.pw_gid, extra_groups=[], check=False).returncode == 0


def mount_points() -> list[Path]:
    """Where file systems are mounted, as this process sees them."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    escapes = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}
    found = []
    for line in lines:
        text = line.split()[4]
        for code, letter in escapes.items():
            text = text.replace(code, letter)
        found.append(Path(text))
    return found


def readable_by_all(path: Path) -> bool:
    """Whether the file itself may be read by everybody."""
    return bool(os.stat(path).st_mode & 0o004)
