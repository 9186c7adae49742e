"""The console of a real guest: the address that the client prints shows its screen, once, and to nobody else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.lab import STATE, Lab, real, until
from tests.e2e.machine import Machine

pytestmark = real(600)

CLIENT = str(Path(__file__).with_name("screen_client.py"))
CONSOLE = "http://127.0.0.1:6080"
EXPIRE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as database:
    assert database.execute("UPDATE compute_console_tokens SET expires_at = 1").rowcount
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Machine("screens") as machine:
        lab = Lab(machine)
        lab.up()
        words = ["--flavor", "m1.micro", "--image", "cirros", "--network", "selfservice", "--wait", "vm"]
        assert lab.demo("server", "create", *words)["status"] == "ACTIVE"
        until("the guest says that it is ready", lambda: "guest ready" in lab.demo("console", "log", "show", "vm"), 180)
        yield lab
        leaks = lab.leaks()
        lab.cumulet("down", "--purge")
        assert leaks == []


def url(lab: Lab) -> str:
    shown = lab.demo("console", "url", "show", "--novnc", "vm")
    assert (shown["protocol"], shown["type"]) == ("vnc", "novnc")
    assert shown["url"].startswith(f"{CONSOLE}/vnc_auto.html?autoconnect=true&path=%3Ftoken%3D")
    lab.secrets[f"a console's token, number {len(lab.secrets)}"] = shown["url"].rpartition("%3D")[2]
    return str(shown["url"])


def look(lab: Lab, where: str, *words: str) -> dict[str, int]:
    return dict(json.loads(lab.machine.run(sys.executable, CLIENT, where, *words).stdout))


def test_it_shows_the_screen_and_takes_keys(lab: Lab) -> None:
    seen = look(lab, url(lab), "--origin", CONSOLE, "--type", "cirros")
    assert (seen["width"], seen["height"]) >= (640, 400)
    assert seen["lit"] > 500, "a login prompt has more than that"
    assert seen["lit_after"] > seen["lit"] + 50, "what is typed appears"


def test_a_token_is_good_once(lab: Lab) -> None:
    where = url(lab)
    assert "lit" in look(lab, where)
    assert look(lab, where) == {"refused": 403}


def test_expired_forged_and_missing_tokens(lab: Lab) -> None:
    where = url(lab)
    lab.host(sys.executable, "-c", EXPIRE, str(STATE / "db" / "cumulet.sqlite"))
    assert look(lab, where) == {"refused": 403}
    start = where.rpartition("%3D")[0]
    assert look(lab, f"{start}%3D11111111-2222-4333-8444-555555555555") == {"refused": 403}
    assert look(lab, f"{start}%3D") == {"refused": 403}
    assert look(lab, f"{CONSOLE}/vnc_auto.html?path=websockify") == {"refused": 403}


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:6081", "null", f"{CONSOLE}.evil.example"])
def test_a_page_of_another_site_is_refused_and_uses_the_token_up(lab: Lab, origin: str) -> None:
    where = url(lab)
    assert look(lab, where, "--origin", origin) == {"refused": 403}
    assert look(lab, where, "--origin", CONSOLE) == {"refused": 403}
    assert "lit" in look(lab, url(lab), "--origin", CONSOLE)


def test_novnc_and_nothing_else_is_served(lab: Lab) -> None:
    page = lab.host("curl", "-s", url(lab))
    assert "noVNC" in page
    assert "RFB" in lab.host("curl", "-s", f"{CONSOLE}/core/rfb.js")
    for path in (
        "/../../../../etc/passwd",
        "/core/../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/core/..%2f..%2f..%2f..%2fetc/passwd",
        "/..%5c..%5cetc/passwd",
        "//etc/passwd",
        "//evil.example/%2f..",
        "//evil.example",
        "/core",
        "/core/",
    ):
        form = "%{http_code} %{redirect_url}"
        answer = lab.host("curl", "-s", "--path-as-is", "-o", "/dev/null", "-w", form, f"{CONSOLE}{path}")
        assert answer.strip() == "404", path


def test_a_server_that_is_off_has_no_screen(lab: Lab) -> None:
    where = url(lab)
    lab.quiet("cumulet", "server", "stop", "vm")
    until("vm is SHUTOFF", lambda: lab.demo("server", "show", "vm")["status"] == "SHUTOFF", 90)
    assert urlsplit(where).netloc == "127.0.0.1:6080"
    assert "refused" in look(lab, where)
    status, said = lab.demo("console", "url", "show", "vm", check=False)
    assert status != 0 and "not yet ready" in said
