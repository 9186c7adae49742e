"""On which host a port is, and how it is plugged in there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from cumulet.db import Transaction
from cumulet.fleet import door as fleet
from cumulet.services.network.check_strings import ADMIN, MEMBER, rules
from cumulet.services.network.draft import PortDraft
from cumulet.services.network.extension import Body, Extension
from cumulet.services.network.model import port_bindings as model
from cumulet.services.network.model.propagation import DHCP
from cumulet.services.network.tables import port_bindings
from cumulet.services.network.wire.attributes import Attribute, Refused, mapping, one_of, text, typed

VNIC_TYPES = (
    *("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic"),
    *("vdpa", "accelerator-direct", "accelerator-direct-physical", "remote-managed"),
)


class Binding(Struct, frozen=True):
    """Where a port is plugged; for ports that compute makes, which interface of the server they are."""

    host: str = ""
    link_id: str | None = None
    by_compute: bool = False
    tag: str | None = None
    position: int = 0


def binding_to(tx: Transaction, host: str) -> Binding:
    """The binding to the host of this name; without a link when there is no such host."""
    found = fleet.host_by_name(tx, host) if host else None
    return Binding(host, found.link_id if found else None)


@typed(dict)
def profile(value: Any) -> dict[str, Any]:
    """What a deployer's driver says of a port; nothing here reads it."""
    found = mapping(value)
    if len(repr(found)) > 4095:
        raise Refused("binding:profile value too large")
    return found


def settle(tx: Transaction, draft: PortDraft) -> None:
    """The port is bound to the link of the host that the client named, unless its maker has said where it is."""
    host = draft.given("binding:host_id")
    if host is None or "link_id" in draft.columns or (draft.row is not None and draft.row.host == host):
        return
    binding = binding_to(tx, host)
    draft.columns.update(host=binding.host, link_id=binding.link_id, status="DOWN")


def finish(tx: Transaction, draft: PortDraft) -> None:
    """Write down the binding of a port that came to another host, or whose profile changed."""
    row, host, profile = draft.row, draft.after("host"), draft.after("profile")
    if row is not None and (row.host, row.profile) == (host, profile):
        return
    if row is not None and row.host:
        model.unbind(tx, [row.id])
    if host:
        model.bind(tx, draft.columns["id"] if row is None else row.id, host, draft.after("link_id"), profile)


def show(_tx: Transaction, rows: Sequence[Any], bodies: list[Body]) -> None:
    """How ports are plugged in."""
    for row, body in zip(rows, bodies, strict=True):
        link_id = row.link_id
        if link_id:
            body["binding:vif_type"], body["binding:vif_details"] = "bridge", dict(model.VIF_DETAILS)
        else:
            failed = body["binding:host_id"] and body["device_owner"] != DHCP
            body["binding:vif_type"], body["binding:vif_details"] = "binding_failed" if failed else "unbound", {}


EXTENSION = Extension(
    "binding",
    "Port Binding",
    "Expose port bindings of a virtual port to external application",
    adds={
        "port": {
            "binding:host_id": Attribute(text(), "", guarded=True, hidden=True),
            "binding:profile": Attribute(profile, {}, guarded=True, hidden=True),
            "binding:vnic_type": Attribute(one_of(*VNIC_TYPES), "normal", guarded=True),
            "binding:vif_type": Attribute(text(), post=False, put=False, hidden=True),
            "binding:vif_details": Attribute(mapping, post=False, put=False, hidden=True),
        }
    },
    columns={
        "port": {"binding:host_id": "host", "binding:profile": "profile", "binding:vnic_type": "vnic_type"},
    },
    rules=[
        *rules(
            "create_port:binding:host_id create_port:binding:profile update_port:binding:host_id "
            "update_port:binding:profile get_port:binding:vif_type get_port:binding:vif_details "
            "get_port:binding:host_id get_port:binding:profile",
            f"{ADMIN} or rule:service_api",
        ),
        *rules("create_port:binding:vnic_type update_port:binding:vnic_type", f"{MEMBER} or rule:service_api"),
    ],
    tables=(port_bindings,),
    settles={"port": settle},
    finishes={"port": finish},
    erased={"port": model.unbind},
    shows={"port": show},
)
