"""The list of extensions, which once told clients what an API can do."""

from __future__ import annotations

from typing import Any

from cumulet.http import Call
from cumulet.http.bodies import Query, under
from cumulet.http.faults import NotFound
from cumulet.services.compute.service import service
from cumulet.services.compute.wire.extensions import EXTENSION

_RULE = "os_compute_api:extensions"

_EXTENSIONS = {
    "os-availability-zone": "AvailabilityZone",
    "os-config-drive": "ConfigDrive",
    "os-console-output": "ConsoleOutput",
    "os-consoles": "Consoles",
    "os-deferred-delete": "DeferredDelete",
    "OS-EXT-AZ": "ExtendedAvailabilityZone",
    "OS-EXT-SRV-ATTR": "ExtendedServerAttributes",
    "OS-EXT-STS": "ExtendedStatus",
    "os-extended-volumes": "ExtendedVolumes",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-multiple-create": "MultipleCreate",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-remote-consoles": "Consoles",
    "OS-SCH-HNT": "SchedulerHints",
    "os-security-groups": "SecurityGroups",
    "OS-SRV-USG": "ServerUsage",
    "os-services": "Services",
    "os-simple-tenant-usage": "SimpleTenantUsage",
    "os-used-limits": "UsedLimits",
    "os-user-data": "UserData",
}


def _extension(alias: str) -> dict[str, Any]:
    name = _EXTENSIONS[alias]
    return {
        "alias": alias,
        "name": name,
        "description": name,
        "links": [],
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
        "updated": "2014-12-03T00:00:00Z",
    }


@service.get("/v2.1/extensions", policy=_RULE, response=under("extensions", [EXTENSION]), query=Query({}))
def index(call: Call) -> dict[str, Any]:
    """List extensions."""
    return {"extensions": [_extension(alias) for alias in sorted(_EXTENSIONS)]}


@service.get("/v2.1/extensions/{alias}", policy=_RULE, response=under("extension", EXTENSION))
def show(call: Call, alias: str) -> dict[str, Any]:
    """Show an extension."""
    if alias not in _EXTENSIONS:
        raise NotFound("The resource could not be found.")
    return {"extension": _extension(alias)}
