"""Conversations about providers, inventories, traits, aggregates and classes: every operation, and its refusals."""

from __future__ import annotations

import pytest

from tests.services.placement.conversation import ABSENT, Say, aggregates, claim, held, provider, traits
from tests.services.serving import Running

DATE = r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
FRESH = {"last-modified": DATE, "cache-control": "no-cache"}
UNDATED = {"last-modified": None, "cache-control": None}
STALE = "placement.concurrent_update"
UNDEFINED = "placement.undefined_code"
TAKEN = "placement.duplicate_name"
GONE = "placement.resource_provider.not_found"
P = "/resource_providers/{host}"

PROVIDERS = [
    Say("GET /resource_providers", shows={"resource_providers": []}, headers=FRESH),
    Say("POST /resource_providers", {"name": "host", "uuid": "{host}"}, headers=FRESH, shows={"generation": 0}),
    Say("POST /resource_providers", {"name": "host"}, 409, code=TAKEN, says="name: host already exists"),
    Say("POST /resource_providers", {"name": "b", "uuid": "{host}"}, 409, code=TAKEN, says="uuid: {host} already"),
    Say("POST /resource_providers", {"uuid": "{b}"}, 400, code=UNDEFINED, says="'name' is a required property"),
    Say("POST /resource_providers", {"name": ""}, 400, says="JSON does not validate"),
    Say("POST /resource_providers", {"name": "x" * 201}, 400, says="is too long"),
    Say("POST /resource_providers", {"name": "x", "uuid": "no"}, 400, says="'uuid'"),
    Say("POST /resource_providers", {"name": "x", "colour": "red"}, 400, says="'colour' was unexpected"),
    Say("POST /resource_providers", {"name": "x", "parent_provider_uuid": "{nobody}"}, 400, says="does not exist"),
    Say("POST /resource_providers", ["x"], 400, says="is not of type 'object'"),
    Say(f"GET {P}", headers=FRESH, shows={"name": "host", "root_provider_uuid": "{host}", "links.0.rel": "self"}),
    Say("GET /resource_providers/{nobody}", answers=404, code=GONE, says="No resource provider with uuid {nobody}"),
    Say(f"PUT {P}", {"name": "renamed"}, headers=FRESH, shows={"name": "renamed", "generation": 0}),
    Say("PUT /resource_providers/{nobody}", {"name": "b"}, 404),
    Say("POST /resource_providers", {"name": "b", "uuid": "{b}"}),
    Say(f"PUT {P}", {"name": "b"}, 409, code=TAKEN),
    Say(f"PUT {P}", {"uuid": "{host}", "name": "renamed"}, 400, says="JSON does not validate"),
    Say(
        "GET /resource_providers?name=renamed", shows={"resource_providers.0.uuid": "{host}", "resource_providers#": 1}
    ),
    Say("GET /resource_providers?uuid={b}", shows={"resource_providers#": 1, "resource_providers.0.name": "b"}),
    Say("GET /resource_providers?uuid={nobody}", shows={"resource_providers": []}),
    Say("GET /resource_providers?uuid=no", answers=400, says="Invalid query string parameters"),
    Say("GET /resource_providers?colour=red", answers=400, says="Invalid query string parameters"),
    Say("GET /resource_providers?resources=VCPU", answers=400, says="Badly formed resources parameter"),
    Say("GET /resource_providers?resources=VCPU:none", answers=400, says="expected positive integer"),
    Say("GET /resource_providers?resources=CUSTOM_NONE:1", answers=400, says="CUSTOM_NONE"),
    Say("GET /resource_providers?required=CUSTOM_NONE", answers=400, says="CUSTOM_NONE"),
    Say("PATCH /resource_providers", {}, 405, headers={"allow": ".*POST.*"}),
    Say(f"DELETE {P}", answers=204, headers={"content-type": None}),
    Say(f"DELETE {P}", answers=404),
    Say("POST /resource_providers", {"name": "renamed"}, version="1.19", answers=201, headers={"location": ".*/.*-.*"}),
]

TREES = [
    *provider("root"),
    *provider("child", parent="root"),
    *provider("leaf", {"VCPU": 1}, parent="child"),
    *provider("other"),
    Say("GET /resource_providers/{leaf}", shows={"root_provider_uuid": "{root}", "parent_provider_uuid": "{child}"}),
    Say("GET /resource_providers?in_tree={child}", shows={"resource_providers#": 3}),
    Say("GET /resource_providers?in_tree={other}", shows={"resource_providers#": 1}),
    Say("GET /resource_providers?in_tree={nobody}", shows={"resource_providers": []}),
    Say("DELETE /resource_providers/{child}", answers=409, code="placement.resource_provider.cannot_delete_parent"),
    Say("PUT /resource_providers/{root}", {"name": "root", "parent_provider_uuid": "{leaf}"}, 400),
    Say(
        "PUT /resource_providers/{child}",
        {"name": "child", "parent_provider_uuid": "{other}"},
        400,
        version="1.36",
        says="re-parenting a provider is not currently allowed",
    ),
    Say("PUT /resource_providers/{child}", {"name": "child", "parent_provider_uuid": None}, 400, version="1.36"),
    Say(
        "PUT /resource_providers/{child}",
        {"name": "child", "parent_provider_uuid": "{other}"},
        shows={"root_provider_uuid": "{other}"},
    ),
    Say("GET /resource_providers/{leaf}", shows={"root_provider_uuid": "{other}"}),
    Say("PUT /resource_providers/{child}", {"name": "child", "parent_provider_uuid": None}),
    Say("GET /resource_providers/{leaf}", shows={"root_provider_uuid": "{child}"}),
    Say("DELETE /resource_providers/{leaf}", answers=204),
    Say("DELETE /resource_providers/{child}", answers=204),
]

_VCPU = {"resource_class": "VCPU", "total": 8}
INVENTORIES = [
    *provider("host"),
    Say(f"GET {P}/inventories", shows={"inventories": {}, "resource_provider_generation": 0}, headers=FRESH),
    Say(
        f"POST {P}/inventories",
        _VCPU,
        201,
        headers={**FRESH, "location": ".*/resource_providers/{host}/inventories/VCPU"},
        shows={"total": 8, "max_unit": 2147483647, "allocation_ratio": 1.0, "resource_provider_generation": 1},
    ),
    Say(f"POST {P}/inventories", _VCPU, 409, code=STALE),
    Say(f"POST {P}/inventories", {**_VCPU, "resource_class": "CUSTOM_NONE"}, 400, says="CUSTOM_NONE"),
    Say(f"POST {P}/inventories", {**_VCPU, "resource_class": "bad name"}, 400, says="does not match"),
    Say(f"POST {P}/inventories", {"resource_class": "DISK_GB"}, 400, says="'total' is a required property"),
    Say(f"POST {P}/inventories", {"resource_class": "DISK_GB", "total": 0}, 400, says="minimum"),
    Say(f"POST {P}/inventories", {"resource_class": "DISK_GB", "total": 2**31}, 400, says="maximum"),
    Say(f"POST {P}/inventories", {"resource_class": "DISK_GB", "total": 1, "size": 1}, 400, says="unexpected"),
    Say("POST /resource_providers/{nobody}/inventories", _VCPU, 404),
    Say(f"GET {P}/inventories/VCPU", shows={"total": 8, "resource_provider_generation": 1}, headers=FRESH),
    Say(f"GET {P}/inventories/DISK_GB", answers=404, code=UNDEFINED),
    Say(f"PUT {P}/inventories/VCPU", {"total": 4, "resource_provider_generation": 0}, 409, code=STALE),
    Say(f"PUT {P}/inventories/VCPU", {"total": 4}, 400, says="resource_provider_generation"),
    Say(
        f"PUT {P}/inventories/VCPU",
        {"total": 4, "reserved": 1, "step_size": 2, "allocation_ratio": 2.5, "resource_provider_generation": 1},
        shows={"reserved": 1, "step_size": 2, "allocation_ratio": 2.5, "resource_provider_generation": 2},
        headers=FRESH,
    ),
    Say(
        f"PUT {P}/inventories/DISK_GB", {"total": 4, "resource_provider_generation": 2}, 400, says="No inventory record"
    ),
    Say(
        f"PUT {P}/inventories/VCPU",
        {"total": 4, "reserved": 5, "resource_provider_generation": 2},
        400,
        says="Invalid inventory for 'VCPU' on resource provider '{host}'. The reserved value is greater than total.",
    ),
    Say(
        f"PUT {P}/inventories/VCPU", {"total": 4, "reserved": 4, "resource_provider_generation": 2}, 400, version="1.25"
    ),
    Say(f"PUT {P}/inventories/VCPU", {"total": 4, "reserved": 4, "resource_provider_generation": 2}, version="1.26"),
    Say(f"PUT {P}/inventories", {"inventories": {}, "resource_provider_generation": 2}, 409, code=STALE),
    Say(
        f"PUT {P}/inventories",
        {"inventories": {"DISK_GB": {"total": 9}, "VCPU": {"total": 2}}, "resource_provider_generation": 3},
        shows={"inventories*": ["DISK_GB", "VCPU"], "resource_provider_generation": 4},
    ),
    Say("PUT /allocations/{server}", claim({"host": {"VCPU": 1}}), 204),
    Say(f"DELETE {P}/inventories/VCPU", answers=409, code="placement.inventory.inuse"),
    Say(f"DELETE {P}/inventories", answers=409, code="placement.inventory.inuse"),
    Say(
        f"PUT {P}/inventories",
        {"inventories": {"DISK_GB": {"total": 9}}, "resource_provider_generation": 5},
        409,
        code="placement.inventory.inuse",
        says="in use",
    ),
    Say(f"DELETE {P}", answers=409, code="placement.resource_provider.inuse"),
    Say("DELETE /allocations/{server}", answers=204),
    Say(f"DELETE {P}/inventories/VCPU", answers=204),
    Say(f"DELETE {P}/inventories/VCPU", answers=404),
    Say(f"DELETE {P}/inventories", answers=405, version="1.4"),
    Say(f"DELETE {P}/inventories", answers=204, version="1.5"),
    Say(f"GET {P}/inventories", shows={"inventories": {}}),
    Say("DELETE /resource_providers/{nobody}/inventories", answers=404),
]

TRAITS = [
    *provider("host"),
    Say("PUT /traits/CUSTOM_GOLD", answers=201, headers={**FRESH, "location": ".*/traits/CUSTOM_GOLD"}),
    Say("PUT /traits/CUSTOM_GOLD", answers=204, headers={"location": ".*/traits/CUSTOM_GOLD"}),
    Say("PUT /traits/GOLD", answers=400),
    Say("PUT /traits/CUSTOM_gold", answers=400),
    Say("PUT /traits/HW_CPU_X86_AVX2", answers=400),
    Say(f"PUT /traits/CUSTOM_{'X' * 249}", answers=400),
    Say("GET /traits/CUSTOM_GOLD", answers=204, headers=FRESH),
    Say("GET /traits/CUSTOM_NONE", answers=404, says="No such trait(s): CUSTOM_NONE"),
    Say("GET /traits?name=startswith:CUSTOM", shows={"traits": ["CUSTOM_GOLD"]}, headers=FRESH),
    Say("GET /traits?name=in:CUSTOM_GOLD,HW_CPU_X86_AVX2,NONE", shows={"traits*": ["CUSTOM_GOLD", "HW_CPU_X86_AVX2"]}),
    Say("GET /traits?name=CUSTOM_GOLD", answers=400, says="Badly formatted name parameter"),
    Say("GET /traits?associated=maybe", answers=400),
    Say("GET /traits?colour=red", answers=400, says="Invalid query string parameters"),
    Say("GET /traits?associated=true", shows={"traits": []}),
    Say(f"GET {P}/traits", shows={"traits": [], "resource_provider_generation": 0}, headers=FRESH),
    Say(
        f"PUT {P}/traits",
        {"traits": ["CUSTOM_GOLD", "HW_CPU_X86_AVX2"], "resource_provider_generation": 0},
        shows={"traits*": ["CUSTOM_GOLD", "HW_CPU_X86_AVX2"], "resource_provider_generation": 1},
        headers=FRESH,
    ),
    Say(f"PUT {P}/traits", {"traits": [], "resource_provider_generation": 0}, 409, code=STALE),
    Say(f"PUT {P}/traits", {"traits": ["CUSTOM_NONE"], "resource_provider_generation": 1}, 400, says="CUSTOM_NONE"),
    Say(f"PUT {P}/traits", {"traits": []}, 400, says="resource_provider_generation"),
    Say(f"PUT {P}/traits", {"resource_provider_generation": 1}, 400, says="'traits' is a required property"),
    Say(f"PUT {P}/traits", {"traits": ["a b"], "resource_provider_generation": 1}, 400, says="No such trait"),
    Say("PUT /resource_providers/{nobody}/traits", {"traits": [], "resource_provider_generation": 1}, 404),
    Say("GET /resource_providers/{nobody}/traits", answers=404),
    Say("GET /traits?associated=true", shows={"traits*": ["CUSTOM_GOLD", "HW_CPU_X86_AVX2"]}),
    Say("GET /traits?associated=false&name=startswith:CUSTOM", shows={"traits": []}),
    Say("DELETE /traits/CUSTOM_GOLD", answers=409, says="in use"),
    Say("DELETE /traits/HW_CPU_X86_AVX2", answers=400, says="Cannot delete standard trait"),
    Say("DELETE /traits/CUSTOM_NONE", answers=404),
    Say(f"DELETE {P}/traits", answers=204),
    Say(f"GET {P}/traits", shows={"traits": [], "resource_provider_generation": 2}),
    Say("DELETE /traits/CUSTOM_GOLD", answers=204),
    Say("GET /traits/CUSTOM_GOLD", answers=404),
    *traits("host", 2, "HW_CPU_X86_VMX"),
    Say("GET /resource_providers?required=HW_CPU_X86_VMX", shows={"resource_providers#": 1}),
    Say("GET /resource_providers?required=!HW_CPU_X86_VMX", shows={"resource_providers": []}),
    Say("GET /resource_providers?required=in:HW_CPU_X86_VMX,HW_CPU_X86_AVX", shows={"resource_providers#": 1}),
    Say("GET /resource_providers?required=HW_CPU_X86_VMX,!HW_CPU_X86_VMX", shows={"resource_providers": []}),
]

AGGREGATES = [
    *provider("host"),
    *provider("b"),
    Say(f"GET {P}/aggregates", shows={"aggregates": [], "resource_provider_generation": 0}, headers=FRESH),
    aggregates("host", 0, "row", "hall"),
    Say(f"GET {P}/aggregates", shows={"aggregates#": 2, "resource_provider_generation": 1}),
    Say(f"PUT {P}/aggregates", {"aggregates": [], "resource_provider_generation": 0}, 409, code=STALE),
    Say(f"PUT {P}/aggregates", {"aggregates": []}, 400, says="resource_provider_generation"),
    Say(f"PUT {P}/aggregates", {"aggregates": ["no"], "resource_provider_generation": 1}, 400, says="'uuid'"),
    Say(f"PUT {P}/aggregates", {"aggregates": ["{a}", "{a}"], "resource_provider_generation": 1}, 400, says="unique"),
    Say("PUT /resource_providers/{nobody}/aggregates", ["{a}"], 404),
    Say("GET /resource_providers/{nobody}/aggregates", answers=404),
    Say(f"PUT {P}/aggregates", ["{row}"], version="1.18", shows={"resource_provider_generation": ABSENT}),
    Say(f"GET {P}", shows={"generation": 1}),
    aggregates("b", 0, "hall"),
    Say("GET /resource_providers?member_of={row}", shows={"resource_providers#": 1}),
    Say("GET /resource_providers?member_of=in:{row},{hall}", shows={"resource_providers#": 2}),
    Say("GET /resource_providers?member_of={row}&member_of={hall}", shows={"resource_providers": []}),
    Say("GET /resource_providers?member_of=!{row}", shows={"resource_providers#": 1, "resource_providers.0.name": "b"}),
    Say("GET /resource_providers?member_of=!in:{row},{hall}", shows={"resource_providers": []}),
    Say("GET /resource_providers?member_of={row},{hall}", answers=400, says="must be prefixed with the 'in:'"),
    Say("GET /resource_providers?member_of=no", answers=400, says="valid UUID"),
]

CLASSES = [
    Say("GET /resource_classes", shows={"resource_classes.0.name": "VCPU"}, headers=FRESH),
    Say("PUT /resource_classes/CUSTOM_GOLD", answers=201, headers={"location": ".*/resource_classes/CUSTOM_GOLD"}),
    Say("PUT /resource_classes/CUSTOM_GOLD", answers=204),
    Say("PUT /resource_classes/CUSTOM_gold", answers=400),
    Say("PUT /resource_classes/VCPU", answers=400),
    Say(
        "POST /resource_classes", {"name": "CUSTOM_IRON"}, 201, headers={"location": ".*/resource_classes/CUSTOM_IRON"}
    ),
    Say("POST /resource_classes", {"name": "CUSTOM_IRON"}, 409, says="already exists"),
    Say("POST /resource_classes", {"name": "IRON"}, 400, says="does not match"),
    Say("POST /resource_classes", {"name": "CUSTOM_" + "X" * 249}, 400, says="is too long"),
    Say("POST /resource_classes", {}, 400, says="'name' is a required property"),
    Say("GET /resource_classes/CUSTOM_IRON", shows={"name": "CUSTOM_IRON", "links.0.rel": "self"}, headers=FRESH),
    Say("GET /resource_classes/CUSTOM_NONE", answers=404, says="No such resource class CUSTOM_NONE"),
    Say("PUT /resource_classes/CUSTOM_IRON", {"name": "CUSTOM_STEEL"}, version="1.6", shows={"name": "CUSTOM_STEEL"}),
    Say("PUT /resource_classes/CUSTOM_STEEL", {"name": "CUSTOM_GOLD"}, 409, version="1.6"),
    Say("PUT /resource_classes/CUSTOM_NONE", {"name": "CUSTOM_TIN"}, 404, version="1.6"),
    *provider("host", {"CUSTOM_GOLD": 1}),
    Say("DELETE /resource_classes/CUSTOM_GOLD", answers=409, says="in use"),
    Say("DELETE /resource_classes/VCPU", answers=400, says="Cannot delete standard resource class"),
    Say("DELETE /resource_classes/CUSTOM_NONE", answers=404),
    Say("DELETE /resource_classes/CUSTOM_STEEL", answers=204),
    Say("GET /resource_classes/CUSTOM_STEEL", answers=404),
]

HTTP = [
    Say("GET /", headers={"content-type": "application/json.*"}, shows={"versions.0.max_version": "1.39"}),
    Say("GET /barrels", answers=404, code=UNDEFINED),
    Say("GET /resource_providers", version="1.40", answers=406, says="Unacceptable version header: 1.40"),
    Say("GET /resource_providers", version="0.9", answers=406),
    Say("GET /resource_providers", version="one", answers=400, says="invalid version string: one"),
    Say("GET /resource_providers", version="latest", headers={"openstack-api-version": "placement 1.39", "vary": ".*"}),
    Say("GET /resource_providers", sends={"accept": "text/plain"}, answers=406),
    Say("GET /resource_providers", sends={"accept": "*/*"}),
    Say("POST /resource_providers", {"name": "x"}, 415, sends={"content-type": "text/plain"}),
    Say("GET /resource_providers", version="1.14", headers=UNDATED),
    Say("GET /resource_providers/{nobody}", version="1.22", answers=404, shows={"errors.0.code": ABSENT}),
    Say("GET /resource_providers/{nobody}", version="1.23", answers=404, code=GONE),
]

TALKS = {
    "providers": PROVIDERS,
    "trees": TREES,
    "inventories": INVENTORIES,
    "traits": TRAITS,
    "aggregates": AGGREGATES,
    "classes": CLASSES,
    "http": HTTP,
}


@pytest.mark.parametrize("talk", TALKS)
def test_talk(served: Running, talk: str) -> None:
    with served.client("admin") as client:
        held(client, TALKS[talk])
