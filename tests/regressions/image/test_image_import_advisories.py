"""Imports of images: how they have been broken, tried against ours (cases 7, 9, 10, 11 and 13).

What an import may fetch is bounded by `Rules`; nothing private is in there unless the operator puts it there.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cumulet.services.image.context import ImageContext
from cumulet.services.image.model import fetching
from cumulet.services.image.model.fetching import Refused, Rules, allowed_addresses, fetch, judge
from cumulet.services.image.model.stores import Stores
from cumulet.services.image.model.stores.file import FileStore
from cumulet.services.image.model.stores.http import HttpStore
from tests.regressions.image.test_image_advisories import MIB, qcow2
from tests.services.image.conftest import OCTETS, Images, ended, made, served, until
from tests.services.image.webserver import Page, Web, web_server

NAMES = {
    "mirror.example": ["127.0.0.1"],
    "public.example": ["93.184.215.14"],
    "inside.example": ["10.0.0.7"],
    "both.example": ["93.184.215.14", "127.0.0.1"],
    "linklocal.example": ["169.254.169.254"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "v6.example": ["fd00::1"],
}
"""What the resolver of these tests knows. `mirror.example` is the one name that the operator lets through."""


@pytest.fixture
def web() -> Iterator[Web]:
    with web_server() as found:
        found.pages["/disk.raw"] = Page(bytes(MIB))
        yield found


@pytest.fixture
def rules(web: Web) -> Rules:
    def lookup(host: str, _port: int) -> list[str]:
        return NAMES[host]

    return Rules(("mirror.example",), (80, 443, web.port), connect_s=2, idle_s=5, lookup=lookup)


@pytest.fixture
def glance(tmp_path: Path, rules: Rules) -> Iterator[Images]:
    folder = tmp_path / "images"
    context = ImageContext(
        folder, declared=Stores([FileStore("file", folder), HttpStore("web", rules)], "file"), rules=rules
    )
    with served(context, tmp_path / "state.db") as found:
        yield found


def download(client: httpx.Client, uri: str, **values: Any) -> tuple[str, httpx.Response]:
    image_id = made(client, **values)["id"]
    body = {"method": {"name": "web-download", "uri": uri}}
    return image_id, client.post(f"/v2/images/{image_id}/import", json=body)


def failed(glance: Images, client: httpx.Client, image_id: str) -> str:
    """The import failed, the image is queued, and nothing is left; why it did."""
    task = ended(client, image_id)
    assert task["status"] == "failure"
    assert client.get(f"/v2/images/{image_id}").json()["status"] == "queued"
    assert until(lambda: not glance.staged()) and glance.files() == []
    return str(task["message"])


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://LOCALHOST./",
        "http://x.localhost/",
        "http://2130706433/",
        "http://0x7f000001/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://127.0.0.1./",
        "http://0/",
        "http://0.0.0.0/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:7f00:1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[fe80::1]/",
        "http://[fe80::1%25eth0]/",
        "http://[fd00::1]/",
        "http://10.0.0.1/",
        "http://172.16.3.4/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://224.0.0.1/",
        "http://255.255.255.255/",
        "http://user@mirror.example/",
        "http://mirror.example@127.0.0.1/",
        "http://mirror.example:22/",
        "http://mirror.example:99999/",
        "http://mirror.example\\@127.0.0.1/",
        "http://mirror.example/ HTTP/1.1\r\nX: y",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://[127.0.0.1]/",
        "http:///etc/passwd",
        "http:/127.0.0.1/",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "filesystem:///etc/passwd",
        "ftp://mirror.example/",
        "gopher://mirror.example/",
        "",
    ],
)
def test_11_ossa_2026_004_where_nobody_may_be_sent(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    uri: str,
) -> None:
    """Refused before anything is looked up or asked for, by an import and as a location."""
    image_id, answer = download(demo, uri)
    assert answer.status_code == 400
    assert answer.json()["message"] == f"URI for web-download does not pass filtering: {uri}"
    assert demo.get(f"/v2/images/{image_id}/tasks").json()["tasks"] == [] and web.seen == []
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    change = [{"op": "add", "path": "/locations/-", "value": {"url": uri, "metadata": {}}}]
    assert demo.patch(f"/v2/images/{image_id}", json=change, headers=patch).status_code == 400
    assert demo.get(f"/v2/images/{image_id}").json()["status"] == "queued"


def _part(value: int, base: str) -> str:
    return {"decimal": str(value), "hexadecimal": hex(value), "octal": f"0{value:o}", "padded": f"0x{value:08x}"}[base]


@settings(max_examples=300, deadline=None)
@given(
    address=st.one_of(
        st.ip_addresses(v=4, network="127.0.0.0/8"),
        st.ip_addresses(v=4, network="10.0.0.0/8"),
        st.ip_addresses(v=4, network="172.16.0.0/12"),
        st.ip_addresses(v=4, network="192.168.0.0/16"),
        st.ip_addresses(v=4, network="169.254.0.0/16"),
        st.ip_addresses(v=4, network="100.64.0.0/10"),
    ),
    parts=st.integers(1, 4),
    bases=st.lists(st.sampled_from(["decimal", "hexadecimal", "octal", "padded"]), min_size=4, max_size=4),
    dot=st.sampled_from(["", "."]),
    wrapper=st.sampled_from(["plain", "mapped", "6to4", "nat64", "compatible"]),
)
def test_11_every_spelling_of_an_address_inside(
    address: ipaddress.IPv4Address, parts: int, bases: list[str], dot: str, wrapper: str
) -> None:
    """Whatever a resolver would take for an address inside is refused: in 1 to 4 parts, in any base, in IPv6."""
    octets = list(address.packed)
    values = [*octets[: parts - 1], int.from_bytes(bytes(octets[parts - 1 :]), "big")]
    host = ".".join(_part(value, base) for value, base in zip(values, bases, strict=False)) + dot
    number = int(address)
    if wrapper != "plain":
        high = {"mapped": 0xFFFF << 32, "6to4": 0x2002 << 112, "nat64": 0x64FF9B << 96, "compatible": 0}[wrapper]
        host = f"[{ipaddress.IPv6Address(high | (number << 80 if wrapper == '6to4' else number))}]"
    with pytest.raises(Refused):
        judge(f"http://{host}/disk", Rules())


@pytest.mark.parametrize("host", [name for name in NAMES if name not in ("mirror.example", "public.example")])
def test_11_a_name_that_leads_inside(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    host: str,
) -> None:
    """Every address of the name must pass; what the look-up found is told to nobody."""
    image_id, answer = download(demo, f"http://{host}:{web.port}/disk.raw")
    assert answer.status_code == 202
    why = failed(glance, demo, image_id)
    assert "not of the public Internet" in why and not any(each in why for each in NAMES[host])
    assert web.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:{port}/secret", "//inside.example/", "file:///etc/passwd", "http://2130706433:{port}/"]
)
def test_11_cve_2024_29007_redirects(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    status: int,
    target: str,
) -> None:
    """A redirect is judged like the first address."""
    web.pages["/there"] = Page(status=status, headers={"Location": target.format(port=web.port)})
    web.pages["/secret"] = Page(b"secret" * 1000)
    image_id, answer = download(demo, f"http://mirror.example:{web.port}/there")
    assert answer.status_code == 202 and failed(glance, demo, image_id)
    assert web.asked() == ["/there"]


def test_11_honest_redirects_are_followed(glance: Images, demo: httpx.Client, web: Web) -> None:
    web.pages["/there"] = Page(status=302, headers={"Location": "/disk.raw"})
    image_id, answer = download(demo, f"http://mirror.example:{web.port}/there")
    assert answer.status_code == 202 and ended(demo, image_id)["status"] == "success"
    assert demo.get(f"/v2/images/{image_id}").json()["size"] == MIB
    web.pages["/round"] = Page(status=302, headers={"Location": "/round"})
    image_id, answer = download(demo, f"http://mirror.example:{web.port}/round")
    assert answer.status_code == 202 and ended(demo, image_id)["status"] == "failure"
    assert web.asked().count("/round") <= 10


def test_11_dns_rebinding(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind after the check: it is looked up once, and the connection goes where was judged."""
    answers, reached = iter([["93.184.215.14"], ["127.0.0.1"], ["127.0.0.1"]]), list[str]()

    def connect(where: tuple[str, int], **_: Any) -> socket.socket:
        reached.append(where[0])
        raise OSError("nobody is there")

    monkeypatch.setattr(fetching.socket, "create_connection", connect)
    rules = Rules(ports=(web.port,), lookup=lambda _host, _port: next(answers))
    with pytest.raises(fetching.Failed):
        fetch(f"http://rebinding.example:{web.port}/disk.raw", rules)
    assert reached == ["93.184.215.14"] and next(answers) == ["127.0.0.1"], "one look-up"


def test_11_a_proxy_of_the_environment_is_not_used(
    glance: Images,
    demo: httpx.Client,
    web: Web,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with web_server() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        image_id, answer = download(demo, f"http://mirror.example:{web.port}/disk.raw")
        assert answer.status_code == 202 and ended(demo, image_id)["status"] == "success"
        assert proxy.seen == [] and web.asked() == ["/disk.raw"]


def test_11_what_the_operator_lets_through() -> None:
    """Names, addresses and networks; and only they."""
    rules = Rules(
        ("10.1.0.0/16", "fd00:1::/32", "mirror.lan"), lookup=lambda host, _port: {"a.lan": ["10.1.2.3"]}[host]
    )
    for url in ("http://10.1.2.3/", "http://[fd00:1::5]/", "http://mirror.lan/", "http://[::ffff:10.1.2.3]/"):
        judge(url, rules)
    assert allowed_addresses(judge("http://a.lan/", rules), rules) == ["10.1.2.3"]
    for url in ("http://10.2.0.1/", "http://[fd00:2::5]/", "http://127.0.0.1/"):
        with pytest.raises(Refused):
            judge(url, rules)


def test_11_the_token_stays_here(glance: Images, demo: httpx.Client, web: Web) -> None:
    """An import from another region sends the token there, and not to where that one redirects."""
    source = "5b4c2d1e-0000-4000-8000-000000000001"
    with web_server() as elsewhere:
        where = f"http://mirror.example:{elsewhere.port}/"
        web.pages[f"/v2/images/{source}"] = Page(status=302, headers={"Location": where})
        glance.context.endpoint = lambda _tx, _region, _interface: f"http://mirror.example:{web.port}"
        image_id = made(demo)["id"]
        method = {"name": "glance-download", "glance_region": "x", "glance_image_id": source}
        assert demo.post(f"/v2/images/{image_id}/import", json={"method": method}).status_code == 202
        failed(glance, demo, image_id)
        assert [headers["X-Auth-Token"] for _, headers in web.seen] == ["demo"]
        assert all("X-Auth-Token" not in headers for _, headers in elsewhere.seen)


def test_07_ossa_2024_003_staged_bytes_are_screened(glance: Images, demo: httpx.Client) -> None:
    """No way around the screening: staged bytes, and those of a URL, are looked at before anybody gets them."""
    image_id = made(demo, disk_format="raw")["id"]
    path = f"/v2/images/{image_id}"
    assert demo.put(f"{path}/stage", content=qcow2(backing=b"/etc/passwd"), headers=OCTETS).status_code == 204
    assert demo.get(f"{path}/file").status_code == 204, "staged bytes are nobody's yet"
    assert demo.post(f"{path}/import", json={"method": {"name": "glance-direct"}}).status_code == 202
    assert "does not match disk_format raw" in failed(glance, demo, image_id)


def test_07_ossa_2024_003_the_format_cannot_change_under_an_import(
    glance: Images,
    demo: httpx.Client,
    web: Web,
) -> None:
    """What is screened is what the record says in the end, whoever patches it meanwhile."""
    web.pages["/slow"] = Page(qcow2())
    image_id, answer = download(demo, f"http://mirror.example:{web.port}/slow", disk_format="qcow2")
    assert answer.status_code == 202 and until(web.asked)
    patch = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    change = [{"op": "replace", "path": "/disk_format", "value": "raw"}]
    assert demo.patch(f"/v2/images/{image_id}", json=change, headers=patch).status_code in (200, 403)
    web.wait.set()
    task, shown = ended(demo, image_id), demo.get(f"/v2/images/{image_id}").json()
    assert (task["status"], shown["disk_format"]) in (("success", "qcow2"), ("failure", "raw"))


def test_10_ossa_2015_019_an_import_never_replaces_content(glance: Images, demo: httpx.Client, web: Web) -> None:
    image_id = made(demo)["id"]
    path = f"/v2/images/{image_id}"
    assert demo.put(f"{path}/file", content=b"good" * 256, headers=OCTETS).status_code == 204
    for method in ("web-download", "glance-direct", "glance-download"):
        more = {"uri": f"http://mirror.example:{web.port}/disk.raw", "glance_region": "x", "glance_image_id": image_id}
        assert demo.post(f"{path}/import", json={"method": {"name": method, **more}}).status_code == 409
    assert demo.put(f"{path}/stage", content=b"evil", headers=OCTETS).status_code == 409
    assert demo.get(f"{path}/file").content == b"good" * 256 and web.seen == []


def test_13_ossa_2015_013_two_imports_at_once(glance: Images, demo: httpx.Client, web: Web) -> None:
    """Of many imports into one image one is taken."""
    web.pages["/slow"] = Page(bytes(MIB))
    image_id = made(demo)["id"]
    answers: list[int] = []
    body = {"method": {"name": "web-download", "uri": f"http://mirror.example:{web.port}/slow"}}

    def ask() -> None:
        with glance.client("demo") as client:
            answers.append(client.post(f"/v2/images/{image_id}/import", json=body).status_code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    web.wait.set()
    assert sorted(answers) == [202, 409, 409, 409, 409, 409] and ended(demo, image_id)["status"] == "success"
    assert len(web.seen) == 1


def test_13_more_bytes_than_an_image_may_have(
    glance: Images,
    demo: httpx.Client,
    web: Web,
) -> None:
    from dataclasses import replace

    glance.context.rules = replace(glance.context.rules, most_bytes=MIB - 1)
    image_id, answer = download(demo, f"http://mirror.example:{web.port}/disk.raw")
    assert answer.status_code == 202
    assert "more bytes than an image may have" in failed(glance, demo, image_id)
