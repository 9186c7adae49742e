"""Conversations about allocations, usages and reshaping: all forms of the bodies, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cumulet.services.placement.api import load
from tests.databases import KINDS
from tests.services.placement.conversation import ABSENT, Say, claim, held, provider
from tests.services.serving import PROJECTS, Running, running

STALE = "placement.concurrent_update"
DATE = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
FRESH = {"last-modified": DATE, "cache-control": "no-cache"}
HOST = {"VCPU": {"total": 8, "allocation_ratio": 2.0}, "MEMORY_MB": {"total": 4096, "min_unit": 256, "step_size": 256}}
A = "/allocations/{server}"


def listed(name: str, **more: Any) -> dict[str, Any]:
    """The form until 1.11."""
    return {"allocations": [{"resource_provider": {"uuid": f"{{{name}}}"}, "resources": {"VCPU": 1}}], **more}


def mapped(name: str, **more: Any) -> dict[str, Any]:
    """The form since 1.12."""
    return {"allocations": {f"{{{name}}}": {"resources": {"VCPU": 1}}}, **more}


WHO = {"project_id": "project", "user_id": "user"}

FORMS = [
    *provider("host", HOST),
    # until 1.7 a list and nothing else, 1.8 to 1.11 with who it is for
    Say(f"PUT {A}", listed("host", **WHO), 400, version="1.7", says="unexpected"),
    Say(f"PUT {A}", listed("host"), 204, version="1.0"),
    Say(f"PUT {A}", listed("host"), 204, version="1.7"),
    Say(f"GET {A}", version="1.11", shows={"allocations.{host}.resources": {"VCPU": 1}, "project_id": ABSENT}),
    Say(f"PUT {A}", listed("host"), 400, version="1.8", says="is a required property"),
    Say(f"PUT {A}", listed("host", **WHO), 204, version="1.8"),
    Say(f"PUT {A}", mapped("host", **WHO), 400, version="1.11", says="is not of type 'array'"),
    Say(f"PUT {A}", {"allocations": [], **WHO}, 400, version="1.11"),
    Say(f"DELETE {A}", answers=204, version="1.0"),
    # 1.12 to 1.27 a mapping
    Say(f"PUT {A}", listed("host", **WHO), 400, version="1.12", says="is not of type 'object'"),
    Say(f"PUT {A}", mapped("host"), 400, version="1.12", says="is a required property"),
    Say(f"PUT {A}", mapped("host", **WHO), 204, version="1.12"),
    Say(f"GET {A}", version="1.12", shows={"project_id": "project", "consumer_generation": ABSENT}),
    Say(f"PUT {A}", {"allocations": {}, **WHO}, 400, version="1.27"),
    Say(f"PUT {A}", mapped("host", consumer_generation=1, **WHO), 400, version="1.27", says="unexpected"),
    Say(f"GET {A}", version="1.27", shows={"allocations.{host}.generation": 5}),
    # 1.28 to 1.33 with the consumer's generation; an empty one takes all away
    Say(f"PUT {A}", mapped("host", **WHO), 400, version="1.28", says="'consumer_generation' is a required property"),
    Say(f"PUT {A}", mapped("host", consumer_generation=None, **WHO), 409, version="1.28", code=STALE),
    Say(f"PUT {A}", mapped("host", consumer_generation=7, **WHO), 409, version="1.28", code=STALE),
    Say(f"GET {A}", version="1.28", shows={"consumer_generation": 1, "consumer_type": ABSENT}),
    Say(f"PUT {A}", mapped("host", consumer_generation=1, **WHO), 204, version="1.28"),
    Say(f"GET {A}", version="1.28", shows={"consumer_generation": 2}),
    Say(f"PUT {A}", mapped("host", consumer_generation=2, mappings={"": ["{host}"]}, **WHO), 400, version="1.33"),
    # 1.34 to 1.37 with the mappings of a candidate
    Say(f"PUT {A}", mapped("host", consumer_generation=2, mappings={"": ["{host}"]}, **WHO), 204, version="1.34"),
    Say(f"PUT {A}", mapped("host", consumer_generation=3, mappings={}, **WHO), 400, version="1.34"),
    Say(f"PUT {A}", mapped("host", consumer_generation=3, mappings={"": []}, **WHO), 400, version="1.34"),
    Say(f"PUT {A}", mapped("host", consumer_generation=3, consumer_type="INSTANCE", **WHO), 400, version="1.37"),
    # since 1.38 with the consumer's type
    Say(f"GET {A}", version="1.38", shows={"consumer_type": "unknown"}),
    Say(f"PUT {A}", mapped("host", consumer_generation=3, **WHO), 400, version="1.38", says="'consumer_type' is a"),
    Say(f"PUT {A}", claim({"host": {"VCPU": 2}}, 3, consumer_type="a server"), 400, version="1.38"),
    Say(f"PUT {A}", claim({"host": {"VCPU": 2}}, 3), 204, version="1.38"),
    Say(f"GET {A}", version="1.38", shows={"consumer_type": "INSTANCE", "consumer_generation": 4}),
    Say(f"PUT {A}", claim({}, 4), 204),
    Say(f"GET {A}", shows={"allocations": {}, "project_id": ABSENT}),
    Say(f"DELETE {A}", answers=404, says="No allocations for consumer '{server}'"),
]

REFUSALS = [
    *provider("host", HOST),
    Say(f"PUT {A}", claim({"host": {"VCPU": 17}}), 409, says="would exceed the capacity"),
    Say(f"PUT {A}", claim({"host": {"MEMORY_MB": 100}}), 409, says="would violate inventory constraints"),
    Say(f"PUT {A}", claim({"host": {"MEMORY_MB": 300}}), 409, says="would violate inventory constraints"),
    Say(f"PUT {A}", claim({"host": {"DISK_GB": 1}}), 409, says="Inventory for 'DISK_GB' on resource provider '{host}'"),
    Say(f"PUT {A}", claim({"nobody": {"VCPU": 1}}), 400, says="{nobody}"),
    Say(f"PUT {A}", claim({"host": {"CUSTOM_NONE": 1}}), 400, says="CUSTOM_NONE"),
    Say(f"PUT {A}", claim({"host": {"VCPU": 0}}), 400, says="minimum"),
    Say(f"PUT {A}", claim({"host": {"vcpu": 1}}), 400, says="does not match"),
    Say(f"PUT {A}", claim({"host": {}}), 400),
    Say(f"PUT {A}", claim({"host": {"VCPU": 1}}, project_id=""), 400),
    Say(f"PUT {A}", claim({"host": {"VCPU": 1}}, user_id="x" * 256), 400, says="is too long"),
    Say(f"PUT {A}", {**claim({}), "allocations": {"no": {"resources": {"VCPU": 1}}}}, 400),
    Say("PUT /allocations/server", claim({"host": {"VCPU": 1}}), 400),
    Say(f"GET {A}", shows={"allocations": {}}),
    Say("GET /resource_providers/{host}/usages", shows={"usages": {"VCPU": 0, "MEMORY_MB": 0}}),
    Say("GET /resource_providers/{host}", shows={"generation": 1}),
    Say("GET /resource_providers/{nobody}/allocations", answers=404),
    Say("GET /resource_providers/{nobody}/usages", answers=404),
]

SEVERAL = [
    *provider("one", HOST),
    *provider("two", HOST),
    Say("POST /allocations", {"{server}": claim({"one": {"VCPU": 4}})}, 404, version="1.12"),
    Say("POST /allocations", {}, 400),
    Say("POST /allocations", {"no": claim({"one": {"VCPU": 4}})}, 400),
    Say("POST /allocations", {"{server}": {}}, 400, says="is a required property"),
    Say("POST /allocations", {"{server}": mapped("one", **WHO)}, 204, version="1.13"),
    Say("POST /allocations", {"{server}": {"allocations": {}, **WHO}}, 204, version="1.13"),
    Say("POST /allocations", {"{server}": claim({"one": {"VCPU": 4}, "two": {"VCPU": 1}})}, 204),
    Say(f"GET {A}", shows={"allocations*": ["{one}", "{two}"], "consumer_generation": 1}),
    # all or nothing
    Say("POST /allocations", {"{server}": claim({}, 1), "{more}": claim({"one": {"VCPU": 17}})}, 409),
    Say("POST /allocations", {"{server}": claim({}, 9), "{more}": claim({"one": {"VCPU": 1}})}, 409, code=STALE),
    Say("GET /allocations/{more}", shows={"allocations": {}}),
    Say("GET /resource_providers/{one}/usages", shows={"usages.VCPU": 4}),
    # a migration: what the server has goes to it, and the server gets the other host, in one step
    Say(
        "POST /allocations",
        {
            "{migration}": claim({"one": {"VCPU": 4}}, consumer_type="MIGRATION"),
            "{server}": claim({"two": {"VCPU": 16}}, 1),
        },
        204,
    ),
    Say(
        "GET /resource_providers/{one}/allocations",
        headers=FRESH,
        shows={"allocations": {"{migration}": {"resources": {"VCPU": 4}, "consumer_generation": 1}}},
    ),
    Say(
        "GET /resource_providers/{one}/allocations",
        version="1.27",
        shows={"allocations.{migration}": {"resources": {"VCPU": 4}}},
    ),
    Say("POST /allocations", {"{migration}": claim({}, 1, consumer_type="MIGRATION")}, 204),
    Say("GET /resource_providers/{one}/allocations", shows={"allocations": {}}),
    Say("GET /resource_providers/{two}/usages", shows={"usages.VCPU": 16}, headers=FRESH),
]

USAGES = [
    *provider("host", HOST),
    Say("GET /usages?project_id=project", version="1.8", answers=404),
    Say("GET /usages", answers=400, says="'project_id' is a required property"),
    Say("GET /usages?project_id=project", shows={"usages": {}}, headers=FRESH),
    Say("PUT /allocations/{a}", claim({"host": {"VCPU": 1, "MEMORY_MB": 512}}), 204),
    Say("PUT /allocations/{b}", claim({"host": {"VCPU": 2}}, user_id="other"), 204),
    Say("PUT /allocations/{c}", claim({"host": {"VCPU": 3}}, consumer_type="MIGRATION"), 204),
    Say("PUT /allocations/{d}", mapped("host", **WHO), 204, version="1.12"),
    Say("PUT /allocations/{e}", claim({"host": {"VCPU": 5}}, project_id="elsewhere"), 204),
    Say("GET /usages?project_id=project", version="1.9", shows={"usages": {"VCPU": 7, "MEMORY_MB": 512}}),
    Say("GET /usages?project_id=project&user_id=other", version="1.37", shows={"usages": {"VCPU": 2}}),
    Say("GET /usages?project_id=project&consumer_type=INSTANCE", version="1.37", answers=400),
    Say(
        "GET /usages?project_id=project",
        shows={
            "usages.INSTANCE": {"VCPU": 3, "MEMORY_MB": 512, "consumer_count": 2},
            "usages.MIGRATION": {"VCPU": 3, "consumer_count": 1},
            "usages.unknown": {"VCPU": 1, "consumer_count": 1},
        },
    ),
    Say("GET /usages?project_id=project&consumer_type=MIGRATION", shows={"usages*": ["MIGRATION"]}),
    Say("GET /usages?project_id=project&consumer_type=unknown", shows={"usages*": ["unknown"]}),
    Say("GET /usages?project_id=project&consumer_type=NONE", shows={"usages": {}}),
    Say(
        "GET /usages?project_id=project&consumer_type=all",
        shows={"usages": {"all": {"VCPU": 7, "MEMORY_MB": 512, "consumer_count": 4}}},
    ),
    Say("GET /usages?project_id=project&consumer_type=a+b", answers=400, says="Invalid query string parameters"),
    Say("GET /usages?project_id=project&colour=red", answers=400),
    Say("GET /resource_providers/{host}/usages", shows={"usages": {"VCPU": 12, "MEMORY_MB": 512}}),
]


def stock(generation: int, **records: Any) -> dict[str, Any]:
    return {
        "resource_provider_generation": generation,
        "inventories": {name: {"total": total} for name, total in records.items()},
    }


RESHAPER = [
    *provider("host", {"VCPU": 8, "VGPU": 4}),
    *provider("gpu", parent="host"),
    Say(f"PUT {A}", claim({"host": {"VCPU": 1, "VGPU": 2}}), 204),
    Say("GET /reshaper", answers=405, headers={"allow": "POST"}),
    Say("POST /reshaper", {"inventories": {}, "allocations": {}}, 404, version="1.29"),
    Say("POST /reshaper", {"inventories": {}, "allocations": {}}, 400),
    Say("POST /reshaper", {"allocations": {}}, 400, says="'inventories' is a required property"),
    Say("POST /reshaper", {"inventories": {"{host}": stock(2)}}, 400, says="'allocations' is a required property"),
    Say("POST /reshaper", {"inventories": {"{nobody}": stock(0)}, "allocations": {}}, 400),
    Say("POST /reshaper", {"inventories": {"{host}": stock(1, VCPU=8)}, "allocations": {}}, 409, code=STALE),
    Say(
        "POST /reshaper",
        {"inventories": {"{host}": stock(2, VCPU=8)}, "allocations": {}},
        409,
        code="placement.inventory.inuse",
    ),
    Say(
        "POST /reshaper",
        {
            "inventories": {"{host}": stock(2, VCPU=8), "{gpu}": stock(0, VGPU=1)},
            "allocations": {"{server}": claim({"host": {"VCPU": 1}, "gpu": {"VGPU": 2}}, 1)},
        },
        409,
        says="VGPU",
    ),
    Say("GET /resource_providers/{gpu}/inventories", shows={"inventories": {}}),
    Say(
        "POST /reshaper",
        {
            "inventories": {"{host}": stock(2, VCPU=8), "{gpu}": stock(0, VGPU=4)},
            "allocations": {"{server}": claim({"host": {"VCPU": 1}, "gpu": {"VGPU": 2}}, 3)},
        },
        409,
        code=STALE,
    ),
    Say(
        "POST /reshaper",
        {
            "inventories": {"{host}": stock(2, VCPU=8), "{gpu}": stock(0, VGPU=4)},
            "allocations": {"{server}": claim({"host": {"VCPU": 1}, "gpu": {"VGPU": 2}}, 1)},
        },
        204,
    ),
    Say("GET /resource_providers/{host}/inventories", shows={"inventories*": ["VCPU"]}),
    Say("GET /resource_providers/{gpu}/usages", shows={"usages": {"VGPU": 2}}),
    Say(f"GET {A}", shows={"consumer_generation": 2, "allocations.{gpu}.resources": {"VGPU": 2}}),
]

TALKS = {"forms": FORMS, "refusals": REFUSALS, "several": SEVERAL, "usages": USAGES, "reshaper": RESHAPER}


@pytest.fixture(params=KINDS)
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """The service on each kind of database."""
    with running(load(), None, tmp_path / "state.db", request.param) as service:
        yield service


@pytest.mark.parametrize("talk", TALKS)
def test_talk(anywhere: Running, talk: str) -> None:
    with anywhere.client("service") as client:
        held(client, TALKS[talk])


def test_reshaping_is_for_services(served: Running) -> None:
    with served.client("admin") as client:
        held(client, [Say("POST /reshaper", {"inventories": {}, "allocations": {}}, 403)])


def test_a_reader_sees_the_usages_of_the_own_project(served: Running) -> None:
    with served.client("reader") as client:
        held(
            client,
            [
                Say(f"GET /usages?project_id={PROJECTS['reader']}", shows={"usages": {}}),
                Say(f"GET /usages?project_id={PROJECTS['other']}", answers=403),
                Say(f"PUT {A}", claim({"host": {"VCPU": 1}}), 403),
            ],
        )
