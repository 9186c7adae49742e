"""Requests to placement's operations. Nothing there belongs to a project but what its servers use."""

from __future__ import annotations

from typing import Any

from tests.matrix.asking import Ask
from tests.matrix.world import World

_ONE = "/resource_providers/{provider}"
_GENERATION = {"resource_provider_generation": 2}
_FIRST = {"resource_provider_generation": 1}
_STOCK = {"VCPU": {"total": 8}}
_USES = {"project_id": "$own", "user_id": "$user_id"}
_ALLOCATIONS = {
    "allocations": {"$provider": {"resources": {"VCPU": 1}}},
    "consumer_generation": None,
    "consumer_type": "INSTANCE",
    **_USES,
}
_FREE = {"consumer": "$free_consumer"}
_SPARE = {"provider": "$spare_provider"}
_CLASS = {"name": "CUSTOM_THING"}

REQUESTS: dict[str, list[Ask]] = {
    "GET /": [Ask()],
    f"GET {_ONE}/aggregates": [Ask()],
    f"PUT {_ONE}/aggregates up to 1.18": [Ask([])],
    f"PUT {_ONE}/aggregates": [Ask({"aggregates": [], **_GENERATION})],
    "GET /allocation_candidates": [Ask(query="resources=VCPU:1", shows="$provider")],
    "GET /allocations/{consumer}": [Ask()],
    f"GET {_ONE}/allocations": [Ask(shows="$consumer")],
    "PUT /allocations/{consumer} up to 1.11": [
        Ask(
            {
                "allocations": [{"resource_provider": {"uuid": "$provider"}, "resources": {"VCPU": 1}}],
                "project_id": "$own",
                "user_id": "$user_id",
            },
            where=_FREE,
        )
    ],
    "PUT /allocations/{consumer}": [Ask(_ALLOCATIONS, where=_FREE)],
    "POST /allocations": [Ask({"$free_consumer": _ALLOCATIONS})],
    "DELETE /allocations/{consumer}": [Ask()],
    f"GET {_ONE}/inventories": [Ask()],
    f"PUT {_ONE}/inventories": [Ask({**_GENERATION, "inventories": _STOCK})],
    f"DELETE {_ONE}/inventories up to 1.4": [Ask()],
    f"DELETE {_ONE}/inventories": [Ask(where=_SPARE)],
    f"POST {_ONE}/inventories": [Ask({"resource_class": "DISK_GB", "total": 1})],
    f"GET {_ONE}/inventories/{{name}}": [Ask(where={"name": "VCPU"})],
    f"PUT {_ONE}/inventories/{{name}}": [Ask({**_GENERATION, "total": 9}, where={"name": "VCPU"})],
    f"DELETE {_ONE}/inventories/{{name}}": [Ask(where={"name": "VCPU", **_SPARE})],
    "POST /reshaper": [
        Ask(
            {
                "inventories": {"$spare_provider": {"inventories": _STOCK, **_FIRST}},
                "allocations": {},
            }
        )
    ],
    "GET /resource_classes": [Ask()],
    "POST /resource_classes": [Ask({"name": "CUSTOM_NEW"})],
    "GET /resource_classes/{name}": [Ask(where=_CLASS)],
    "PUT /resource_classes/{name} up to 1.6": [Ask({"name": "CUSTOM_NEW"}, where=_CLASS)],
    "PUT /resource_classes/{name}": [Ask(where={"name": "CUSTOM_NEW"})],
    "DELETE /resource_classes/{name}": [Ask(where=_CLASS)],
    "GET /resource_providers": [Ask(shows="$provider")],
    "POST /resource_providers": [Ask({"name": "new"})],
    f"GET {_ONE}": [Ask()],
    f"PUT {_ONE}": [Ask({"name": "renamed"})],
    f"DELETE {_ONE}": [Ask(where=_SPARE)],
    "GET /traits": [Ask()],
    "GET /traits/{name}": [Ask(where=_CLASS)],
    "PUT /traits/{name}": [Ask(where={"name": "CUSTOM_NEW"})],
    "DELETE /traits/{name}": [Ask(where=_CLASS)],
    f"GET {_ONE}/traits": [Ask()],
    f"PUT {_ONE}/traits": [Ask({"traits": [], **_GENERATION})],
    f"DELETE {_ONE}/traits": [Ask()],
    f"GET {_ONE}/usages": [Ask()],
    "GET /usages": [Ask(query="project_id=$own", shows="VCPU")],
}


def build(world: World) -> None:
    """A provider that has room, one that is not used, and what a server of *own* uses."""
    ids, token = world.ids, world.tokens["own admin"]
    version = {"openstack-api-version": "placement 1.39"}

    def ask(method: str, path: str, body: Any) -> Any:
        return world.ask(method, path, body, token, version, "placement")

    ids["consumer"] = "11111111-1111-4111-8111-111111111111"
    ids["free_consumer"] = "22222222-2222-4222-8222-222222222222"
    for name in ("provider", "spare_provider"):
        ids[name] = ask("POST", "/resource_providers", {"name": name})["uuid"]
        stock = {"resource_provider_generation": 0, "inventories": _STOCK}
        ask("PUT", f"/resource_providers/{ids[name]}/inventories", stock)
    ask("PUT", "/resource_classes/CUSTOM_THING", None)
    ask("PUT", "/traits/CUSTOM_THING", None)
    used = {"allocations": {ids["provider"]: {"resources": {"VCPU": 1}}}, "project_id": ids["own"]}
    used |= {"user_id": ids["user_id"], "consumer_generation": None, "consumer_type": "INSTANCE"}
    ask("PUT", f"/allocations/{ids['consumer']}", used)
