"""Screening of untrusted image bytes while they stream by: the content must be what the record says it is.

Nothing here, and nothing before here, may hand the bytes to a program that interprets them: oslo.utils reads
headers only. An image that names another file (backing file, data file, VMDK extent) is refused, as is one that
is two formats at once.
"""

from __future__ import annotations

from typing import Any

from cumulet.http.faults import UnsupportedMedia

_SCREENED = frozenset({"bare", "ami", "aki", "ari"})
_CONTENT = {
    "raw": ({"raw"}, {"gpt"}),
    "gpt": ({"gpt"},),
    "ami": ({"raw"}, {"gpt"}),
    "aki": ({"raw"},),
    "ari": ({"raw"},),
    "ploop": ({"raw"}, {"gpt"}),
    "iso": ({"iso"}, {"iso", "gpt"}),
    "qcow2": ({"qcow2"},),
    "vmdk": ({"vmdk"},),
    "vdi": ({"vdi"},),
    "vhd": ({"vhd"},),
    "vhdx": ({"vhdx"},),
    "luks": ({"luks"},),
}
"""Declared disk format → what may be found, all that is found at once."""


_FOUND_AS = ("qcow2", "raw", "iso", "vmdk", "vdi", "vhd", "vhdx", "luks")
"""In which order a format is looked for in content of which nobody says what it is."""

_PIECES = {"vhdx": 64 << 10}
"""Formats whose places follow from one another: the reader finds no two of them in one piece."""


def screened(container_format: str | None) -> bool:
    """Whether the bytes in such a container are screened. What is not never leaves the image service: a guest
    boots from screened bytes only."""
    return container_format in _SCREENED


def declared_format(found: set[str]) -> str | None:
    """The disk format that content may be declared as in which these formats were found; None for what no image may
    be."""
    return next((name for name in _FOUND_AS if found in _CONTENT[name]), None)


class _Feed:
    """The source that oslo.utils reads from: whatever block is at hand."""

    def __init__(self) -> None:
        self.block: bytes | bytearray = b""

    def read(self, _size: int) -> bytes | bytearray:
        return self.block


class Screen:
    """Looks at blocks in their order; `finish` says what they were. Raises 415 as soon as it is sure."""

    def __init__(self, disk_format: str | None) -> None:
        """`disk_format` None: whatever is found, which is to be declared before `finish`."""
        from oslo_utils.imageutils import format_inspector  # here: it takes a tenth of a second to load

        self.declared = disk_format
        self._feed = _Feed()
        source: Any = self._feed
        expected = disk_format if disk_format in format_inspector.ALL_FORMATS else None
        self._wrapper: Any = format_inspector.InspectWrapper(source, expected if expected != "raw" else None)

    def eat(self, block: bytes | bytearray) -> None:
        """The next block. Raises 415."""
        step = min(_PIECES.values()) if self.declared is None else _PIECES.get(self.declared, len(block)) or 1
        try:
            for place in range(0, len(block), step):
                self._feed.block = block[place : place + step] if step < len(block) else block
                self._wrapper.read(step)
        except Exception as error:
            raise self._refused(str(error)) from None

    def found(self) -> set[str]:
        """All blocks were eaten: the formats that they are in, all at once. Raises 415."""
        self._wrapper.close()
        try:
            return {str(inspector) for inspector in self._wrapper.formats}
        except Exception as error:
            raise self._refused(str(error)) from None

    def finish(self, size: int) -> int | None:
        """All blocks were eaten, `size` bytes: the virtual size in bytes where the format has one. Raises 415."""
        names = self.found()
        found = self._wrapper.formats
        if names not in _CONTENT.get(self.declared or "", ()):
            raise self._refused(f"content is {'+'.join(sorted(names))}")
        for inspector in found:
            if str(inspector) != "raw":
                self._check(inspector)
        return self._virtual_size(found, size)

    def _check(self, inspector: Any) -> None:
        from oslo_utils.imageutils import format_inspector

        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as unsafe:
            raise self._refused(f"failed safety checks: {', '.join(sorted(unsafe.failures))}") from None
        except Exception as error:
            raise self._refused(str(error)) from None

    def _virtual_size(self, found: list[Any], size: int) -> int | None:
        if len(found) != 1 or str(found[0]) in ("raw", "gpt", "iso", "luks"):
            return size
        try:
            return int(found[0].virtual_size) or None
        except Exception:
            return None

    def _refused(self, reason: str) -> UnsupportedMedia:
        return UnsupportedMedia(f"Image content does not match disk_format {self.declared}: {reason}")
