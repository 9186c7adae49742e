"""Files of an operator that are not in force: they cannot be read, or were changed since they were."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli import in_force
from cumulet.cli.problems.seen import Seen
from cumulet.config import ConfigError, Settings
from cumulet.problem import Problem


def check(seen: Seen) -> Iterator[Problem]:
    """``cumulet.toml`` against the options that the cloud was started with."""
    again = f"{seen.command('down')}, then up again, brings it into force"
    try:
        now = Settings.load(seen.state)
    except ConfigError as error:
        goes_on = ". The cloud goes on with the options that it was started with" if seen.running else ""
        said, advice = str(error), "Mend it before the next start"
        if not seen.settings.file.exists():
            said = f"{seen.settings.file} is not there"
            advice = f"Copy {seen.settings.run_dir}/cumulet.toml, the options of the last start, to its place"
        yield Problem("options-ignored", f"{said}{goes_on}", advice)
        return
    began = in_force.kept(seen.state) if seen.running else None
    if began is None:
        return
    changed = now.differs(began)
    if changed:
        names = ", ".join(changed)
        yield Problem("options-ignored", f"{seen.settings.file} was changed since the start ({names})", again)
