"""A simulated cloud for somebody else's tests: made in seconds, told what to do, reset in a fraction of one.

    with cumulet.testing.cloud(hosts=3) as cloud:
        cloud.rule("boot=fail", match_name="bad-*")
        connection = cloud.connect()

With pytest, the fixtures of `cumulet.testing.plugin` do the rest. It needs nothing but this package; `connect` needs
openstacksdk. Must never talk to a cloud other than those that it made.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

__all__ = ["Cloud", "CumuletError", "cloud"]

_SOURCE = str(Path(__file__).resolve().parents[2])
_START_S, _ORDER_S = 180.0, 60.0


class CumuletError(RuntimeError):
    """The cloud could not do what was asked of it; the text is its own."""


@dataclass
class Cloud:
    """A running simulated cloud. `report` is what ``up --json`` says of it: ``auth_url``, ``urls``, ``ports`` and so
    on."""

    state: Path
    report: Mapping[str, Any]
    _marks: dict[str, int] = field(default_factory=dict)

    @property
    def auth_url(self) -> str:
        """Identity's URL."""
        return str(self.report["auth_url"])

    @property
    def clouds_yaml(self) -> Path:
        """The file with the clouds ``cumulet`` (the user demo) and ``cumulet-admin``."""
        return Path(self.report["clouds_yaml"])

    @property
    def environment(self) -> dict[str, str]:
        """What a program under test needs in its environment to find the cloud as the user demo."""
        return {"OS_CLIENT_CONFIG_FILE": str(self.clouds_yaml), "OS_CLOUD": "cumulet"}

    def connect(self, name: str = "cumulet") -> Any:
        """An ``openstack.connection.Connection`` to one of the clouds of `clouds_yaml`; needs openstacksdk."""
        try:
            import openstack.config
            import openstack.connection
        except ImportError:
            raise CumuletError("connect() needs openstacksdk: pip install openstacksdk") from None
        config = openstack.config.OpenStackConfig(config_files=[str(self.clouds_yaml)], load_envvars=False)
        return openstack.connection.Connection(config=config.get_one(cloud=name))

    # ---- the simulation

    def rule(self, *do: str, **whom: str | int) -> int:
        """From now on hosts do so, such as ``boot=fail``; the rule's number. `whom`: `match_name`, `match_host`, `nth`
        or `times`, as ``cumulet simulate rule`` has them."""
        return int(self.order("simulation", {"rule": {"do": list(do), **whom}})["rule"])

    def host(self, name: str, state: Literal["up", "down", "cut"]) -> None:
        """A host dies, is cut off, or comes back."""
        self.order("simulation", {"host": {"name": name, "state": state}})

    def server(self, name: str, event: Literal["crash", "power-off"]) -> None:
        """A guest ends by itself; `name` is the server's name or id."""
        self.order("simulation", {"server": {"name": name, "event": event}})

    def fault(self, operation: str, **what: str | int) -> None:
        """An operation such as ``compute:POST:/servers`` fails, or takes its time: `status`, `delay`, `times` and
        `retry_after`, as ``cumulet simulate fault`` has them."""
        self.order("simulation", {"fault": {"operation": operation, **what}})

    def clear(self, rule: int | None = None) -> None:
        """Forget a rule, or all that was told, and bring all hosts up."""
        self.order("simulation", {"clear": True if rule is None else rule})

    # ---- going back

    def snapshot(self, name: str) -> None:
        """Remember how the cloud is."""
        self.order("snapshots", {"name": name})

    def reset(self, name: str = "furnished") -> None:
        """As it was at the snapshot, without one as after its start; nothing is told to hosts any more."""
        self.clear()
        self.order("reset", {"name": name})

    # ---- what was logged

    def mark(self) -> None:
        """`log` begins here."""
        self._marks = {path.name: path.stat().st_size for path in self._logs()}

    def log(self) -> str:
        """What the cloud's processes logged since `mark`, or since the start."""
        parts = []
        for path in self._logs():
            with path.open("rb") as file:
                begun = self._marks.get(path.name, 0)
                file.seek(begun if begun <= path.stat().st_size else 0)
                parts.append(f"==> {path.name}\n{file.read().decode('utf-8', 'replace')}")
        return "\n".join(parts)

    def order(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST to the operator's door of the cloud. Raises CumuletError with its sentence."""
        secret = Path(self.report["operator_secret"]).read_text().strip()
        headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.report["ports"]["link"], timeout=_ORDER_S)
        try:
            connection.request("POST", f"/v1/{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        if answer.status >= 300:
            raise CumuletError(_sentence(text))
        return dict(json.loads(text)) if text else {}

    def _logs(self) -> list[Path]:
        return sorted(Path(self.report["logs"]).glob("*.log"))


@contextmanager
def cloud(
    *, hosts: int = 1, state: Path | None = None, script: Mapping[str, Any] | None = None, flags: tuple[str, ...] = ()
) -> Iterator[Cloud]:
    """A simulated cloud for the length of the block, on free ports, beside any others; it is purged afterwards.

    `state`: its folder, which must be empty or not there (default: a temporary one). `script`: what ``simulated.json``
    holds. `flags`: more words for ``up``. Raises CumuletError with what `up` says when the cloud does not start.
    """
    with tempfile.TemporaryDirectory(prefix="cumulet-") as temporary:
        Path(temporary).chmod(0o755)  # as root, the cloud runs as a user of its own
        folder = state or Path(temporary) / "state"
        if script is not None:
            folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            (folder / "simulated.json").write_text(json.dumps(script))
            (folder / "simulated.json").chmod(0o644)
        words = ["up", "--simulated", str(hosts), "--port-base", "auto", "--json", *flags]
        try:
            yield Cloud(folder, json.loads(_run(folder, *words)))
        finally:
            _run(folder, "down", "--purge")


def _run(state: Path, *words: str) -> str:
    """A verb's standard output. Raises CumuletError with its standard error."""
    env = {name: text for name, text in os.environ.items() if not name.startswith(("OS_", "CUMULET_"))}
    env["PYTHONPATH"] = os.pathsep.join([_SOURCE, *filter(None, [env.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "cumulet", *words, "--state", str(state)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=_START_S, check=False)
    if done.returncode != 0:
        raise CumuletError(f"cumulet {' '.join(words)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _sentence(text: str) -> str:
    try:
        return str(json.loads(text)["errors"][0]["detail"])
    except (ValueError, KeyError, IndexError, TypeError):
        return text[:500]
