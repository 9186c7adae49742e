"""What the command line says of mistakes: the table of messages that were poor, each with what it says now."""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cumulet.cli import adopt, hints, in_force, listening, main, openstack, processes, state_folder, words
from cumulet.cli.api_client import ApiError
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.config import ConfigError, Settings
from tests.cli.test_up import Cloud
from tests.laws.source import ROOT


def said(capsys: pytest.CaptureFixture[str], *typed: str) -> tuple[int, str]:
    """Exit status and what stands on standard error, which is one line."""
    status = main.main(list(typed))
    text = capsys.readouterr().err
    assert text.count("\n") == 1 and text.startswith("cumulet: "), text
    return status, text.strip()


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        (["stauts"], "no verb stauts; did you mean status?"),
        (["sttaus", "--json"], "did you mean status?"),
        (["server", "list"], "server is a command of the client: cumulet openstack server list"),
        (["image", "list"], "image is a command of the client: cumulet openstack image list"),
        (["frobnicate"], "no verb frobnicate; cumulet --help lists them"),
        (["up", "--simlated", "3"], "up has no flag --simlated; did you mean --simulated?"),
        (["status", "--jsn=1"], "status has no flag --jsn; did you mean --json?"),
        (["status", "now"], "status has no use for 'now'"),
        (["up", "--port-base", "many"], "up: argument --port-base: invalid"),
        (["status", "--state"], "--state wants a folder"),
        (["--state", "/a", "status", "--state=/b"], "--state is given twice: /a and /b"),
    ],
)
def test_words_that_make_no_sense(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: list[str], expected: str
) -> None:
    monkeypatch.setattr(hints, "name", lambda: "cumulet")  # not as these tests were started
    status, text = said(capsys, *typed)
    assert (status, expected in text) == (2, True), text


@pytest.mark.parametrize("typed", ["--state /a/b server list", "server list --state=/a/b", "token issue --state /a/b"])
def test_a_command_of_the_client_is_shown_with_the_folder_where_the_client_wants_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    monkeypatch.setattr(hints, "name", lambda: "cumulet")
    status, text = said(capsys, *typed.split())
    words = typed.replace("--state /a/b", "").replace("--state=/a/b", "").split()
    assert (status, text.partition("client: ")[2]) == (2, f"cumulet openstack --state /a/b {' '.join(words)}")


@pytest.mark.parametrize(
    "typed",
    ["--state S status", "--state=S status", "status --state S", "status --state=S", "--state S policy check a b"],
)
def test_the_state_folder_is_taken_wherever_it_stands(typed: str) -> None:
    state, left = words.without_state(typed.split(), ("openstack",))
    assert state == Path("S").absolute() and "S" not in left and left[0] in ("status", "policy")


@pytest.mark.parametrize(
    ("typed", "folder", "left"),
    [
        ("openstack --state=S server list", "S", "openstack server list"),
        ("openstack --state S server list", "S", "openstack server list"),
        ("--state S openstack server list", "S", "openstack server list"),
        ("openstack volume set --state error v", None, "openstack volume set --state error v"),
    ],
)
def test_the_client_gets_its_own_words_and_the_right_cloud(
    monkeypatch: pytest.MonkeyPatch, typed: str, folder: str | None, left: str
) -> None:
    """B14: `--state=DIR` went unheard, and the client talked to another cloud."""
    asked: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(openstack, "run", lambda state, rest: asked.append((state, rest)) or sys.exit(0))
    with pytest.raises(SystemExit):
        main.dispatch(typed.split())
    assert asked == [(Path(folder).absolute() if folder else main.default_state(), left.split()[1:])]


@pytest.mark.parametrize("form", ["--state {}", "--state={}"])
def test_the_folder_of_a_cloud_is_known_among_the_clients_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    state_folder.write_mark(tmp_path)
    asked: list[tuple[Path, list[str]]] = []
    monkeypatch.setattr(openstack, "run", lambda state, rest: asked.append((state, rest)) or sys.exit(0))
    with pytest.raises(SystemExit):
        main.dispatch(["openstack", "server", "list", *form.format(tmp_path).split(), "--long"])
    assert asked == [(tmp_path, ["server", "list", "--long"])]


@pytest.mark.parametrize(
    ("name", "meant"),
    [("CUMULET_PROT_BASE", "CUMULET_PORT_BASE"), ("CUMULET_STAT", "CUMULET_STATE"), ("CUMULET_UNHEARD_OF", "unset it")],
)
def test_a_misspelt_variable_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, "1")
    status, text = said(capsys, "status")
    assert (status, f"there is no option {name}" in text, meant in text) == (2, True, True), text


def test_a_port_in_use_names_who_has_it(tmp_path: Path) -> None:
    base = 24000 + os.getpid() % 100
    settings = Settings.resolve(tmp_path, {"port_base": base}, {})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", base + 2))
        taken.listen()
        with pytest.raises(CliError, match=rf"port {base + 2} \(image\).*, by .* \(process {os.getpid()}\)\. Stop"):
            listening.ports_free(settings)


def test_a_port_of_another_cloud_names_its_folder(tmp_path: Path) -> None:
    code = (
        "import socket,time; s=socket.socket(); s.bind(('127.0.0.1',0)); s.listen(); print(s.getsockname()[1],flush=1)"
    )
    held = [sys.executable, "-c", f"{code}; time.sleep(60)", "cumulet.cli.serve", "controller", "/the/other"]
    with subprocess.Popen(held, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        port = int(other.stdout.readline())
        assert listening.holder(port) == "the Cumulet cloud in /the/other"
        other.kill()
    assert listening.holder(port) is None


def test_an_address_of_no_card_and_a_name(tmp_path: Path) -> None:
    with pytest.raises(CliError, match=r"no network card here has 192\.0\.2\.99; .* addresses: 127\.0\.0\.1"):
        listening.ports_free(Settings.resolve(tmp_path, {"listen": "192.0.2.99", "port_base": 24100}, {}))
    assert listening.resolved("localhost") == "127.0.0.1"
    assert listening.resolved("::1") == "::1"
    assert listening.resolved("no such host") == "no such host"


@pytest.mark.parametrize("verb", [["up", "--simulated"], ["status"], ["down"], ["down", "--purge"], ["log"]])
def test_a_state_folder_that_is_a_file(capsys: pytest.CaptureFixture[str], tmp_path: Path, verb: list[str]) -> None:
    (tmp_path / "afile").write_text("x")
    status, text = said(capsys, *verb, "--state", str(tmp_path / "afile"))
    assert status == 1 and f"{tmp_path}/afile" in text
    assert "is a file; --state wants a folder" in text, text


def test_roots_folder_is_said_to_be_roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    if tmp_path.stat().st_uid == 0:
        assert state_folder._not_ours(tmp_path) == f"{tmp_path} is root's cloud. For one of your own: --state ~/cumulet"
        assert str(state_folder._not_ours(tmp_path / "new")).startswith(f"only root can make {tmp_path}/new.")
        with pytest.raises(CliError, match="belongs to root; only root may end it"):
            state_folder.check_may_end(tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert state_folder._not_ours(tmp_path) is None
    state_folder.check_may_end(tmp_path)


def test_what_is_closed_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "log").mkdir()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(CliError, match="is not yours to read; run this as the user who started the cloud"):
        main.dispatch(["log", "--state", str(tmp_path)])
    (tmp_path / "secrets").mkdir()
    refused = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr("cumulet.config.settings.read_private", lambda *_: (_ for _ in ()).throw(refused))
    with pytest.raises(ConfigError, match="secrets is not yours to read; run this as"):
        Settings(state=tmp_path).secret("operator_secret")


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, "the disk is full: make room"), (errno.EROFS, "is mounted read-only")]
)
def test_a_disk_without_room_is_said_to_be_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, number: int, expected: str
) -> None:
    """It was a traceback."""

    def run(*_: object) -> int:
        raise OSError(number, "as the kernel has it", "/a/file")

    monkeypatch.setattr(main, "dispatch", run)
    status, text = said(capsys, "up")
    assert status == 1 and "cannot write /a/file: " in text and expected in text


def test_down_and_status_work_whatever_the_options_say(cloud: Cloud) -> None:
    """B11, and B10: neither a broken file nor a missing one takes a running cloud away from its operator."""
    cloud.ok("up")
    pid = json.loads(cloud.ok("status", "--json"))["processes"][1]["pid"]
    file = cloud.state / "cumulet.toml"
    (cloud.state / "run" / "supervisor.json").unlink()
    for text in [None, b"", b"\xff\xfe", b"unknwon = 1\n", b"x = ["]:
        if text is None:
            file.unlink()
        else:
            file.write_bytes(text)
        done = cloud("status", "--json")
        found = json.loads(done.stdout)
        assert (done.returncode, found["running"], found["processes"][1]["pid"]) == (1, True, pid)
        assert [row["code"] for row in found["details"]] == ["options-ignored"], found["details"]
        assert all(endpoint["answers"] for endpoint in found["endpoints"])
    assert "stop the cloud" in cloud.ok("down")
    assert not Path(f"/proc/{pid}").exists()
    again = cloud.up()
    assert (again.returncode, again.stderr.count("\n"), "cumulet.toml" in again.stderr) == (1, 1, True)
    cloud.ok("down", "--purge")
    assert not cloud.state.exists()


def test_a_lock_that_was_deleted_hides_no_cloud(cloud: Cloud) -> None:
    cloud.ok("up")
    (cloud.state / "run" / "supervisor.lock").unlink()
    done = cloud("status", "--json")
    assert (done.returncode, [row["code"] for row in json.loads(done.stdout)["details"]]) == (1, ["lock-lost"])
    assert "stop the cloud" in cloud.ok("down")
    assert cloud("status").returncode == 3


def test_options_changed_while_it_runs_are_said_not_to_be_in_force(cloud: Cloud) -> None:
    cloud.ok("up")
    file = cloud.settings().file
    file.write_text(file.read_text().replace('region = "RegionOne"', 'region = "Elsewhere"'))
    done = cloud("status")
    assert done.returncode == 1
    assert done.stdout.startswith(f"PROBLEM: {file} was changed since the start (region). ")
    file.write_text(file.read_text().replace('region = "Elsewhere"', 'region = "RegionOne"'))
    assert "No problems." in cloud.ok("status")


def test_up_says_first_that_a_cloud_is_not_its_own_and_fills_it_with_nothing(cloud: Cloud) -> None:
    (cloud.state / "cache").mkdir(parents=True)
    (cloud.state / ".cumulet").write_text("This folder is a Cumulet state folder (format 1).\n")
    (cloud.state / "cache" / "estranged").write_text("these rows are new, and S has 3 guests")
    done = cloud.up()
    said = [line for line in done.stderr.splitlines() if not line.startswith("  ")]
    assert (done.returncode, said[0].split(". ")[0]) == (1, "PROBLEM: these rows are new, and S has 3 guests")
    assert "adopt" in said[0] and "forget" in said[0] and not (cloud.state / "furnished").exists()
    assert cloud("status").stdout.startswith("PROBLEM: these rows are new")
    (cloud.state / "cache" / "estranged").unlink()
    assert "PROBLEM" not in cloud.ok("up") and (cloud.state / "furnished").exists()
    strict = cloud.up("--region", "Elsewhere", "--strict")
    assert (strict.returncode, "to change region" in strict.stderr.splitlines()[-1]) == (4, True)


def test_a_failed_start_says_the_reason_first_and_once(tmp_path: Path) -> None:
    """Only this run's lines, each once; what ended before is not of interest."""
    settings = Settings.resolve(tmp_path, {}, {})
    settings.run_dir.mkdir()
    settings.log_dir.mkdir()
    log = settings.log_dir / "node.log"
    log.write_text("node: a reason of last week\n")
    (settings.run_dir / "supervise.json").write_text(json.dumps({"log_from": {"node": log.stat().st_size}}))
    with log.open("a") as file:
        for second in range(3):
            file.write(f"2026-11-30T07:13:0{second}.055Z 71{second} INFO cumulet.node waiting\nnode: no such card\n")
    tail = processes.log_tail(settings, "node")
    assert [line.strip() for line in tail.splitlines()] == [
        "2026-11-30T07:13:02.055Z 712 INFO cumulet.node waiting",
        "node: no such card",
    ]
    assert processes.last_words(settings, "node") == "no such card"


def test_the_options_of_a_start_are_kept_beside_those_of_the_next(tmp_path: Path) -> None:
    settings = Settings.resolve(tmp_path, {"simulated": 2, "port_base": 24200}, {})
    assert in_force.kept(tmp_path) is None
    settings.run_dir.mkdir()
    in_force.keep(settings)
    assert in_force.kept(tmp_path) == settings


def test_adopt_waits_until_the_nodes_obey(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else `status` calls their hosts down right after it."""
    answers = [{"nodes": [{"hold": "it is foreign"}, {}]}, {"nodes": [{"hold": "it is foreign"}]}, {"nodes": [{}]}]
    monkeypatch.setattr(adopt.link_client, "report", lambda _settings: answers.pop(0))
    adopt.taken_up(Settings(state=tmp_path), Progress(), [])
    assert len(answers) == 3
    adopt.taken_up(Settings(state=tmp_path), Progress(), ["one"])
    assert answers == []
    monkeypatch.setattr(adopt.link_client, "report", lambda _settings: (_ for _ in ()).throw(ApiError("gone", 0)))
    adopt.taken_up(Settings(state=tmp_path), Progress(), ["one"])  # what was done is done


def test_a_secrets_name_that_is_near(tmp_path: Path) -> None:
    Settings.resolve(tmp_path, {"simulated": 1}, {}).save()
    with pytest.raises(CliError, match=r"there is no secret named node_secret; did you mean node_secrets\?"):
        main.dispatch(["secret", "rotate", "node_secret", "--state", str(tmp_path)])


def test_every_variable_that_is_read_is_known() -> None:
    """Else setting it would be refused."""
    read = set()
    for path in [ROOT / "cumulet", *(ROOT / "src").rglob("*.py")]:
        if path != Path(str(words.__file__)):
            read |= set(re.findall(r"CUMULET_[A-Z_]*[A-Z]", path.read_text()))
    words.check_variables(dict.fromkeys(read, "1"))
    assert {"CUMULET_STATE", "CUMULET_ENV"} <= read
