"""A folder in which OpenStack's own suite, Tempest, runs against one cloud: configuration, selection, results.

It must never touch another run's folder or the home of whoever runs it, so that runs live side by side.
"""

from __future__ import annotations

import csv
import io
import os
import subprocess
import time
from collections.abc import Sequence
from configparser import RawConfigParser
from pathlib import Path
from typing import Any

from cumulet.auth.policy_file import NAME as POLICY
from cumulet.cli.api_client import Session
from cumulet.config import Settings

Sections = dict[str, dict[str, Any]]


def configuration(settings: Settings, folder: Path) -> Sections:
    """What Tempest has to know: the admin, addresses, what there is to boot from, and which services are not there.

    It makes the accounts that its tests run as itself (dynamic credentials), with networks of their own.
    """
    password = settings.secret("admin_password")
    admin = Session(settings.local_url("identity"), "admin", password, settings.region)
    image = admin.request("GET", "image", "/images")["images"][0]["id"]
    flavors = sorted(admin.request("GET", "compute", "/flavors/detail")["flavors"], key=lambda flavor: flavor["ram"])
    provider = admin.named("network", "networks", "provider")
    assert provider is not None
    return {
        "DEFAULT": {"log_file": folder / "tempest.log", "use_stderr": False},
        "oslo_concurrency": {"lock_path": folder / "locks"},
        "auth": {
            "use_dynamic_credentials": True,
            "admin_username": "admin",
            "admin_password": password,
            "admin_project_name": "admin",
            "admin_domain_name": "Default",
            "admin_system": "all",
        },
        "identity": {
            "uri_v3": f"{settings.local_url('identity')}/v3",
            "region": settings.region,
            "admin_domain_scope": True,
        },
        "identity-feature-enabled": {"access_rules": True, "domain_specific_drivers": True, "federation": True},
        "image-feature-enabled": {"image_format_enforcement": True, "os_glance_reserved": True},
        "compute": {
            "image_ref": image,
            "image_ref_alt": image,
            "flavor_ref": flavors[0]["id"],
            "flavor_ref_alt": flavors[1]["id"],
        },
        "network": {"public_network_id": provider["id"], "floating_network_name": "provider"},
        # Hosts that only pretend have no guest to log in to.
        "validation": {"run_validation": False},
        "enforce_scope": {"keystone": True, "glance": True, "nova": True, "neutron": True, "placement": True},
        "service_available": {"cinder": False, "swift": False, "horizon": False},
    }


def govern(settings: Settings, policy: str) -> None:
    """Put `policy` in force in a running cloud, as an operator does. Returns when the controller has read it."""
    log = settings.log_dir / "controller.log"

    def times() -> int:
        return log.read_text(errors="replace").count(f"{POLICY}: read again, in force now")

    before, draft = times(), settings.state / f"{POLICY}.new"
    draft.write_text(policy)
    draft.chmod(0o644)  # with root the controller is another user
    draft.replace(settings.state / POLICY)
    deadline = time.monotonic() + 20
    while times() == before:
        assert time.monotonic() < deadline, "the controller does not read its policy"
        time.sleep(0.1)


class Workspace:
    """`environment`: the virtual environment that has Tempest. `folder` must be empty."""

    def __init__(self, environment: Path, folder: Path, sections: Sections) -> None:
        self.programs = environment / "bin"
        self.folder = folder
        self.env = {
            "PATH": f"{self.programs}:/usr/bin:/bin",
            "HOME": str(folder),
            "TEMPEST_CONFIG_DIR": str(folder),
            "TEMPEST_CONFIG": "tempest.conf",
            "OS_TEST_TIMEOUT": "120",
            "LC_ALL": "C.UTF-8",
        }
        written = RawConfigParser(default_section="")
        written.read_dict({name: {key: str(value) for key, value in of.items()} for name, of in sections.items()})
        # The admin's password stands in it.
        with open(folder / "tempest.conf", "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            written.write(file)
        told = self._run("python", "-c", "import os, tempest; print(os.path.dirname(tempest.__file__))")
        package = told.stdout.strip()
        lines = ["[DEFAULT]", f"test_path={package}/test_discover", f"top_dir={package}", r"group_regex=([^\.]*\.)*"]
        (folder / ".stestr.conf").write_text("\n".join([*lines, ""]))
        self._run("stestr", "init")

    def _run(self, *words: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [str(self.programs / words[0]), *words[1:]]
        done = subprocess.run(
            command, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done

    def run(self, ids: Sequence[str], workers: int = 2, timeout: float = 240) -> tuple[dict[str, str], str]:
        """Run exactly these tests: the status of each that ran (`success`, `fail`, `skip`), and what was said.

        What was said is without the lines of tests that passed: tracebacks, and why a class was skipped or not set up.
        """
        (self.folder / "ids").write_text("\n".join([*ids, ""]))
        done = self._run(
            "tempest", "run", "--load-list", "ids", "--concurrency", str(workers), check=False, timeout=timeout
        )
        (self.folder / "last.subunit").write_bytes(
            subprocess.run(
                [self.programs / "stestr", "last", "--subunit"],
                cwd=self.folder,
                env=self.env,
                capture_output=True,
                timeout=60,
                check=False,
            ).stdout
        )
        table = self._run("subunit2csv", "--no-passthrough", "last.subunit", check=False).stdout
        statuses = {row["test"]: row["status"] for row in csv.DictReader(io.StringIO(table))}
        said = [line for line in (done.stdout + done.stderr).splitlines() if not line.endswith(" ... ok")]
        return statuses, "\n".join(said)
