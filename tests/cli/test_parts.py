"""The smaller parts of the command line, each by itself."""

from __future__ import annotations

import ipaddress
import os
import pwd
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest

from cumulet.cli import (
    checks,
    credentials,
    explain,
    first_user,
    machine,
    openstack,
    packages,
    processes,
    state_folder,
    status,
    up,
)
from cumulet.cli.errors import CliError
from cumulet.cli.main import build_parser
from cumulet.config import SECRETS, ConfigError, Settings
from tests import coverage_table

ROUTES = """Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT
eth0 00000000 0100A8C0 0003 0 0 0 00000000 0 0 0
eth0 0000A8C0 00000000 0001 0 0 0 00FFFFFF 0 0 0
br0 000418AC 00000000 0001 0 0 0 00FFFFFF 0 0 0
"""


def test_the_external_network_avoids_what_the_machine_routes(tmp_path: Path) -> None:
    (tmp_path / "route").write_text(ROUTES)
    used = machine.routed_networks(tmp_path / "route")
    assert [str(network) for network in used] == ["192.168.0.0/24", "172.24.4.0/24"]
    assert machine.free_provider_cidr([]) == "172.24.4.0/24"
    assert machine.free_provider_cidr(used) == "172.24.5.0/24"
    with pytest.raises(ConfigError, match="provider-cidr"):
        machine.free_provider_cidr([ipaddress.IPv4Network("172.16.0.0/12")])


def test_name_servers_on_loopback_are_no_use_to_a_guest(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text("# x\nnameserver 127.0.0.53\nnameserver 10.1.1.1 # y\nnameserver fd00::1\nnameserver no\n")
    assert machine.name_servers(file) == ("10.1.1.1",)
    assert machine.name_servers(tmp_path / "none") == ()


def test_addresses_of_the_external_pool() -> None:
    assert first_user.provider_addresses("172.24.4.0/24") == ("172.24.4.1", "172.24.4.100", "172.24.4.250")
    gateway, first, last = (ipaddress.ip_address(text) for text in first_user.provider_addresses("10.0.0.0/28"))
    assert gateway < first < last < ipaddress.ip_address("10.0.0.15")  # type: ignore[operator]


def test_a_sourced_openrc_survives_any_password(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {"region": "it's $HOME"}, {})
    state_folder.create(tmp_path)
    state_folder.furnish(tmp_path, None)
    (settings.secrets_dir / "demo_password").write_text("a'b$c`d\"e\n")
    credentials.write(settings)
    openrc = shlex.quote(str(tmp_path / "demo-openrc"))
    script = f'OS_CLOUD=x; . {openrc}; echo "$OS_PASSWORD|$OS_REGION_NAME|$OS_CLOUD"'
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "a'b$c`d\"e|it's $HOME|\n"
    clouds = (tmp_path / "clouds.yaml").read_text()
    assert '  cumulet:\n    auth:\n      auth_url: "http://127.0.0.1:5000/v3"\n' in clouds
    assert '"a\'b$c`d\\"e"' in clouds


def test_secrets_are_private_and_made_once(tmp_path: Path) -> None:
    state_folder.create(tmp_path)
    state_folder.furnish(tmp_path, None)
    files = sorted((tmp_path / "secrets").iterdir())
    texts = [file.read_text() for file in files]
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    assert len(set(texts)) == len(texts) == len(SECRETS)
    state_folder.furnish(tmp_path, None)
    assert [file.read_text() for file in files] == texts


def test_a_secret_is_not_written_through_a_link(tmp_path: Path) -> None:
    """The folder belongs to the controller's user; root writes into it."""
    state = tmp_path / "state"
    state_folder.create(state)
    (state / "secrets").mkdir()
    (state / "secrets" / "operator_secret").symlink_to(tmp_path / "victim")
    state_folder.furnish(state, None)
    assert not (tmp_path / "victim").exists()
    assert not (state / "secrets" / "operator_secret").is_symlink()


def test_folders_that_are_links_are_refused(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state_folder.create(state)
    (tmp_path / "elsewhere").mkdir()
    (state / "db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(CliError, match="symbolic link"):
        state_folder.furnish(state, None)


def test_a_state_folder_that_is_a_link_is_called_so(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "state").symlink_to(tmp_path / "disk")
    with pytest.raises(CliError, match=f"is a symbolic link; .*--state {tmp_path}/disk"):
        state_folder.create(tmp_path / "state")
    assert not list((tmp_path / "disk").iterdir())


def test_an_interrupted_purge_can_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state_folder.create(state)
    state_folder.furnish(state, None)

    def broken(path: Path) -> None:
        raise OSError("disk trouble")

    with monkeypatch.context() as patch:
        patch.setattr("cumulet.node.trees.remove", broken)
        with pytest.raises(OSError, match="disk trouble"):
            state_folder.delete(state)
    assert state_folder.is_state_folder(state)
    state_folder.delete(state)
    assert not state.exists()


def test_nothing_is_deleted_while_something_is_mounted_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "state"
    state_folder.create(state)
    state_folder.furnish(state, None)
    monkeypatch.setattr(machine, "mount_points", lambda: [Path("/"), state / "shown" / "code"])
    with pytest.raises(CliError, match=r"unmount .*/shown/code first"):
        state_folder.delete(state)
    assert (state / "secrets" / "operator_secret").exists()


def test_a_mount_point_is_emptied_and_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finding B17. What a file system has at its root is not the cloud's; a cloud is made there anew."""
    state = tmp_path / "state"
    (state / "lost+found").mkdir(parents=True)
    monkeypatch.setattr(machine, "mount_points", lambda: [Path("/"), state])
    for _ in range(2):
        state_folder.create(state)
        (state / "db").mkdir()
        (state / "db" / "rows").write_text("x")
        assert state_folder.delete(state) is False
        assert [path.name for path in state.iterdir()] == ["lost+found"]
    state_folder.create(state)
    monkeypatch.setattr(machine, "mount_points", lambda: [state, state / "db"])
    with pytest.raises(CliError, match="unmount"):
        state_folder.delete(state)
    monkeypatch.setattr(machine, "mount_points", lambda: [Path("/")])
    assert state_folder.delete(state) is True and not state.exists()


def test_mount_points_are_read() -> None:
    assert {Path("/"), Path("/proc")} <= set(machine.mount_points())


def test_what_is_installed_is_not_asked_for_again() -> None:
    assert packages.missing(["dpkg", "no-such-package-here"]) == ["no-such-package-here"]
    names = packages.needed()
    assert "dnsmasq-base" in names
    assert len(names) == len(set(names))
    assert not any("#" in name for name in names)


def test_no_service_is_started_while_packages_are_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    monkeypatch.setattr(packages, "POLICY", policy)
    with packages._no_services():
        assert subprocess.run([policy], check=False).returncode == 101
    assert not policy.exists()
    policy.write_text("#!/bin/sh\nexit 0\n")
    with packages._no_services():
        assert "exit 0" in policy.read_text()
    assert "exit 0" in policy.read_text()


def test_the_client_is_the_admin_unless_the_user_says_who(tmp_path: Path) -> None:
    plain = openstack.environment(tmp_path, {"PATH": "/bin", "PYTHONPATH": "/x"})
    assert plain == {
        "PATH": "/bin",
        "OS_CLOUD": "cumulet-admin",
        "OS_CLIENT_CONFIG_FILE": f"{tmp_path}/clouds.yaml",
    }
    assert "OS_CLOUD" not in openstack.environment(tmp_path, {"OS_AUTH_URL": "http://x"})
    assert openstack.environment(tmp_path, {"OS_CLOUD": "cumulet"})["OS_CLOUD"] == "cumulet"


def test_without_root_some_tests_are_left_out() -> None:
    dealt = ["pytest", "-n", "auto", "--dist", "loadfile"]
    assert checks.commands(["-x"], root=False)["pytest"] == [*dealt, "-m", "not root and not guest", "-x"]
    assert checks.commands(["tests/cli"], root=True)["pytest"] == [*dealt, "tests/cli"]


def test_coverage_has_a_floor_when_all_tests_run() -> None:
    counted = checks.commands(["--coverage", "--durations=5"], root=True)
    assert counted["pytest"][-3:] == ["--cov", "--durations=5", "--cov-report="]
    assert counted["coverage"] == ["tests.coverage_table", "--floor"]
    assert checks.commands(["--coverage"], root=False)["coverage"] == ["tests.coverage_table"]
    assert checks.commands(["--coverage", "tests/cli"], root=True)["coverage"] == ["tests.coverage_table"]
    assert "coverage" not in checks.commands([], root=True)


def test_the_table_of_coverage_sums_up_rooms() -> None:
    def file(lines: int, branches: int) -> dict[str, dict[str, int]]:
        return {
            "summary": {"covered_lines": lines, "covered_branches": branches, "num_statements": 4, "num_branches": 4}
        }

    files = {
        "src/cumulet/files.py": file(4, 4),
        "src/cumulet/services/image/model/images.py": file(2, 0),
        "src/cumulet/services/image/api/images.py": file(0, 0),
        "/elsewhere/src/cumulet/http/app.py": file(4, 0),
    }
    assert [*coverage_table.table(files)] == [
        (".", 100.0, 8),
        ("http", 50.0, 8),
        ("services/image", 12.5, 16),
        ("all", 43.75, 32),
    ]


def test_a_name_cannot_move_the_terminals_cursor() -> None:
    row = {"at": "now", "event": "x", "message": "evil\x1b[2J", "detail": ["a\rb"]}
    subject = {"kind": "server", "id": "1", "name": "\x1b]0;x", "timeline": [row], "errors": ["\x1b"]}
    text = explain.as_text({"subjects": [subject]})
    assert "\x1b" not in text
    assert "\r" not in text


def test_a_stopped_cloud_says_what_runs_on() -> None:
    texts = [
        status.as_text({"running": False, "state": "/x", "guests": guests, "ended": "", "details": []})
        for guests in (0, 1, 2)
    ]
    assert [text.partition(". ")[0] for text in texts] == [
        "The cloud in /x is down",
        "The cloud in /x is down; 1 guest runs on",
        "The cloud in /x is down; 2 guests run on",
    ]


def test_a_closed_folder_on_the_way_is_noticed(tmp_path: Path) -> None:
    other = pwd.getpwnam("daemon")
    closed = tmp_path / "closed" / "inner"
    closed.mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    assert machine.hidden_from(other, closed / "file")
    assert not machine.hidden_from(other, Path("/usr/bin/python3"))
    mine = pwd.getpwuid(os.geteuid())
    assert not machine.hidden_from(mine, closed / "file")


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_state_folder_that_the_apis_cannot_enter_is_refused() -> None:
    """Such as one in root's home: else the controller ends again and again, and only "Permission denied" is seen."""
    daemon = pwd.getpwnam("daemon")
    spec = processes.ChildSpec("controller", ["x"], daemon)
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        settings = Settings.resolve(Path(place) / "state", {}, {})
        state_folder.create(settings.state)
        with pytest.raises(CliError, match=f"the user daemon, .* cannot enter {settings.state}"):
            up._within_reach(spec, settings)
        Path(place).chmod(0o711)
        up._within_reach(spec, settings)


def test_a_closed_checkout_is_shown_below_the_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code in a folder that the controller's user may not enter; Python itself in the open."""
    (tmp_path / "closed" / "src").mkdir(parents=True)
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.setattr(processes, "SOURCE", tmp_path / "closed" / "src")
    monkeypatch.setattr("sys.prefix", "/usr")
    monkeypatch.setattr("sys.executable", "/usr/bin/python3")
    monkeypatch.setattr(machine, "may_enter", lambda _user, _folder: True)
    settings = Settings.resolve(tmp_path / "state", {}, {})
    spec = processes.ChildSpec("controller", ["/usr/bin/python3"], pwd.getpwnam("daemon"))
    reached = up._within_reach(spec, settings)
    shown = settings.state / "shown" / "code"
    assert reached.binds == [(str(tmp_path / "closed" / "src"), str(shown))]
    assert (reached.source, reached.argv[0]) == (shown, "/usr/bin/python3")
    assert shown.is_dir()


def test_every_verb_takes_a_state_folder() -> None:
    parser = build_parser()
    assert parser.parse_args(["up", "--simulated", "5", "--state", "x"]).simulated == 5
    assert parser.parse_args(["down", "--purge", "--state", "x"]).state == Path("x").absolute()
    for words in (["status", "--json"], ["explain", "thing"], ["image", "build"]):
        assert callable(parser.parse_args(words).run)
