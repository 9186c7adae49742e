"""Runs one process of a cloud: ``python -m cumulet.cli.serve controller|node|watch STATE``.

It loads the settings and calls ``run(settings)`` of ``cumulet.cli.controller``, ``.node`` or ``.watch``.
What happens when they are put together is those modules' business.
"""

from __future__ import annotations

import gc
import importlib
import sys
from pathlib import Path

from cumulet.cli import logs
from cumulet.config import ConfigError, Settings

ROLES = ("controller", "node", "watch")


def main(argv: list[str]) -> int:
    """Exit status 2 for a wrong call or wrong options, else what the process ends with."""
    if len(argv) != 2 or argv[0] not in ROLES:
        print(f"usage: serve {'|'.join(ROLES)} STATE", file=sys.stderr)
        return 2
    role, state = argv
    try:
        settings = Settings.load(Path(state))
    except ConfigError as error:
        print(f"{role}: {error}", file=sys.stderr)
        return 2
    gc.disable()  # what is loaded stays: a tenth of the start is looking for cycles in it. Each process turns it on
    logs.configure(settings.log_level, form=settings.log_format, to=settings.log_to, name=role)
    module = importlib.import_module(f"cumulet.cli.{role}")
    return int(module.run(settings) or 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
