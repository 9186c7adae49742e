"""`cumulet audit …`: look up what the lock files pin in the advisories that PyPI serves, for maintainers.

Words after ``audit`` go to pip-audit. A package that could not be looked up counts as a fault, so that an index without
advisories or no network is never taken for "nothing known". It must never install or change anything that it looks at.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from cumulet.cli.errors import CliError

OPTIONS = ["--strict", "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
"""Every line has its hash, so the file alone says what there is: nothing is resolved and no code of a package runs."""


def lock_files(checkout: Path) -> list[Path]:
    """What Cumulet and its tools are made of, this one's own tools with them."""
    return sorted(checkout.glob("requirements*.lock"))


def run(words: list[str]) -> int:
    """Ask for every lock file, whatever was found in another; 0 when all were asked for and nothing is known."""
    checkout = Path(os.environ.get("CUMULET_ROOT", Path(__file__).resolve().parents[3]))
    python = Path(os.environ.get("CUMULET_AUDIT_ENV", "/nonexistent")) / "bin" / "python"
    if not python.exists():
        raise CliError("pip-audit is installed by the launcher: run ./cumulet audit from the checkout")
    found = lock_files(checkout)
    if not found:
        raise CliError(f"{checkout} has no lock files: this needs a checkout")
    env = {name: text for name, text in os.environ.items() if name not in ("PYTHONPATH", "PYTHONSAFEPATH")}
    statuses = {}
    for file in found:
        print(f"== {file.name}", flush=True)
        command = [str(python), "-m", "pip_audit", *OPTIONS, *words, "--requirement", str(file)]
        statuses[file.name] = subprocess.run(command, env=env, check=False).returncode
    print("== summary")
    for name, status in statuses.items():
        print(f"{'nothing known' if status == 0 else 'FAILED':<16}{name}")
    return 0 if not any(statuses.values()) else 1
