"""What a long command says while it works: one line per step with its time; on a terminal the line is live.

It only writes to the stream it is given; it never decides anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class Progress:
    """Prints steps to `out` (standard error by default, so that results can be piped)."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.began = time.monotonic()
        self._step = ""

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """A step that is being done. Its line ends with the seconds it took, or with "failed"."""
        start, self._step = time.monotonic(), text
        self._show(f"  … {text}")
        try:
            yield
        except BaseException:
            self._end(f"  ✗ {text}: failed after {time.monotonic() - start:.1f} s")
            raise
        self._end(f"  ✓ {text} ({time.monotonic() - start:.1f} s)")

    def detail(self, text: str) -> None:
        """What the step does just now (seen on a terminal only)."""
        self._show(f"  … {self._step}: {text}")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._end(text)

    def seconds(self) -> float:
        """Since the command began."""
        return time.monotonic() - self.began

    def _show(self, text: str) -> None:
        if self.live:
            self._write(f"\r\x1b[K{text[:100]}")

    def _end(self, text: str) -> None:
        self._write(f"\r\x1b[K{text}\n" if self.live else f"{text}\n")

    def _write(self, text: str) -> None:
        encoding = self.out.encoding or "utf-8"
        self.out.write(text.encode(encoding, "replace").decode(encoding))
        self.out.flush()
