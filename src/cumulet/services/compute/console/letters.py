"""Letters of five by seven points, for pictures that are made here. Small letters are drawn as capitals."""

from __future__ import annotations

from collections.abc import Sequence

_FIRST, _LAST, _WIDE, _HIGH = " ", "_", 5, 7
# Five columns for each letter from the space to the low line, the lowest bit at the top.
_COLUMNS = bytes.fromhex(
    "0000000000 00005f0000 0007000700 147f147f14 242a7f2a12 2313086462 3649562050 0008070300"
    "001c224100 0041221c00 2a1c7f1c2a 08083e0808 0080703000 0808080808 0000606000 2010080402"
    "3e5149453e 00427f4000 7249494946 2141494d33 1814127f10 2745454539 3c4a494931 4121110907"
    "3649494936 464949291e 0000140000 0040340000 0008142241 1414141414 0041221408 0201590906"
    "3e415d594e 7c1211127c 7f49494936 3e41414122 7f4141413e 7f49494941 7f09090901 3e41415173"
    "7f0808087f 00417f4100 2040413f01 7f08142241 7f40404040 7f021c027f 7f0408107f 3e4141413e"
    "7f09090906 3e4151215e 7f09192946 2649494932 03017f0103 3f4040403f 1f2040201f 3f4038403f"
    "6314081463 0304780403 6159494d43 007f414141 0204081020 004141417f 0402010204 4040404040"
)


def drawn(lines: Sequence[str], width: int, height: int, size: int = 2) -> list[bytes]:
    """A picture of the lines: a byte for each point of each row, 1 where a letter is. What does not fit is cut off."""
    rows = []
    for number in range(height):
        line, inside = divmod(number // size, _HIGH + 3)
        at = inside - 1
        text = lines[line - 1] if 0 < line <= len(lines) and 0 <= at < _HIGH else ""
        row = bytes(_WIDE * size) + b"".join(_row(letter, at, size) for letter in text)
        rows.append(row[:width].ljust(width, b"\0"))
    return rows


def _row(letter: str, at: int, size: int) -> bytes:
    """One row of a letter, with the gap behind it."""
    capital = letter.upper() if letter.isascii() else "?"
    known = capital if _FIRST <= capital <= _LAST else "?"
    start = (ord(known) - ord(_FIRST)) * _WIDE
    points = [column >> at & 1 for column in _COLUMNS[start : start + _WIDE]]
    return b"".join(bytes([point]) * size for point in (*points, 0))
