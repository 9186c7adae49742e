"""A guest of 512 bytes: says a line on its serial port, then sleeps until its power button is pressed.

Small enough to boot under emulation in about a second, and real: BIOS, disk, serial port and ACPI are all QEMU's.
"""

from __future__ import annotations

import hashlib

from cumulet.desired.guest import BootImage

HELLO = b"hello from the boot sector\r\n"
_SAY = bytes.fromhex("31c0 8ed8 fc be0000 ac 84c0 7406 baf803 ee ebf5".replace(" ", ""))
_ENABLE_BUTTON = bytes.fromhex("ba0206 ed 80cc01 ef".replace(" ", ""))  # PM1_EN |= power button
_AWAIT_BUTTON = bytes.fromhex("fb f4 ba0006 ed f6c401 74f5".replace(" ", ""))  # hlt until PM1_STS has it
_SWITCH_OFF = bytes.fromhex("ba0406 b80020 ef fb f4 ebfc".replace(" ", ""))  # PM1_CNT = S5
_FILL = bytes.fromhex(  # int 13h extended writes of 127 sectors, each 128 further on than the last, for ever
    "be0005 c7041000 c744027f00 c744040010 c744060000 c744080008 c7440a0000 c7440c0000 c7440e0000"
    "b80043 b280 cd13 8144088000 ebf2".replace(" ", "")
)
_PARTITION = bytes.fromhex("80010100 83010100 01000000 01000000".replace(" ", ""))


def disk(kind: str = "obeys", size: int = 1 << 20) -> bytes:
    """A raw disk. `kind`: obeys (the power button), ignores (it), leaves (switches itself off at
    once), fills (writes into its disk without end)."""
    code = {
        "obeys": _ENABLE_BUTTON + _AWAIT_BUTTON + _SWITCH_OFF,
        "ignores": b"\xfb\xf4\xeb\xfc",
        "leaves": _SWITCH_OFF,
        "fills": _FILL,
    }[kind]
    say = bytearray(_SAY)
    say[6:8] = (0x7C00 + len(_SAY) + len(code)).to_bytes(2, "little")
    sector = (bytes(say) + code + HELLO + b"\0").ljust(446, b"\0") + _PARTITION.ljust(64, b"\0") + b"\x55\xaa"
    return sector.ljust(size, b"\0")


def image(kind: str = "obeys", size: int = 1 << 20) -> BootImage:
    """The image's description; its id follows from its content."""
    digest = hashlib.sha512(disk(kind, size)).hexdigest()
    image_id = f"{digest[:8]}-0000-4000-8000-000000000000"
    return BootImage(id=image_id, disk_format="raw", size=size, os_hash_value=digest)
