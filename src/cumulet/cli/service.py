"""`cumulet service install | remove | status`: a systemd unit that starts the cloud with the machine.

systemd watches the supervisor alone: guests, their hypervisor daemon and their networks' helpers live on when the unit
stops, as with `cumulet down`. When the machine itself goes down, guests are asked to switch off first. It must never
touch a unit that it did not write, and no secret goes into one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from cumulet import files
from cumulet.cli import hints, processes, state_folder
from cumulet.cli.errors import CliError
from cumulet.config import DEFAULT_STATE, Settings

UNITS = Path("/etc/systemd/system")
BOOTED = Path("/run/systemd/system")
"""Is there when systemd runs the machine, and only then."""
GUESTS_SECONDS = 60.0
"""How long guests have to switch off when the machine goes down; then their plugs are pulled."""
NOT_ACTIVE = 3
"""Exit status of ``service status`` when there is no unit or it does not run, as systemctl has it."""
_MARK = "X-Cumulet-State="
_TEMPLATE = """\
# Written by `cumulet service install`, which writes it anew when it is run again.
[Unit]
Description=Cumulet cloud in {shown}
{mark}{shown}
Wants=network-online.target
After=network-online.target postgresql.service
RequiresMountsFor={quoted}
ConditionPathExists={shown}/{marker}
StartLimitIntervalSec=600
StartLimitBurst=5

[Service]
Type=forking
PIDFile={shown}/run/supervisor.pid
{environment}ExecStart={command} up --state {quoted}
ExecStop={command} service guests-off --state {quoted}
Restart=on-failure
RestartSec=5
TimeoutStartSec=900
TimeoutStopSec=180
KillMode=process
Delegate=yes
OOMPolicy=continue
TasksMax=infinity

[Install]
WantedBy=multi-user.target
"""


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("service", help="have systemd start the cloud with the machine", description=__doc__)
    actions = ["install", "remove", "status", "guests-off"]
    said = "guests-off is what the unit runs when it stops: it switches guests off if the machine goes down"
    parser.add_argument("action", nargs="?", choices=actions, default="status", help=f"default: status; {said}")
    parser.add_argument("--no-start", action="store_true", help="install: write the unit, enable and start nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """The exit status of the action."""
    state: Path = args.state
    _check_printable(state)
    if args.action == "status":
        return _status(state)
    if args.action == "guests-off":
        return _guests_off(state)
    _check_rights()
    return _install(state, now=not args.no_start) if args.action == "install" else _remove(state)


# ---- what others ask ---------------------------------------------------------------------------------------------


def unit_of(state: Path) -> str | None:
    """The unit that starts the cloud in this folder, by its file's name."""
    line = f"{_MARK}{_shown(state)}"
    for file in sorted(UNITS.glob("cumulet*.service")):
        try:
            if line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                return file.name
        except OSError:
            continue
    return None


def starts(state: Path) -> str | None:
    """The unit through which this cloud is to be started: None when there is none, or when it is systemd that asks."""
    unit = unit_of(state)
    if unit is None or os.geteuid() != 0 or not BOOTED.is_dir() or f"/{unit}" in Path("/proc/self/cgroup").read_text():
        return None
    return unit


def start(unit: str) -> None:
    """Have systemd start the unit, and wait for it. Raises CliError."""
    _systemctl("reset-failed", unit, check=False)
    if _systemctl("start", unit, check=False).returncode != 0:
        raise CliError(f"systemd could not start {unit}. What it said: journalctl --unit {unit} --lines 30")


def forget(state: Path) -> str | None:
    """Remove the cloud's unit, if there is one: its name."""
    unit = unit_of(state) if os.geteuid() == 0 else None
    if unit is not None:
        if BOOTED.is_dir():
            _systemctl("disable", unit, check=False)
        (UNITS / unit).unlink(missing_ok=True)
        if BOOTED.is_dir():
            _systemctl("daemon-reload")
    return unit


# ---- the actions -------------------------------------------------------------------------------------------------


def _install(state: Path, *, now: bool) -> int:
    if not state_folder.is_state_folder(state) or not (state / "cumulet.toml").exists():
        raise CliError(f"there is no cloud in {state} yet: {hints.command('up', state)} first, with the flags it needs")
    state_folder.check_owner(state)
    unit = unit_of(state) or _free_name(state)
    file, text = UNITS / unit, unit_text(state)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if before != text:
        files.put(file, text, mode=0o644)
        _systemctl("daemon-reload")
    print(f"{file} {'is as it should be' if before == text else 'is written'}.")
    if not now:
        print(f"Nothing is enabled or started: systemctl enable --now {unit}")
        return 0
    _systemctl("enable", unit)
    settings = Settings.load(state)
    active = _systemctl("is-active", unit, check=False).returncode == 0
    if not active and processes.supervisor_pid(settings) is not None:
        print("The cloud was started by hand: it is stopped, and started again by systemd. Guests run on.")
        with state_folder.locked(state):
            processes.stop(settings)
    if not active:
        start(unit)
    print(f"{unit} is enabled and runs. It starts the cloud with the machine.")
    return 0


def _remove(state: Path) -> int:
    unit = forget(state)
    if unit is None:
        print(f"No unit starts the cloud in {state}.")
        return 0
    print(f"{unit} is gone. The cloud is as it was; {hints.command('down', state)} stops it.")
    return 0


def _status(state: Path) -> int:
    unit = unit_of(state)
    if unit is None:
        print(f"No unit starts the cloud in {state}. To have one, as root: {hints.command('service install', state)}")
        return NOT_ACTIVE
    if not BOOTED.is_dir():
        print(f"{unit} is there, but systemd does not run this machine.")
        return NOT_ACTIVE
    enabled, active = (_systemctl(f"is-{what}", unit, check=False).stdout.strip() for what in ("enabled", "active"))
    print(f"{unit}: {enabled}, {active}.")
    running = processes.supervisor_pid(Settings.load(state)) is not None
    if running and active != "active":
        print(f"The cloud runs, but not by systemd: {hints.command('service install', state)} hands it over.")
    if active == "failed":
        print(f"Why: journalctl --unit {unit} --lines 30")
    return 0 if active == "active" else NOT_ACTIVE


def _guests_off(state: Path) -> int:
    """Run by the unit whenever it stops. It does something only if the whole machine goes down."""
    if not BOOTED.is_dir() or _systemctl("is-system-running", check=False).stdout.strip() != "stopping":
        print("The machine stays up: guests run on.")
        return 0
    settings = Settings.load(state)
    processes.stop(settings)  # a node that saw its guests off would start them again
    if settings.simulated is not None or not processes.guests(settings):
        print("The machine goes down, and no guest runs.")
        return 0
    from cumulet.node.host_end import switch_off  # a simulated cloud does without all that this needs

    ran, unwilling = switch_off(settings, GUESTS_SECONDS)
    print(f"{ran} guests ran; {ran - unwilling} switched off, {unwilling} did not within {GUESTS_SECONDS:.0f} s.")
    return 0


# ---- the unit ----------------------------------------------------------------------------------------------------


def unit_text(state: Path) -> str:
    """The unit for the cloud in that folder, by the way that we were started ourselves."""
    environment = ""
    if "CUMULET_ENV" in os.environ and os.environ.get("CUMULET_ROOT"):
        value = str(Path(os.environ["CUMULET_ENV"]).absolute()).replace("%", "%%")
        environment = f"Environment={_quoted(f'CUMULET_ENV={value}', percent=False)}\n"
    return _TEMPLATE.format(
        shown=_shown(state),
        quoted=_quoted(str(state)),
        mark=_MARK,
        marker=state_folder.MARKER,
        environment=environment,
        command=" ".join(_quoted(word) for word in _command()),
    )


def _command() -> list[str]:
    """How we are called, in absolute words: the launcher of a checkout, or this Python with the installed package."""
    root = os.environ.get("CUMULET_ROOT")
    if root:
        return [str(Path(root).absolute() / "cumulet")]
    return [sys.executable, "-m", "cumulet.cli.main"]


def _shown(state: Path) -> str:
    """A path as it stands in a line of a unit that takes one path, spaces and all."""
    return str(state).replace("%", "%%")


def _quoted(word: str, *, percent: bool = True) -> str:
    """A word of a command line in a unit: neither systemd's specifiers nor its variables nor spaces change it."""
    if percent:
        word = word.replace("%", "%%")
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{word}"'


def _free_name(state: Path) -> str:
    """``cumulet.service`` for the machine's own cloud; another's has its folder's name, and more if that is taken."""
    if state == DEFAULT_STATE:
        return "cumulet.service"
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", state.name).strip("-.") or "cloud"
    unit = f"cumulet-{name}.service"
    if (UNITS / unit).exists():
        unit = f"cumulet-{name}-{hashlib.sha256(os.fsencode(state)).hexdigest()[:8]}.service"
    return unit


# ---- systemd -----------------------------------------------------------------------------------------------------


def _check_printable(state: Path) -> None:
    if not str(state).isprintable():
        raise CliError(
            "the name of the state folder has characters that a unit cannot hold; choose another with --state"
        )


def _check_rights() -> None:
    if os.geteuid() != 0:
        raise CliError("only root can install or remove a unit of the machine: run this as root")
    if not BOOTED.is_dir():
        raise CliError(
            "systemd does not run this machine, so there is nothing to install into; in a container, "
            f"{hints.name()} up --foreground is what its first process can be"
        )


def _systemctl(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = ["systemctl", "--no-pager", *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise CliError("there is no systemctl on the PATH") from None
    if check and done.returncode != 0:
        raise CliError(f"systemctl {' '.join(words)}: {done.stderr.strip() or f'exit {done.returncode}'}")
    return done
