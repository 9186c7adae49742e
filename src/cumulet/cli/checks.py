"""`cumulet test …`: linter, format, types and tests, as everybody runs them before a change goes in.

``--coverage`` has what the tests go through counted, and prints a table of it; when all tests run, less than the floor
in `tests/coverage_table.py` fails. All other words after ``test`` go to pytest. Without root, tests that need it are
left out, and the summary says so. How many workers run side by side is up to `tests/conftest.py`; ``-n N`` among the
words says otherwise.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from cumulet.cli import packages
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress

COVERAGE = "--coverage"


def commands(words: list[str], *, root: bool) -> dict[str, list[str]]:
    """Name of each check and the module and words to run it with."""
    left_out = [] if root else ["-m", "not root and not guest"]
    some = any(not word.startswith("-") for word in words)
    found = {
        "ruff": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "mypy": ["mypy"],
        "pytest": ["pytest", "-n", "auto", "--dist", "loadfile", *left_out, *words],
    }
    if COVERAGE in words:
        found["pytest"] = ["--cov" if word == COVERAGE else word for word in found["pytest"]] + ["--cov-report="]
        found["coverage"] = ["tests.coverage_table", *(["--floor"] if root and not some else [])]
    return found


def run(words: list[str]) -> int:
    """Run all, whatever fails, and print a summary; 0 when all passed."""
    checkout = Path(os.environ.get("CUMULET_ROOT", Path(__file__).resolve().parents[3]))
    if not (checkout / "tests").is_dir():
        raise CliError(f"{checkout} has no tests: this needs a checkout")
    root = os.geteuid() == 0
    if root:
        only_tests = packages.listed((checkout / "tests" / "packages.txt").read_text(encoding="utf-8"))
        packages.ensure(Progress(), [*packages.needed(), *only_tests])
    env = os.environ | {"PYTHONPATH": str(checkout / "src")}
    # The tests are run from the checkout and import from it.
    env.pop("PYTHONSAFEPATH", None)
    results = []
    for name, command in commands(words, root=root).items():
        print(f"== {name}", flush=True)
        start = time.monotonic()
        done = subprocess.run([sys.executable, "-m", *command], cwd=checkout, env=env, check=False)
        results.append((name, done.returncode, time.monotonic() - start))
    print("== summary")
    for name, status, seconds in results:
        print(f"{'passed' if status == 0 else 'FAILED':<8}{name:<8}{seconds:8.1f} s")
    if not root:
        print("left out: tests that need root (network namespaces, guests)")
    return 0 if all(status == 0 for _, status, _ in results) else 1
