"""TLS on the ports of the APIs: what clients see, a certificate that changes, and handshakes that do not end."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from cumulet.auth import Policy
from cumulet.cli import certificates, listening, main, readiness, state_folder, trust
from cumulet.cli.errors import CliError
from cumulet.cli.problems import Seen, running
from cumulet.cli.problems import certificates as certificate_problems
from cumulet.config import Settings
from cumulet.db import Database
from cumulet.http import Call, Service, tls
from cumulet.http.app import App
from cumulet.http.faults import nova_body
from cumulet.http.mount import Mount
from tests.http.served import Served, request
from tests.http.test_app import authenticate
from tests.http.test_connections import echo


def settings_in(folder: Path, **more: Any) -> Settings:
    (folder / "secrets").mkdir(mode=0o700, parents=True, exist_ok=True)
    return Settings.resolve(folder, {"tls": "always", "port_base": 25500, **more}, {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = settings_in(tmp_path / "state")
    assert certificates.ensure(found, None)
    return found


@pytest.fixture
def served(tmp_path: Path, settings: Settings) -> Iterator[Served]:
    service = Service("compute", faults=nova_body)
    service.websocket = echo

    @service.get("/empty", auth=False, transaction="none")
    def empty(call: Call) -> dict[str, str]:
        return {"from": call.base_url}

    app = App(Database(tmp_path / "db.sqlite"), {}, authenticate)
    certificate = tls.Certificate(*trust.files(settings))
    found = Served(app, {"compute": Mount(service, None, Policy(service.rules))}, certificate=certificate)
    yield found
    found.close()


def trusting(settings: Settings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(trust.authority(settings)))


def port(served: Served) -> int:
    return next(iter(served.ports.values()))


def fingerprint(served: Served, settings: Settings) -> bytes:
    """The certificate that a new connection meets."""
    with (
        socket.create_connection(("127.0.0.1", port(served)), 10) as plain,
        trusting(settings).wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        found = sock.getpeercert(True)
        assert found is not None
        return found


def test_a_client_that_trusts_the_authority_is_served(served: Served, settings: Settings) -> None:
    with httpx.Client(verify=trusting(settings)) as client:
        for host in ("127.0.0.1", "localhost"):
            url = f"https://{host}:{port(served)}"
            assert client.get(f"{url}/empty").json() == {"from": url}
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"https://127.0.0.1:{port(served)}/empty")


def test_websockets_pass(served: Served, settings: Settings) -> None:
    with connect(f"wss://127.0.0.1:{port(served)}/", ssl=trusting(settings)) as socket_:
        socket_.send(b"screen")
        assert socket_.recv() == b"screen"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions_of_the_protocol_are_refused(served: Served, settings: Settings) -> None:
    context = trusting(settings)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", port(served)), 10) as plain,
        pytest.raises(ssl.SSLError),
        context.wrap_socket(plain, server_hostname="127.0.0.1"),
    ):
        pass


def test_who_speaks_plain_http_is_told(served: Served) -> None:
    answer = httpx.get(f"http://127.0.0.1:{port(served)}/empty")
    assert answer.status_code == 400 and "https://" in answer.text


def test_a_certificate_that_changes_is_taken(served: Served, settings: Settings) -> None:
    before = fingerprint(served, settings)
    file, _ = trust.files(settings)
    whole = file.read_text()
    file.write_text(whole[:200])
    time.sleep(0.01)
    assert not served.call(served.server._secured.certificate.refresh)  # type: ignore[union-attr]
    assert fingerprint(served, settings) == before, "half a file takes nothing away"
    key, authority = certificates._authority(settings)
    file.write_text(certificates.issue(key, authority, ["localhost", "127.0.0.1"]))
    assert served.becomes(lambda: bool(served.server._secured.certificate.refresh()) or True)  # type: ignore[union-attr]
    assert fingerprint(served, settings) != before


def test_handshakes_that_do_not_end_leave_room_for_others(
    served: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "MOST_OF_ONE", 8)
    with ExitStack() as open_:
        mine = [open_.enter_context(socket.create_connection(("127.0.0.1", port(served)), 10)) for _ in range(20)]
        listener = served.server._listeners[0]
        assert served.becomes(lambda: listener._pending.total() == 8)
        refused = [sock for sock in mine if _is_closed(sock)]
        assert len(refused) == 12
        with (
            socket.create_connection(("127.0.0.1", port(served)), 10, ("127.0.0.3", 0)) as plain,
            trusting(settings).wrap_socket(plain, server_hostname="127.0.0.1") as sock,
        ):
            sock.sendall(request("GET", "/empty"))
            assert sock.recv(100).startswith(b"HTTP/1.1 200")
    assert served.becomes(lambda: not listener._pending)


def test_a_silent_connection_ends(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_S", 0.2)
    with socket.create_connection(("127.0.0.1", port(served)), 10) as silent:
        assert silent.recv(1) == b""


def _is_closed(sock: socket.socket) -> bool:
    sock.settimeout(0.2)
    try:
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


# ---- the authority and its certificates


def test_nothing_is_made_twice(settings: Settings) -> None:
    before = {path.name: path.read_bytes() for path in settings.secrets_dir.iterdir()}
    assert not certificates.ensure(settings, None)
    assert {path.name: path.read_bytes() for path in settings.secrets_dir.iterdir()} == before
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in settings.secrets_dir.iterdir())
    assert b"PRIVATE" not in (settings.state / trust.COPY).read_bytes()


def test_a_new_name_brings_a_new_certificate_of_the_same_authority(settings: Settings) -> None:
    ca = (settings.state / trust.COPY).read_bytes()
    wider = settings_in(settings.state, public_host="cloud.example.org")
    assert not certificates.ensure(wider, None)
    assert (settings.state / trust.COPY).read_bytes() == ca
    assert "cloud.example.org" in certificates.names_in(certificates.certificate_in_use(wider))


def test_a_certificate_is_renewed_before_it_ends(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not certificates.renew(settings)
    monkeypatch.setattr(certificates, "RENEW_DAYS", certificates.SERVER_DAYS + 1)
    before = certificates.certificate_in_use(settings)
    assert certificates.renew(settings)
    assert certificates.certificate_in_use(settings) != before


def test_an_operator_replaces_the_key_and_the_token(settings: Settings) -> None:
    settings.save()
    state_folder.furnish(settings.state, None)
    before, token = certificates.certificate_in_use(settings), settings.secret("metrics_token")
    for name in ("tls_server", "metrics_token"):
        assert main.main(["secret", "rotate", name, "--state", str(settings.state)]) == 0
    after = certificates.certificate_in_use(settings)
    assert after.public_key() != before.public_key() and after.issuer == before.issuer
    assert settings.secret("metrics_token") != token


def test_an_authority_that_was_lost_is_replaced_and_said(settings: Settings) -> None:
    (settings.secrets_dir / trust.AUTHORITY_KEY).unlink()
    assert certificates.ensure(settings, None)
    trusting(settings)


def test_a_given_certificate_takes_the_place_of_the_own(settings: Settings, tmp_path: Path) -> None:
    key, authority = certificates._authority(settings)
    given = tmp_path / "given.pem"
    given.write_text(certificates.issue(key, authority, ["cloud.example.org"]))
    found = settings_in(tmp_path / "other", tls_certificate=str(given))
    assert not certificates.ensure(found, None)
    assert trust.files(found) == (given, None) and trust.authority(found) is None
    given.write_text("nothing of the kind")
    with pytest.raises(CliError, match="tls_certificate"):
        certificates.ensure(found, None)


# ---- what `status` says


@pytest.mark.parametrize(("days", "said"), [(400, []), (20, ["ends in 20 days"]), (-3, ["has ended 3 days ago"])])
def test_a_certificate_that_ends_soon_is_a_problem(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, days: int, said: list[str]
) -> None:
    monkeypatch.setattr(certificates, "days_left", lambda certificate: days + 0.1)
    found = [problem.sentence for problem in certificate_problems.check(Seen(settings))]
    assert [words for words in said if words in found[0]] == said and len(found) == len(said)


def test_one_that_cannot_be_read_is_a_problem(settings: Settings) -> None:
    trust.files(settings)[0].write_text("nothing")
    assert [problem.code for problem in certificate_problems.check(Seen(settings))] == ["certificate"]


@pytest.mark.parametrize("text", ["nothing", "another"])
def test_a_new_certificate_that_is_not_used_is_a_problem_and_no_silence(
    served: Served, settings: Settings, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """As of a renewal whose key the APIs' user cannot read: the one before is shown, and clients are served."""
    monkeypatch.setattr(Settings, "local_url", lambda *_: f"https://127.0.0.1:{port(served)}")
    monkeypatch.setattr(certificate_problems, "_USED_AFTER_S", 0)
    assert not readiness.probe(settings, "compute").other
    if text == "another":
        key, authority = certificates._authority(settings)
        text = certificates.issue(key, authority, ["localhost"])
    trust.files(settings)[0].write_text(text)
    found = readiness.probe(settings, "compute")
    assert found.answers and found.other
    problems = list(certificate_problems.check(Seen(settings, endpoints=[found])))
    assert "the APIs show an older certificate" in problems[0].sentence and problems[0].code == "certificate"
    assert list(running.check(Seen(settings, endpoints=[found]))) == []


def test_the_addresses_of_all_network_cards_are_names(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's name leads to 127.0.1.1 on Debian, and to nothing else."""
    monkeypatch.setattr(listening, "addresses", lambda: ["127.0.0.1", "192.0.2.7", "2001:db8::7"])
    everywhere = settings_in(settings.state, listen="0.0.0.0")
    certificates.ensure(everywhere, None)
    names = certificates.names_in(certificates.certificate_in_use(everywhere))
    assert {"192.0.2.7", "2001:db8::7"} <= names
