"""What a proxy says of a request counts when the operator has named the proxy, and from nobody else."""

from __future__ import annotations

from typing import Any

import pytest

from cumulet.auth import Policy
from cumulet.config import ConfigError
from cumulet.config.public import check_proxies, urls
from cumulet.http import Service
from cumulet.http.faults import BadRequest, guideline_body
from cumulet.http.forwarded import NONE, Origin, Proxies, Public
from cumulet.http.mount import Mount, Shared

PROXIES = Proxies(["10.0.0.1", "10.9.0.0/16", "fd00::/8"])
PUBLIC = Public("https://cloud.example.org/compute")


def scope(client: str = "10.0.0.1", path: str = "/v2.1/servers") -> dict[str, Any]:
    return {"client": (client, 1), "server": ("127.0.0.1", 8774), "scheme": "http", "path": path}


def origin(client: str = "10.0.0.1", public: Public | None = None, **headers: str) -> Origin:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return PROXIES.origin(scope(client), {"host": "127.0.0.1:8774", **told}, public or Public())


FORGED = {
    "x_forwarded_for": "1.2.3.4",
    "x_forwarded_proto": "https",
    "x_forwarded_host": "evil.example.org",
    "x_forwarded_prefix": "/evil",
}


def test_a_tenant_who_writes_them_himself_changes_nothing() -> None:
    for client in ("10.0.0.2", "203.0.113.7", "fe80::1", ""):
        assert origin(client, **FORGED) == Origin("http://127.0.0.1:8774", client)  # type: ignore[arg-type]
        assert origin(client, PUBLIC, **FORGED).base_url == "http://127.0.0.1:8774"
    told = {"host": "h", **{name.replace("_", "-"): value for name, value in FORGED.items()}}
    assert NONE.origin(scope(), told, Public()) == Origin("http://h", "10.0.0.1")


def test_a_named_proxy_says_where_the_client_asked() -> None:
    found = origin(
        x_forwarded_for="203.0.113.7",
        x_forwarded_proto="HTTPS",
        x_forwarded_host="cloud.example.org",
        x_forwarded_prefix="/compute/",
    )
    assert found == Origin("https://cloud.example.org/compute", "203.0.113.7")
    assert origin("fd00::1", x_forwarded_proto="https").base_url == "https://127.0.0.1:8774"


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7, 10.9.1.1", "203.0.113.7"),  # what stands before it was made up by the client
        ("2001:db8::1,10.9.1.1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("<script>, 10.9.1.1", "10.9.1.1"),
        ("10.9.1.1", "10.9.1.1"),
        ("203.0.113.7:80", "10.0.0.1"),
        ("", "10.0.0.1"),
        (",".join(["6.6.6.6"] * 1000 + ["203.0.113.7"]), "203.0.113.7"),
    ],
)
def test_the_client_is_the_last_that_is_no_proxy(chain: str, client: str) -> None:
    assert origin(x_forwarded_for=chain).client == client


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("x_forwarded_proto", "javascript"),
        ("x_forwarded_proto", "https, http"),
        ("x_forwarded_host", "a.example.org, b.example.org"),
        ("x_forwarded_host", 'x"><script>'),
        ("x_forwarded_host", "user@host"),
        ("x_forwarded_prefix", "//evil.example.org"),
        ("x_forwarded_prefix", "/a/../b"),
        ("x_forwarded_prefix", "/a/./b"),
        ("x_forwarded_prefix", "compute"),
        ("x_forwarded_prefix", "/a?b"),
        ("x_forwarded_prefix", "/%2e%2e"),
        ("x_forwarded_prefix", "/a\nb"),
        ("x_forwarded_prefix", "/" + "a" * 300),
    ],
)
def test_what_says_nothing_clear_is_refused(header: str, text: str) -> None:
    with pytest.raises(BadRequest):
        origin(**{header: text})  # type: ignore[arg-type]


def test_a_request_for_the_public_host_gets_its_links_without_any_such_header() -> None:
    for host in ("cloud.example.org", "CLOUD.example.org:443"):
        assert origin("203.0.113.7", PUBLIC, host=host).base_url == "https://cloud.example.org/compute"
    assert origin("203.0.113.7", PUBLIC, host="cloud.example.org:444").base_url == "http://cloud.example.org:444"
    assert origin("10.0.0.1", PUBLIC, x_forwarded_host="cloud.example.org").base_url == PUBLIC.url


def test_a_prefix_that_the_proxy_left_is_taken_off_once() -> None:
    def path(text: str) -> str:
        found = PUBLIC.inside(scope(path=text) | {"raw_path": text.encode()})
        assert found["raw_path"].decode() == found["path"]
        return str(found["path"])

    assert path("/compute/v2.1/servers") == "/v2.1/servers"
    assert path("/compute") == "/"
    assert path("/compute/compute/v2.1") == "/compute/v2.1"
    assert path("/computer/v2.1") == "/computer/v2.1"
    assert path("/v2.1/compute/x") == "/v2.1/compute/x"


def test_one_host_for_all_services_and_others_for_some() -> None:
    found = urls(("https://cloud.example.org/", "console=https://vnc.example.org:8443"))
    assert found["network"] == "https://cloud.example.org/networking"
    assert found["identity"] == "https://cloud.example.org/identity"
    assert found["console"] == "https://vnc.example.org:8443"
    assert urls(("compute=http://[2001:db8::1]:80/x",)) == {"compute": "http://[2001:db8::1]:80/x"}


@pytest.mark.parametrize(
    "entry",
    [
        "cloud.example.org",
        "ftp://cloud.example.org",
        "https://user:word@cloud.example.org",
        "https://cloud.example.org/a/../b",
        "https://cloud.example.org/a//b",
        "https://cloud.example.org/?x",
        "https://cloud.example.org/#x",
        "https://cloud.example.org/%2e%2e",
        "https://cloud.exämple.org",
        "https://cloud example.org",
        "https://cloud.example.org\n",
        "https://[::1",
        "https://[12:]",
        "https://cloud.example.org:70000",
        "https://" + "a" * 200,
        "$(tenant_id)s=https://x",
        "volume=https://cloud.example.org",
        "link=https://cloud.example.org",
        "compute=",
        "",
    ],
)
def test_a_public_url_is_a_plain_one(entry: str) -> None:
    with pytest.raises(ConfigError, match="public_url"):
        urls((entry,))


def test_a_public_url_is_given_once() -> None:
    for twice in (("https://a", "https://b"), ("compute=https://a", "compute=https://b")):
        with pytest.raises(ConfigError):
            urls(twice)


@pytest.mark.parametrize("entry", ["0.0.0.0/0", "::/0", "10.0.0.1/8", "proxy.example.org", "", "10.0.0.1 "])
def test_not_everybody_is_a_proxy(entry: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        check_proxies([entry])


@pytest.mark.parametrize(
    ("told", "base"),
    [
        ({}, "http://127.0.0.1:8774/compute"),
        ({"x_forwarded_prefix": "/cloud"}, "http://127.0.0.1:8774/cloud/compute"),  # the proxy has left /cloud off
        ({"x_forwarded_prefix": "/cloud/compute"}, "http://127.0.0.1:8774/cloud/compute"),  # it says all of it
        ({"x_forwarded_host": "cloud.example.org", "x_forwarded_proto": "https"}, "https://cloud.example.org/compute"),
    ],
)
def test_a_service_that_shares_a_port_has_its_path_in_links(told: dict[str, str], base: str) -> None:
    assert origin(public=Public(own="/compute"), **told).base_url == base
    assert origin("10.0.0.2", Public(own="/compute"), **FORGED).base_url == "http://127.0.0.1:8774/compute"


def test_a_shared_port_knows_services_by_their_paths_and_their_public_ones() -> None:
    def mount(prefix: str, public: str = "") -> Mount:
        return Mount(Service(prefix[1:], faults=guideline_body), None, Policy(()), public=public, prefix=prefix)

    network, compute = mount("/network", "https://c.example.org/networking"), mount("/compute")
    shared = Shared(Service("front", faults=guideline_body), [network, compute])
    for path, found, rest in (
        ("/compute/v2.1", compute, "/v2.1"),
        ("/compute", compute, "/"),
        ("/network/v2.0", network, "/v2.0"),
        ("/networking/v2.0", network, "/v2.0"),
        ("/networks", None, "/networks"),
        ("/v2.1/compute", None, "/v2.1/compute"),
    ):
        answers, inner = shared.found({**scope(path=path), "raw_path": path.encode()})
        assert (answers is found or (found is None and answers.type == "front")) and inner["path"] == rest, path
        assert inner["raw_path"] == rest.encode()
    assert shared.found({**scope(path="/compute"), "raw_path": b"/%63ompute"})[0].type == "front"
