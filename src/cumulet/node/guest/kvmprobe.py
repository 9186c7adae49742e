"""Finds out whether KVM really runs guests here, by running three tiny ones.

That /dev/kvm opens, that it speaks API version 12 and that a stub halts properly say little: some kernels interpret
the guest instruction by instruction, correctly and a thousand times too slowly. Only the speed of a loop tells.
Each guest runs in a child process that is killed after `LIMIT_S`. Must never raise: no answer means no KVM.
Also a program of its own (standard library only): ``kvmprobe.py real|long|loop`` exits 0 when that guest ran.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import mmap
import os
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

LIMIT_S = 0.7
LOOP = 20_000_000

_CREATE_VM, _VCPU_MMAP_SIZE, _CREATE_VCPU, _RUN, _SET_TSS = 0xAE01, 0xAE04, 0xAE41, 0xAE80, 0xAE47
_SET_MEMORY, _SET_REGS, _GET_SREGS, _SET_SREGS = 0x4020AE46, 0x4090AE82, 0x8138AE83, 0x4138AE84
_EXIT_IO, _EXIT_HLT = 2, 5
_PORT_STUB = bytes.fromhex("b041e6e9f4")  # mov al,'A'; out 0xe9,al; hlt
_LOOP_STUB = b"\xb9" + struct.pack("<I", LOOP) + bytes.fromhex("ffc975fc") + _PORT_STUB  # dec ecx; jnz


class Verdict(Struct, frozen=True):
    """`usable` decides; `sentence` is for ``status``."""

    usable: bool
    sentence: str

    @property
    def virt_type(self) -> str:
        """Libvirt's domain type: kvm or qemu."""
        return "kvm" if self.usable else "qemu"


def probe(remembered: Path, device: str = "/dev/kvm") -> Verdict:
    """Whether KVM is usable, measured once per boot and kernel and then read from the file `remembered`."""
    key = f"{_boot_key()} {_permissions(device)}"
    try:
        known = json.loads(remembered.read_text())
        if known["key"] == key and known["device"] == device:
            return Verdict(bool(known["usable"]), str(known["sentence"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    verdict = measure(device)
    try:
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(json.dumps({"key": key, "device": device, **asdict(verdict)}))
    except OSError:
        pass
    return verdict


def virt_type(remembered: Path) -> str:
    """'kvm' or 'qemu', see probe()."""
    return probe(remembered).virt_type


def measure(device: str = "/dev/kvm") -> Verdict:
    """Run the three guests now; takes at most three times `LIMIT_S` and the start of the interpreter."""
    if not os.path.exists(device):
        return Verdict(False, f"no {device}: guests are emulated (slow)")
    if not os.access(device, os.R_OK | os.W_OK):
        return Verdict(False, f"{device} is not accessible: guests are emulated (slow)")
    for guest, meaning in (
        ("real", "does not run a guest in real mode"),
        ("long", "does not run a guest in 64-bit mode"),
        ("loop", "interprets guest code far too slowly"),
    ):
        if not _ran_in_time(guest, device):
            return Verdict(False, f"{device} exists but {meaning}: guests are emulated (slow)")
    if not _for_others(device):
        hint = f"chgrp kvm {device} && chmod 660 {device}"
        return Verdict(False, f"{device} is root's alone: guests, who are not root, are emulated (slow); {hint}")
    return Verdict(True, "KVM runs guests at hardware speed")


def group(device: str = "/dev/kvm") -> int | None:
    """The group that a QEMU without root must be in to open the device; None when everybody may."""
    facts = os.stat(device)
    return None if facts.st_mode & 0o006 == 0o006 else facts.st_gid


def _for_others(device: str) -> bool:
    facts = os.stat(device)
    return facts.st_mode & 0o006 == 0o006 or (facts.st_mode & 0o060 == 0o060 and facts.st_gid != 0)


def _permissions(device: str) -> str:
    try:
        facts = os.stat(device)
    except OSError:
        return ""
    return f"{facts.st_mode:o} {facts.st_gid}"


def _boot_key() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot = "unknown"
    return f"{boot} {os.uname().release} {os.uname().version}"


def _ran_in_time(guest: str, device: str) -> bool:
    command = [sys.executable, "-I", "-S", os.path.abspath(__file__), guest, device]
    try:
        done = subprocess.run(command, timeout=LIMIT_S, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


# ---- inside the child ----------------------------------------------------------------------------------------


def run_guest(guest: str, device: str) -> bool:
    """Run one stub to its `hlt`; true when it wrote its byte to the port on the way."""
    kvm = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    machine = fcntl.ioctl(kvm, _CREATE_VM, 0)
    with suppress(OSError):  # only some processors need it
        fcntl.ioctl(machine, _SET_TSS, 0x7FFBD000)
    memory = mmap.mmap(-1, 1 << 21, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    fcntl.ioctl(machine, _SET_MEMORY, struct.pack("<IIQQQ", 0, 0, 0, len(memory), address))
    code = _LOOP_STUB if guest == "loop" else _PORT_STUB
    memory[0x8000 : 0x8000 + len(code)] = code
    processor = fcntl.ioctl(machine, _CREATE_VCPU, 0)
    shared = mmap.mmap(processor, fcntl.ioctl(kvm, _VCPU_MMAP_SIZE, 0))
    special = bytearray(312)
    fcntl.ioctl(processor, _GET_SREGS, special)
    _set_mode(special, memory, long_mode=guest != "real")
    fcntl.ioctl(processor, _SET_SREGS, bytes(special))
    registers = [0] * 18
    registers[16], registers[17] = 0x8000, 2  # rip, rflags
    fcntl.ioctl(processor, _SET_REGS, struct.pack("<18Q", *registers))
    wrote = False
    while True:
        fcntl.ioctl(processor, _RUN, 0)
        (reason,) = struct.unpack_from("<I", shared, 8)
        if reason == _EXIT_HLT:
            return wrote
        if reason != _EXIT_IO:
            return False
        wrote = True


def _set_mode(special: bytearray, memory: mmap.mmap, *, long_mode: bool) -> None:
    """Flat segments; for long mode one 2 MiB page mapped onto itself by tables at 0x1000-0x3000."""
    for index in range(6):  # cs, ds, es, fs, gs, ss
        base, limit, selector, kind, present, dpl, db, s, wide, g, avl, unusable, pad = struct.unpack_from(
            "<QIH10B", special, index * 24
        )
        if long_mode:
            limit, selector, kind = 0xFFFFFFFF, 8 if index == 0 else 16, 11 if index == 0 else 3
            present, s, g, db, wide, unusable = 1, 1, 1, int(index != 0), int(index == 0), 0
        else:
            selector = 0
        struct.pack_into(
            "<QIH10B", special, index * 24,
            0, limit, selector, kind, present, dpl, db, s, wide, g, avl, unusable, pad,
        )  # fmt: skip
        del base
    if long_mode:
        struct.pack_into("<Q", memory, 0x1000, 0x2003)
        struct.pack_into("<Q", memory, 0x2000, 0x3003)
        struct.pack_into("<Q", memory, 0x3000, 0x83)
        struct.pack_into("<5Q", special, 224, 0x80050033, 0, 0x1000, 0x20, 0)  # cr0 cr2 cr3 cr4 cr8
        struct.pack_into("<Q", special, 264, 0x500)  # efer: long mode enabled and active


if __name__ == "__main__":
    try:
        sys.exit(0 if run_guest(sys.argv[1], sys.argv[2]) else 1)
    except OSError as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
