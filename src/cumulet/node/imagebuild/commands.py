"""Runs the programs that image building needs. Never through a shell, never silently failing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path


class ImageBuildError(Exception):
    """An image could not be built; the text says which step failed and what the program said."""


def run(argv: Sequence[str], *, cwd: Path | None = None, stdin: str | None = None, timeout: float = 300) -> str:
    """Run a program to its end and return what it printed.

    Raises ImageBuildError when it is missing, fails, or takes longer than `timeout` seconds.
    """
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    environment = {**os.environ, "PATH": path, "LC_ALL": "C", "MTOOLS_SKIP_CHECK": "1"}
    try:
        done = subprocess.run(
            list(argv),
            cwd=cwd,
            input=stdin,
            env=environment,
            timeout=timeout,
            text=True,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError as error:
        raise ImageBuildError(f"{argv[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ImageBuildError(f"{argv[0]} did not finish within {timeout:.0f} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-800:]
        raise ImageBuildError(f"{' '.join(argv[:4])} failed with {done.returncode}: {said}")
    return done.stdout
