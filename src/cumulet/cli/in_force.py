"""The options that a running cloud has, which are not always those that ``cumulet.toml`` says by now.

`up` leaves a copy in ``run``. With it `down` and `status` work whatever has become of the file; without it they still
know the lock, which is all that stopping needs.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from cumulet import files
from cumulet.cli import processes, state_folder
from cumulet.config import ConfigError, Settings


def keep(settings: Settings) -> None:
    """Note the options that a cloud is started with."""
    files.put_unless_so(settings.run_dir / "cumulet.toml", settings.to_toml(), mode=0o644)


def kept(state: Path) -> Settings | None:
    """The options of the last start; None when there is no such note, or one that cannot be read."""
    try:
        return dataclasses.replace(Settings.load(state / "run"), state=state.absolute())
    except ConfigError:
        return None


def options(state: Path) -> Settings:
    """The options of the cloud in `state`: of one that runs what it was started with, else what the file says, else
    what is known without it. Raises ConfigError when there is no cloud."""
    if not state_folder.is_state_folder(state):
        return Settings.load(state)
    bare = Settings(state=state.absolute())
    if processes.supervisor_pid(bare) is not None and (started := kept(state)):
        return started
    try:
        return Settings.load(state)
    except ConfigError:
        return kept(state) or _guessed(bare)


def _guessed(bare: Settings) -> Settings:
    """Simulated hosts leave a folder of theirs. Taking a real cloud for one would leave its guests on the host."""
    return dataclasses.replace(bare, simulated=1) if (bare.node_dir / "world").exists() else bare


def why_not(state: Path) -> str | None:
    """What is wrong with ``cumulet.toml``, None when nothing is."""
    try:
        Settings.load(state)
    except ConfigError as error:
        return str(error)
    return None
