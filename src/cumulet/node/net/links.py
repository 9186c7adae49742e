"""Devices, addresses and namespaces as ``ip`` sees them, and batches of changes to them.

Reads one dump instead of many questions; the kernel is the truth, nothing is remembered here.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from cumulet.desired import texts
from cumulet.node.net.run import NodeCommandError, NodeError, run

Commands = list[list[str]]
_NAMESPACES = Path("/run/netns")
_CLONE_NEWNET = 0x40000000


class Link(Struct, frozen=True):
    """A network device. `addresses` are global ones with prefix length, e.g. ``10.0.0.2/24``."""

    name: str
    mac: str
    mtu: int
    up: bool
    master: str | None
    kind: str | None
    data: dict[str, Any] = field(default_factory=dict)
    addresses: frozenset[str] = frozenset()


def links(netns: str | None = None) -> dict[str, Link]:
    """Every device of a namespace, by name. NodeCommandError when the namespace does not exist."""
    place = ["-n", netns] if netns else []
    found = {}
    for raw in json.loads(run("ip", *place, "-j", "-d", "addr", "show").stdout or "[]"):
        if "ifname" not in raw:
            continue
        info = raw.get("linkinfo") or {}
        found[raw["ifname"]] = Link(
            name=raw["ifname"],
            mac=raw.get("address", ""),
            mtu=raw.get("mtu", 0),
            up="UP" in raw.get("flags", []),
            master=raw.get("master"),
            kind=info.get("info_kind"),
            data=info.get("info_data") or {},
            addresses=frozenset(
                f"{each['local']}/{each['prefixlen']}"
                for each in raw.get("addr_info", [])
                if each.get("scope") == "global" and "local" in each
            ),
        )
    return found


def change(commands: Commands, netns: str | None = None) -> None:
    """Run several ``ip`` commands in one process; the first that fails raises NodeCommandError."""
    if not commands:
        return
    place = ["-n", netns] if netns else []
    text = _batch(commands)
    done = run("ip", *place, "-batch", "-", stdin=text, check=False)
    if done.returncode != 0:
        raise NodeCommandError(["ip", *place, "-batch", text], done.returncode, done.stderr)


def change_each(commands: Commands, netns: str | None = None) -> list[str]:
    """As :func:`change`, but one that fails does not keep the others from being run; returns what failed, and why."""
    if not commands:
        return []
    place = ["-n", netns] if netns else []
    done = run("ip", *place, "-force", "-batch", "-", stdin=_batch(commands), check=False)
    if done.returncode == 0:
        return []
    failed: list[str] = []
    said: list[str] = []
    for line in done.stderr.splitlines():
        if number := _FAILED.fullmatch(line):
            failed.append(f"{' '.join(commands[int(number[1]) - 1])}: {' '.join(said)[:200]}")
            said = []
        else:
            said.append(line.strip())
    if not failed or said:  # `ip` itself ended, and what stood behind has not been run
        raise NodeCommandError(["ip", *place, "-batch"], done.returncode, done.stderr)
    return failed


_FAILED = re.compile(r"Command failed -:([0-9]{1,6})")


def _batch(commands: Commands) -> str:
    """The commands as ``ip -batch`` reads them. ValueError when a word is not one."""
    for command in commands:
        for token in command:
            if not token or " " in texts.line(token):
                raise ValueError(f"not one word: {texts.shown(token)}")
    return texts.lines(" ".join(command) for command in commands)


def delete_device(name: str, netns: str | None = None) -> None:
    """Remove a device; it may be gone already."""
    place = ["-n", netns] if netns else []
    done = run("ip", *place, "link", "del", "dev", name, check=False)
    if done.returncode != 0 and "Cannot find device" not in done.stderr and "No such file" not in done.stderr:
        raise NodeCommandError(["ip", "link", "del", name], done.returncode, done.stderr)


def set_addresses(link: Link, wanted: Sequence[str]) -> Commands:
    """Commands that give a device exactly these global addresses (``ip/prefix``)."""
    keep = set(wanted)
    commands = [["addr", "del", each, "dev", link.name] for each in sorted(link.addresses - keep)]
    for each in wanted:
        if each not in link.addresses:
            broadcast = ["brd", "+"] if ":" not in each and not each.endswith(("/32", "/31")) else []
            nodad = ["nodad"] if ":" in each else []
            commands.append(["addr", "replace", each, *broadcast, "dev", link.name, *nodad])
    return commands


def sysctl(name: str, value: str) -> None:
    """Set a setting under /proc/sys of the namespace this process is in, unless it has that value."""
    path = Path("/proc/sys") / name
    if path.exists() and path.read_text().strip() != value:
        path.write_text(value)


# ---- namespaces --------------------------------------------------------------------------------------------


def namespaces() -> set[str]:
    """Names of all network namespaces that ``ip netns`` knows."""
    try:
        return {entry.name for entry in _NAMESPACES.iterdir()}
    except FileNotFoundError:
        return set()


def ensure_namespace(name: str, settings: dict[str, str] | None = None) -> bool:
    """Make a namespace with loopback up and these sysctl settings. True when it was made now.

    A name left behind without a namespace (a crash between two steps) is made anew; what a crash left undone in one
    that is there is done now.
    """
    loopback = ""
    if name in namespaces():
        shown = run("ip", "-n", name, "-o", "link", "show", "dev", "lo", check=False)
        if shown.returncode != 0:
            run("ip", "netns", "del", name, check=False)
        loopback = shown.stdout
    made = name not in namespaces()
    if made:
        run("ip", "netns", "add", name)
    if made or ",UP" not in loopback:
        change([["link", "set", "dev", "lo", "up"]], name)
    if settings:
        with ThreadPoolExecutor(1) as own_thread:  # it enters the namespace and ends there
            own_thread.submit(_settle_settings, name, settings).result()
    return made


def _settle_settings(namespace: str, settings: dict[str, str]) -> None:
    """Enter the namespace with this thread, for good, and set what is different there."""
    descriptor = os.open(_NAMESPACES / namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, _CLONE_NEWNET) != 0:
            raise NodeError(f"cannot enter the namespace {namespace}: {os.strerror(ctypes.get_errno())}")
        for key, value in settings.items():
            sysctl(key.replace(".", "/"), value)
    except OSError as error:
        raise NodeError(f"a setting of the namespace {namespace}: {error}") from error
    finally:
        os.close(descriptor)


def release_namespace_folder() -> None:
    """Unmount the folder of namespaces when none is left: `ip netns` mounts it with the first one."""
    folder = _NAMESPACES
    if not folder.exists() or any(folder.iterdir()):
        return
    # A folder mounted over itself looks like no mount point to stat(2): only the list of mounts tells.
    while any(line.split()[1] == str(folder) for line in Path("/proc/self/mounts").read_text().splitlines()):
        run("umount", str(folder))
    with contextlib.suppress(OSError):
        folder.rmdir()


def delete_namespace(name: str) -> None:
    """Remove a namespace and first its virtual devices, so that their other ends are gone on return."""
    if name not in namespaces():
        return
    try:
        for link in links(name).values():
            if link.kind == "veth":
                delete_device(link.name, name)
    except NodeCommandError:
        # A name without a namespace behind it has no devices to remove.
        pass
    done = run("ip", "netns", "del", name, check=False)
    if done.returncode != 0 and name in namespaces():
        raise NodeCommandError(["ip", "netns", "del", name], done.returncode, done.stderr)


def ensure_leg(netns: str, inside: str, outside: str, bridge: str, mac: str, mtu: int) -> bool:
    """A veth pair: `inside` in the namespace with this MAC, `outside` in the bridge. True when anything
    changed."""
    here, there = links(), links(netns)
    changed = False
    if inside not in there or outside not in here:
        if inside in there:
            delete_device(inside, netns)
        if outside in here:
            delete_device(outside)
        pair = ["link", "add", outside, "mtu", str(mtu), "type", "veth", "peer", "name", inside]
        change([[*pair, "address", mac, "mtu", str(mtu), "netns", netns]])
        changed = True
        here, there = links(), links(netns)
    changed |= _settle(here[outside], [("master", bridge)], mtu, None)
    inner = there[inside]
    if inner.mac != mac:
        change([["link", "set", "dev", inside, "address", mac]], netns)
        changed = True
    return _settle(inner, [], mtu, netns) or changed


def _settle(link: Link, wanted: list[tuple[str, str]], mtu: int, netns: str | None) -> bool:
    words: list[str] = []
    for key, value in wanted:
        if getattr(link, key) != value:
            words += [key, value]
    if link.mtu != mtu:
        words += ["mtu", str(mtu)]
    if not link.up:
        words.append("up")
    if words:
        change([["link", "set", "dev", link.name, *words]], netns)
    return bool(words)
