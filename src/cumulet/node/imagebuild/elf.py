"""Reads which shared libraries an ELF file asks for (its NEEDED entries). Never runs the file."""

from __future__ import annotations

import struct
from pathlib import Path

_LOAD, _DYNAMIC = 1, 2
_END, _NEEDED, _STRTAB = 0, 1, 5


def needed(path: Path) -> list[str]:
    """Names of the libraries a 64-bit little-endian ELF file needs; none for other files."""
    data = path.read_bytes()
    if data[:6] != b"\x7fELF\x02\x01":
        return []
    table, (size, count) = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<HH", data, 54)
    headers = [struct.unpack_from("<IIQQQQ", data, table + size * index) for index in range(count)]
    loads = [(address, offset, length) for kind, _, offset, address, _, length in headers if kind == _LOAD]
    dynamic = next((header for header in headers if header[0] == _DYNAMIC), None)
    if dynamic is None:
        return []
    names: list[int] = []
    strings = 0
    for offset in range(dynamic[2], dynamic[2] + dynamic[5], 16):
        tag, value = struct.unpack_from("<qQ", data, offset)
        if tag == _END:
            break
        if tag == _NEEDED:
            names.append(value)
        elif tag == _STRTAB:
            strings = value
    start = next(offset + strings - at for at, offset, length in loads if at <= strings < at + length)
    return [data[start + name : data.index(b"\0", start + name)].decode() for name in names]
