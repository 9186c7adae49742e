"""`cumulet up`: from a bare machine, or a stopped cloud, to APIs that answer and a node that is up.

It prepares (packages, user, folders, secrets), starts the supervisor, waits, and lets `first_user` fill the
cloud. When anything fails it stops what it started and says why; running it again continues.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from cumulet.cli import (
    belonging,
    credentials,
    first_user,
    foreground,
    guest_image,
    hints,
    in_force,
    link_client,
    listening,
    logs,
    machine,
    packages,
    processes,
    readiness,
    report,
    service,
    simulate,
    state_folder,
    trust,
    upgrade,
)
from cumulet.cli.api_client import ApiError
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.cli.terminal import plain
from cumulet.config import Settings
from cumulet.introduction import introductions

FLAGS = (
    *("tls", "listen", "public_host", "public_url", "trusted_proxies", "port_base", "one_port", "region", "simulated"),
    *("provider_cidr", "provider_interface", "first_image", "shared"),
)
FURNISHED = "furnished"
_KNOWN = "The database knows what was put into the cloud.\n"
AS_BEFORE = -1
AUTO = 0
"""Instead of a port: the first of nine that are free."""
NOT_AS_ASKED = 4
"""Exit status of ``--strict`` when a cloud that runs has other options than were asked for."""


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("up", help="start the cloud (the first time: make it)", description=__doc__)
    _add_listening(parser)
    parser.add_argument(
        "--port-base",
        type=_port_base,
        metavar="N|auto",
        help="first of nine ports, instead of OpenStack's own; auto: free",
    )
    parser.add_argument(
        "--one-port",
        action=argparse.BooleanOptionalAction,
        help="all APIs on the first port (5000), below /identity, /compute and so on",
    )
    parser.add_argument("--region", metavar="NAME", help="region name (default RegionOne)")
    parser.add_argument(
        "--simulated",
        nargs="?",
        type=int,
        const=AS_BEFORE,
        metavar="HOSTS",
        help="simulated hosts (default: as before, or 1) instead of a hypervisor; needs no root",
    )
    parser.add_argument("--provider-cidr", metavar="CIDR", help="external network (default: a free 172.24.x.0/24)")
    parser.add_argument("--provider-interface", metavar="CARD", help="network card of the external network")
    parser.add_argument(
        "--first-image", metavar="FILE|URL", help="a disk image (qcow2) for the first user, instead of building one"
    )
    shared = "other clouds use the image folders of image.toml, too: nothing there without a row is touched"
    parser.add_argument("--shared", action=argparse.BooleanOptionalAction, help=shared)
    parser.add_argument("--json", action="store_true", help="where things are, as JSON on standard output")
    parser.add_argument(
        "--foreground", action="store_true", help="stay, with the logs on standard output, until SIGTERM"
    )
    strict = f"end with {NOT_AS_ASKED} when the cloud runs already, with other options than these"
    parser.add_argument("--strict", action="store_true", help=strict)
    parser.set_defaults(run=run)


def _port_base(text: str) -> int:
    return AUTO if text == "auto" else int(text)


def _add_listening(parser: argparse.ArgumentParser) -> None:
    """Where the APIs are to be reached, and within what."""
    parser.add_argument("--listen", metavar="ADDR", help="address that the APIs listen on (default 127.0.0.1)")
    parser.add_argument(
        "--tls", action="store_const", const="always", help="speak TLS on loopback, too (beyond it is the default)"
    )
    parser.add_argument(
        "--insecure",
        action="store_const",
        const="never",
        dest="tls",
        help="plain HTTP, even beyond loopback",
    )
    parser.add_argument("--public-host", metavar="NAME", help="host in the catalog's URLs (default: from --listen)")
    parser.add_argument(
        "--public-url",
        action="append",
        metavar="URL",
        help="behind a proxy: the URL of a host with all services, or service=URL (again for others)",
    )
    parser.add_argument(
        "--trusted-proxy",
        action="append",
        dest="trusted_proxies",
        metavar="ADDR|CIDR",
        help="a proxy whose X-Forwarded- headers count (again for others)",
    )


def run(args: argparse.Namespace) -> int:
    """0 when the cloud runs, whoever started it."""
    flags: dict[str, Any] = {name: getattr(args, name) for name in FLAGS}
    flags |= {name: tuple(value) for name, value in flags.items() if isinstance(value, list)}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if flags["listen"]:
        flags["listen"] = listening.resolved(str(flags["listen"]))
    if flags["simulated"] == AS_BEFORE:
        flags["simulated"] = Settings.resolve(args.state, {}, {}).simulated or 1
    chooses = flags["port_base"] == AUTO
    if chooses:
        flags["port_base"] = None
    progress = Progress()
    wanted = Settings.resolve(args.state, flags, os.environ)
    if wanted.simulated is None and os.geteuid() != 0:
        raise CliError(f"a real hypervisor needs root. Without root: {hints.name()} up --simulated --state ~/cumulet")
    state_folder.create(args.state)
    _by_its_unit(wanted, flags, progress, here=args.foreground or chooses)
    with ExitStack() as held, state_folder.locked(args.state):
        # Read again: the `up` or `down` that we waited for may have changed what is saved.
        wanted = Settings.resolve(args.state, flags, os.environ)
        before = processes.supervisor_pid(wanted)
        if before is not None and args.foreground:
            raise CliError(
                f"the cloud in {args.state} runs in the background: {hints.command('down', args.state)} first"
            )
        if before is None and chooses:
            flags["port_base"] = listening.hold(held, wanted.listen, wanted.port_base)
            wanted = Settings.resolve(args.state, flags, os.environ)
        supervisor = _bring_up(wanted, flags, progress, in_front=args.foreground) if before is None else None
        as_asked = _already_up(wanted, progress) if before is not None else True
    settings = Settings.load(args.state)
    if args.json:
        print(json.dumps(report.of(settings, was_up=before is not None)), flush=True)
    if supervisor is None or not args.foreground:
        if belonging.of(settings):
            return 1
        return 0 if as_asked or not args.strict else NOT_AS_ASKED
    return foreground.stay(settings, supervisor, foreground.logs(settings, from_end=False))


def _by_its_unit(wanted: Settings, flags: dict[str, Any], progress: Progress, *, here: bool) -> None:
    """Have systemd start a cloud that is down and has a unit, with these options: it restarts only what it started.

    `here`: it is to be started by this very process. Raises CliError then, and for what a unit cannot be told.
    """
    unit = service.starts(wanted.state)
    if unit is None or processes.supervisor_pid(wanted) is not None:
        return
    if here or "CUMULET_DATABASE_URL" in os.environ:
        remove = hints.command("service remove", wanted.state)
        raise CliError(
            f"{unit} starts this cloud, and cannot with --foreground, --port-base auto or CUMULET_DATABASE_URL: "
            f"{remove} first, and install it again afterwards"
        )
    with state_folder.locked(wanted.state):
        _options(wanted, flags).save()
    with progress.step(f"systemctl start {unit}"):
        service.start(unit)


def _already_up(wanted: Settings, progress: Progress) -> bool:
    """A cloud that runs keeps its options: whether they are those that were asked for. One that an interrupted `up`
    left unfinished is finished."""
    settings = in_force.options(wanted.state)
    changed = wanted.differs(settings)
    if processes.start_again(settings):
        progress.say("What had ended is started again.")
    readiness.wait_for_apis(settings, progress)
    if not _foreign(settings, progress):
        _furnish(settings, progress)
    progress.say(f"The cloud in {settings.state} is already up.")
    if other := upgrade.running(settings):
        progress.say(
            f"It runs {other}; to change to {upgrade.this()}: {hints.command('down', settings.state)}, then up again."
        )
    _summary(settings, progress)
    if changed:
        names = ", ".join(changed)
        again = f"{hints.command('down', settings.state)}, then up again"
        progress.say(f"It keeps its options; to change {names}: {again}.")
    return not changed


def _bring_up(
    wanted: Settings, flags: dict[str, Any], progress: Progress, *, in_front: bool
) -> subprocess.Popen[bytes]:
    """The supervisor of the cloud, which is up. When that fails nothing of it is left running."""
    settings = _options(wanted, flags)
    if settings.simulated is None:
        packages.ensure(progress)
    else:
        simulate.check_start_state(settings)
    listening.ports_free(settings)
    logs.check(settings)
    with progress.step("state folder, secrets and credentials"):
        user = _user(settings)
        is_new = not settings.secrets_dir.exists()
        state_folder.furnish(settings.state, user, node_too=settings.simulated is not None)
        state_folder.make_store_folders(settings.state, user)
        database_url = os.environ.pop("CUMULET_DATABASE_URL", None)  # a secret: no process that we start inherits it
        if database_url:
            state_folder.keep_database_url(settings.state, user, database_url)
        upgrade.keep_options(settings)
        settings.save()
        in_force.keep(settings)
        renewed = _certificates(settings, user)
        credentials.write(settings)
        children = child_specs(settings, user)
    upgrade.ensure(settings, children[0], progress)
    image = _image_in_background(settings, progress)
    try:
        with progress.step("start"):
            supervisor = processes.start(settings, children, foreground=in_front)
        readiness.wait_for_apis(settings, progress)
        readiness.wait_for_nodes(settings, progress)
        if not _foreign(settings, progress):
            _furnish(settings, progress, image)
    except BaseException:
        processes.stop(settings)
        progress.say(f"Stopped again. Logs are in {settings.log_dir}; `{hints.name()} up` continues from here.")
        raise
    progress.say(f"The cloud is up ({progress.seconds():.1f} s).")
    if renewed:
        progress.say(
            f"Its authority is new: clients trust {settings.state}/{trust.COPY} (the credentials files name it)."
        )
    _summary(settings, progress)
    if is_new and "OS_PASSWORD" in os.environ:
        progress.say(f"Passwords are new, and your shell has others: source {settings.state}/admin-openrc again.")
    return supervisor


def _user(settings: Settings) -> pwd.struct_passwd | None:
    """Whom the controller runs as, and simulated hosts: a user without rights when root starts the cloud. None: as we
    are. That is also for a root that cannot be another user, in a container: simulated hosts need none of its rights.
    """
    if os.geteuid() != 0:
        return None
    rights = {"chown", "setgid", "setuid"}
    if settings.simulated is not None and not machine.may(rights):
        return None
    user = machine.ensure_user(settings.state)
    hidden = any(machine.hidden_from(user, place / "any") for place in (processes.SOURCE, Path(sys.prefix)))
    if settings.simulated is not None and hidden and not machine.may({"sys_admin"}):
        return None
    return user


def _certificates(settings: Settings, user: pwd.struct_passwd | None) -> bool:
    """See that the APIs have a certificate to show; whether clients have a new authority to trust."""
    if not settings.encrypted:
        return False
    from cumulet.cli import certificates  # imported here: it takes a tenth of a second

    return certificates.ensure(settings, user)


def _options(wanted: Settings, flags: dict[str, object]) -> Settings:
    """What a first `up` decides, and what a later one may not change."""
    if wanted.file.exists():
        saved = Settings.load(wanted.state)
        if (saved.simulated is None) != (wanted.simulated is None):
            kind = "a real hypervisor" if saved.simulated is None else "simulated hosts"
            raise CliError(f"the cloud in {wanted.state} has {kind}; choose another folder with --state")
        return wanted
    chosen = flags["provider_cidr"] is not None or "CUMULET_PROVIDER_CIDR" in os.environ
    if wanted.simulated is None and not chosen:
        cidr = machine.free_provider_cidr(machine.routed_networks())
        return dataclasses.replace(wanted, provider_cidr=cidr)
    return wanted


def child_specs(settings: Settings, user: pwd.struct_passwd | None) -> list[processes.ChildSpec]:
    """The controller, never as root when `user` is given, the node, and who tells of problems when somebody is told."""
    if user is not None and not _is_compiled(processes.SOURCE / "cumulet"):
        import compileall  # imported here: it is for a start after the code has changed

        # He cannot write beside our files, so they are compiled for him now.
        compileall.compile_dir(str(processes.SOURCE / "cumulet"), quiet=2)
    specs = []
    for name in processes.CHILDREN:
        theirs = user if name == "controller" or settings.simulated is not None else None
        spec = processes.ChildSpec(name, _argv(Path(sys.executable), name, settings), theirs)
        specs.append(spec if theirs is None else _within_reach(spec, settings))
    if settings.on_problem:  # as we are: it reads what `status` reads
        specs.append(processes.ChildSpec("watch", _argv(Path(sys.executable), "watch", settings)))
    return specs


def _is_compiled(folder: Path) -> bool:
    """Whether each module below the folder has been compiled since it was written."""
    names = [entry for entry in os.scandir(folder) if not entry.name.startswith("__pycache__")]
    try:
        compiled = {each.name: each.stat().st_mtime_ns for each in os.scandir(folder / "__pycache__")}
    except FileNotFoundError:
        compiled = {}
    for entry in names:
        if entry.is_dir(follow_symlinks=False):
            if not _is_compiled(Path(entry.path)):
                return False
        elif entry.name.endswith(".py"):
            made = compiled.get(f"{entry.name.removesuffix('.py')}.{sys.implementation.cache_tag}.pyc", 0)
            if made < entry.stat().st_mtime_ns:
                return False
    return True


def _argv(python: Path, name: str, settings: Settings) -> list[str]:
    return [str(python), "-m", "cumulet.cli.serve", name, str(settings.state)]


def _within_reach(spec: processes.ChildSpec, settings: Settings) -> processes.ChildSpec:
    """Show the code and the environment below the state folder to a user whom their own place is closed to.

    A checkout in root's home is such a place; the process gets a mount namespace in which it sees them.
    """
    assert spec.user is not None
    code, environment, python = processes.SOURCE, Path(sys.prefix), Path(sys.executable)
    for file in (Path(__file__), environment / "pyvenv.cfg"):
        if file.exists() and not machine.readable_by_all(file):
            raise CliError(f"{file} cannot be read by the user {spec.user.pw_name}: chmod -R a+rX its folder")
    if machine.hidden_from(spec.user, python.resolve()):
        raise CliError(
            f"the user {spec.user.pw_name} cannot run {python.resolve()}; remove {environment} and run this "
            "again with CUMULET_PYTHON=/usr/bin/python3"
        )
    if machine.hidden_from(spec.user, settings.state) and not machine.may_enter(spec.user, settings.state):
        raise CliError(
            f"the user {spec.user.pw_name}, whom the APIs run as, cannot enter {settings.state}: choose a state folder "
            "below folders that everybody may enter, such as /var/lib/cumulet"
        )
    binds: list[tuple[str, str]] = []
    shown = settings.state / "shown"
    for place, name in ((code, "code"), (environment, "environment")):
        if machine.hidden_from(spec.user, place / "any"):
            (shown / name).mkdir(mode=0o755, parents=True, exist_ok=True)
            binds.append((str(place), str(shown / name)))
            if name == "code":
                code = shown / name
            else:
                python = shown / name / "bin" / python.name
    if binds and not machine.may({"sys_admin"}):
        raise CliError(
            f"{binds[0][0]} cannot be shown to the user {spec.user.pw_name} here, without the right to mount: move the "
            "checkout to a folder that everybody may enter, such as /opt/cumulet"
        )
    if binds and Path("/") not in machine.mount_points():
        # Without it a mount namespace cannot be cut off, and what we show would be mounted for everybody.
        raise CliError(
            f"the user {spec.user.pw_name} cannot enter {binds[0][0]}, and in a chroot it cannot be shown to him: "
            "move the checkout to a folder that everybody may enter, such as /opt/cumulet"
        )
    argv = _argv(python, spec.name, settings)
    return dataclasses.replace(spec, argv=argv, binds=binds, source=code)


def _image_in_background(settings: Settings, progress: Progress) -> Callable[[], Path | None]:
    """Build or find the image while the APIs start; the result is asked for when it is needed."""
    if (settings.state / FURNISHED).exists():
        return lambda: None
    if settings.simulated is not None:
        return lambda: guest_image.for_first_user(settings, progress)
    import threading  # imported here: a stand-in needs no building
    from concurrent.futures import Future

    future: Future[Path | None] = Future()
    work = threading.Thread(
        # Daemon: an `up` that fails does not wait for an image that nobody asks for any more.
        target=lambda: future.set_result(guest_image.for_first_user(settings, progress)),
        daemon=True,
    )
    work.start()
    return future.result


def _furnish(settings: Settings, progress: Progress, image: Callable[[], Path | None] | None = None) -> None:
    """Fill the cloud once. It is done again when it was cut off, or when there was no image to be had."""
    done = settings.state / FURNISHED
    if done.exists():
        if done.stat().st_size == 0:
            # The file of before the database knew: nothing is put into a cloud twice.
            link_client.keep_furnished(settings, first_user.THINGS)
            done.write_text(_KNOWN)
        return
    if first_user.furnish(settings, image or (lambda: guest_image.for_first_user(settings, progress)), progress):
        done.write_text(_KNOWN)
        if settings.simulated is not None:
            with suppress(ApiError):  # a disk without room for it is no reason to stop
                link_client.act(settings, "snapshots", {"name": FURNISHED}, 60)


def _foreign(settings: Settings, progress: Progress) -> bool:
    """Whether the controller and what is there do not belong together, which is said first. Nothing is put into such a
    cloud."""
    found = belonging.of(settings)
    for problem in found:
        progress.say(f"PROBLEM: {plain(str(problem))}")
    return bool(found)


def _summary(settings: Settings, progress: Progress) -> None:
    """Where things are. Passwords are in the files only."""
    for each in introductions():
        if each.type != "link":
            url = settings.auth_url if each.gives_tokens else settings.url(each.type)
            progress.say(f"  {each.type:<10} {url}")
    progress.say(f"Credentials: {settings.state}/admin-openrc, demo-openrc and clouds.yaml")
    progress.say(f"Next: {hints.command('openstack server list', settings.state)}")
