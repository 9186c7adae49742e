"""Every list is walked by its own links, page by page, while rows come and go.

Whatever was there all the time is met exactly once and in order, forwards and, where a service leads back, backwards.
"""

from __future__ import annotations

import itertools
import random
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cumulet.cli.controller import declared
from tests.assembled import Assembled

Json = dict[str, Any]
NUMBERS = itertools.count(1)


@dataclass
class List:
    """A list and how its rows are made. `body` gets a number; `key` holds a page's rows, `id` names one of them."""

    service: str
    path: str
    key: str
    body: Callable[[int], Json] | None
    id: str = "id"
    inner: str = ""
    sorts: tuple[str, ...] = ()
    make: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    backwards: bool = False
    deleted: str = ""

    @property
    def name(self) -> str:
        return f"{self.service} {self.key}"


def identity(noun: str, body: Callable[[int], Json], **more: Any) -> List:
    plural = more.pop("key", f"{noun}s")
    path = more.pop("path", plural)
    return List("identity", f"/v3/{path}", plural, lambda n: {noun: body(n)}, inner=noun, **more)


def network(noun: str, body: Callable[[int], Json], sorts: tuple[str, ...] = ("name", "created_at")) -> List:
    path = f"/v2.0/{noun.replace('_', '-') if 'security' in noun else noun}s"
    return List("network", path, f"{noun}s", lambda n: {noun: body(n)}, inner=noun, sorts=sorts, backwards=True)


def name(n: int) -> str:
    """Names that do not sort as they were made, some of them twice."""
    return f"walk {n * 7919 % 5}"


def cidr(n: int) -> str:
    return f"10.{n >> 8}.{n & 255}.0/24"


PUBLIC = {"interface": "public"}
COMPUTE = {"OpenStack-API-Version": "compute 2.96"}
LISTS = [
    identity("project", lambda n: {"name": f"p{n}"}),
    identity("domain", lambda n: {"name": f"d{n}", "enabled": False}),
    identity("user", lambda n: {"name": f"u{n}"}),
    identity("group", lambda n: {"name": f"g{n}"}),
    identity("role", lambda n: {"name": f"r{n}"}),
    identity("region", lambda n: {"id": f"region{n}"}),
    identity("service", lambda n: {"name": name(n), "type": f"t{n}"}),
    identity("credential", lambda n: {"blob": f"{n}", "type": "cert", "user_id": "$user"}),
    identity("policy", lambda n: {"blob": "{}", "type": "text/plain"}, key="policies"),
    identity("consumer", lambda n: {"description": f"c{n}"}, path="OS-OAUTH1/consumers"),
    identity(
        "endpoint_group",
        lambda n: {"name": f"e{n}", "filters": {"interface": "public"}},
        path="OS-EP-FILTER/endpoint_groups",
    ),
    identity("endpoint", lambda n: {"service_id": "$service", "interface": "public", "url": f"http://h{n}"}),
    List("image", "/v2/images", "images", lambda n: {"name": name(n)}, sorts=("name", "created_at", "status")),
    List("image", "/v2/metadefs/namespaces", "namespaces", lambda n: {"namespace": f"n{n}"}, id="namespace"),
    List(
        "compute",
        "/v2.1/flavors",
        "flavors",
        lambda n: {"flavor": {"name": f"f{n}", "ram": 64 + n % 3, "vcpus": 1, "disk": 0, "id": str(uuid.UUID(int=n))}},
        inner="flavor",
        sorts=("name", "memory_mb", "flavorid"),
        headers=COMPUTE,
    ),
    List(
        "compute",
        "/v2.1/os-keypairs",
        "keypairs",
        lambda n: {"keypair": {"name": f"k{n * 7919 % 1000:03}-{n}", "type": "ssh", "public_key": KEY}},
        id="keypair.name",
        inner="keypair",
        headers=COMPUTE,
    ),
    List(
        "compute",
        "/v2.1/servers",
        "servers",
        lambda n: {"server": {"name": name(n), "imageRef": "$image", "flavorRef": "$flavor", "networks": "none"}},
        inner="server",
        sorts=("display_name", "created_at", "uuid"),
        headers=COMPUTE,
    ),
    network("network", lambda n: {"name": name(n)}),
    network("router", lambda n: {"name": name(n)}),
    network("security_group", lambda n: {"name": name(n)}),
    network(
        "subnet",
        lambda n: {"name": name(n), "network_id": "$network", "ip_version": 4, "cidr": cidr(n)},
    ),
    network("port", lambda n: {"name": name(n), "network_id": "$network"}),
    network(
        "security_group_rule",
        lambda n: {"security_group_id": "$group", "direction": "ingress", "protocol": "tcp", **port(n)},
        sorts=("port_range_min", "created_at"),
    ),
]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKHEChAhyLsMLTLkSYQTMnCkAMhGnIQvAGOJpZL8yzLH walk"  # no key of anybody


def port(n: int) -> Json:
    return {"port_range_min": 1 + n % 3, "port_range_max": 100 + n}


NOT_WALKED = {
    "/v2.0/floatingips": "an external network has few addresses; the code is that of routers",
    "/v2.0/tenants": "a view of projects",
    "/v2/tasks": "a task starts an import; pages of it are in tests/services/image/test_tasks.py",
    "/v2.1/flavors/detail": "as /flavors",
    "/v2.1/servers/detail": "as /servers",
    "/v2.1/os-hypervisors": "hosts come with nodes; pages of it are in tests/services/compute",
    "/v2.1/os-hypervisors/detail": "likewise",
    "/v2.1/os-simple-tenant-usage": "sums, by project",
    "/v3/auth/domains": "what a user has roles on, not rows of its own",
    "/v3/auth/projects": "likewise",
    "/v3/OS-FEDERATION/domains": "likewise",
    "/v3/OS-FEDERATION/projects": "likewise",
    "/v3/OS-FEDERATION/identity_providers": "Keystone never cuts it into pages",
    "/v3/OS-FEDERATION/mappings": "likewise",
    "/v3/OS-FEDERATION/service_providers": "likewise",
    "/v3/OS-TRUST/trusts": "likewise",
    "/v3/limits": "needs registered limits of its own; the same code as registered limits",
    "/v3/registered_limits": "as services and regions, which it is made of",
}
"""Lists with pages that `LISTS` does not have, and why."""


def test_every_list_with_pages_is_walked() -> None:
    walked = {of.path for of in LISTS}
    paged = {
        operation.path
        for service in declared().values()
        for operation in service.operations
        if operation.method == "GET" and "{" not in operation.path and "marker" in fields_of(operation.query)
    }
    assert paged - walked == set(NOT_WALKED) & paged


def fields_of(query: Any) -> set[str]:
    parameters = getattr(query, "parameters", None)
    return {each["name"] for each in parameters()} if parameters is not None else set()


class Walker:
    """A cloud, and what bodies refer to."""

    def __init__(self, cloud: Assembled) -> None:
        self.cloud = cloud
        self.token = cloud.admin
        self.there: dict[str, str] = {}
        self.there["user"] = self.one("identity", "/v3/users?name=admin", "users")
        self.there["network"] = self.make_one("network", "/v2.0/networks", {"network": {"name": "of walks"}}, "network")
        self.there["service"] = self.one("identity", "/v3/services", "services")
        group = {"security_group": {"name": "of walks"}}
        self.there["group"] = self.make_one("network", "/v2.0/security-groups", group, "security_group")
        flavor = {"flavor": {"name": "of walks", "ram": 64, "vcpus": 1, "disk": 0}}
        self.there["flavor"] = self.make_one("compute", "/v2.1/flavors", flavor, "flavor")
        self.there["image"] = self.image()
        for service, path, of, most in (
            ("network", "/v2.0/quotas", "quota", ("network", "subnet", "port", "router", "security_group")),
            ("network", "/v2.0/quotas", "quota", ("security_group_rule",)),
            ("compute", "/v2.1/os-quota-sets", "quota_set", ("instances", "cores", "ram", "key_pairs")),
        ):
            body = {of: dict.fromkeys(most, -1)}
            project = self.one("identity", "/v3/projects?name=admin", "projects")
            assert self.ask(service, "PUT", f"{path}/{project}", body).status == 200

    def ask(self, service: str, method: str, path: str, body: Any = b"", **headers: str) -> Any:
        path, _, query = path.partition("?")
        return self.cloud.ask(service, method, path, token=self.token, body=body, query=query, headers=headers)

    def one(self, service: str, path: str, key: str) -> str:
        return str(self.ask(service, "GET", path).json[key][0]["id"])

    def make_one(self, service: str, path: str, body: Any, inner: str) -> str:
        return str(self.ask(service, "POST", path, body).json[inner]["id"])

    def image(self) -> str:
        body = {"name": "of walks", "disk_format": "raw", "container_format": "bare"}
        made = str(self.ask("image", "POST", "/v2/images", body).json["id"])
        path = f"/v2/images/{made}/file"
        answer = self.ask("image", "PUT", path, b"x" * 1024, **{"content-type": "application/octet-stream"})
        assert answer.status == 204, answer.body
        return made

    def filled(self, value: Any) -> Any:
        """`value` with ``$name`` replaced by the id of that."""
        if isinstance(value, dict):
            return {key: self.filled(inner) for key, inner in value.items()}
        return self.there[value[1:]] if isinstance(value, str) and value.startswith("$") else value

    def add(self, of: List) -> str:
        number = next(NUMBERS)
        assert of.body is not None
        path = of.path if of.make == "POST" else f"{of.path}/made{number}"
        answer = self.ask(of.service, of.make, path, self.filled(of.body(number)), **of.headers)
        assert answer.status in (200, 201, 202), (of.name, answer.status, answer.body)
        return ids(of, [answer.json[of.inner] if of.inner else answer.json])[0]

    def remove(self, of: List, id_: str) -> None:
        assert self.ask(of.service, "DELETE", f"{of.path}/{id_}", **of.headers).status in (200, 202, 204), of.name

    def page(self, of: List, path: str) -> tuple[list[Json], dict[str, str]]:
        """The rows of a page, and the links from it by ``next`` and ``previous``."""
        answer = self.ask(of.service, "GET", path, **of.headers)
        assert answer.status == 200, (path, answer.status, answer.body)
        found = answer.json
        links = found.get("links") or found.get(f"{of.key}_links") or found
        if isinstance(links, list):
            links = {link["rel"]: link["href"] for link in links}
        leads = {rel: links[rel] for rel in ("next", "previous") if links.get(rel)}
        return found[of.key], {rel: relative(url) for rel, url in leads.items()}


def relative(url: str) -> str:
    found = urlsplit(url)
    return f"{found.path}?{found.query}"


def ids(of: List, rows: list[Json]) -> list[str]:
    found = []
    for row in rows:
        value: Any = row
        *outer, last = of.id.split(".")
        for step in outer:
            value = value.get(step, value)
        found.append(str(value[last]))
    return found


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walker]:
    cloud = Assembled(tmp_path_factory.mktemp("walks") / "state")
    yield Walker(cloud)
    cloud.close()


WALKS = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize("of", LISTS, ids=lambda of: of.name)
@WALKS
@given(limit=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_whatever_stays_is_met_once_and_in_order(walker: Walker, of: List, limit: int, seed: int) -> None:
    chance = random.Random(seed)
    mine = [walker.add(of) for _ in range(6)]
    query = {"limit": str(limit)}
    if of.sorts and chance.random() < 0.7:
        query["sort_key"] = chance.choice(of.sorts)
        query["sort_dir"] = chance.choice(["asc", "desc"])
    order = ids(of, walker.page(of, f"{of.path}?{urlencode({**query, 'limit': '1000'})}")[0])
    assert set(mine) <= set(order)
    gone: set[str] = set()
    met: list[str] = []
    path, pages = f"{of.path}?{urlencode(query)}", 0
    while path:
        rows, links = walker.page(of, path)
        met += ids(of, rows)
        assert len(rows) <= limit
        path = links.get("next", "")
        pages += 1
        assert pages <= 2 * len(order) + 20, "it never ends"
        if path and chance.random() < 0.5:
            kept = marker(path)  # a page starts behind a row that is there
            left = [id_ for id_ in mine if id_ not in gone and id_ != kept]
            if left:
                gone.add(leaves := chance.choice(left))
                walker.remove(of, leaves)
        if path and pages < 5 and chance.random() < 0.5:
            mine.append(walker.add(of))
    assert len(met) == len(set(met)), "met twice"
    assert [id_ for id_ in met if id_ in set(order) - gone] == [id_ for id_ in order if id_ not in gone]
    for id_ in set(mine) - gone:
        walker.remove(of, id_)


def marker(path: str) -> str:
    return parse_qs(urlsplit(path).query).get("marker", [""])[0]


@pytest.mark.parametrize("of", [of for of in LISTS if of.backwards], ids=lambda of: of.name)
@WALKS
@given(limit=st.integers(1, 4), descending=st.booleans(), sort=st.integers(0, 1))
def test_the_way_back_is_the_way_there(walker: Walker, of: List, limit: int, descending: bool, sort: int) -> None:
    made = [walker.add(of) for _ in range(5)]
    key = of.sorts[sort]
    query = urlencode({"limit": limit, "sort_key": key, "sort_dir": "desc" if descending else "asc"})
    there, path = [], f"{of.path}?{query}"
    last = path
    while path:
        last = path
        rows, links = walker.page(of, path)
        there.append(ids(of, rows))
        path = links.get("next", "")
    back, path = [], last
    while path:
        rows, links = walker.page(of, path)
        back.append(ids(of, rows))
        path = links.get("previous", "")
        assert len(back) <= len(there) + 2, "it never ends"
    flat = [id_ for page in there for id_ in page]
    assert [id_ for page in reversed(back) for id_ in page] == flat
    for id_ in made:
        walker.remove(of, id_)


@pytest.mark.parametrize("of", LISTS, ids=lambda of: of.name)
def test_nonsense_about_pages_is_refused(walker: Walker, of: List) -> None:
    for query in ("limit=many", "limit=-1"):
        answer = walker.ask(of.service, "GET", f"{of.path}?{query}", **of.headers)
        assert answer.status == 400, (query, answer.body)
    answer = walker.ask(of.service, "GET", f"{of.path}?limit=2&marker={uuid.uuid4()}", **of.headers)
    assert answer.status in (400, 404), answer.body
