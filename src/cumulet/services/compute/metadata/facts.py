"""What is known of servers, gathered for their metadata. Batched; holds no format of any tree."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

from msgspec import Struct

from cumulet.db import Transaction
from cumulet.desired.network import Network, Subnet
from cumulet.desired.port import Interface
from cumulet.services.compute.model.servers import Server
from cumulet.services.network import door as network


class Place(Struct, frozen=True):
    """What the cloud calls itself to guests. `simulated`: its hosts are, and take orders from servers' metadata."""

    zone: str = "nova"
    dhcp_domain: str = "novalocal"
    simulated: bool = False


class Facts(Struct, frozen=True):
    """A server and what belongs to it. `subnets` by id."""

    server: Server
    place: Place
    interfaces: Sequence[Interface]
    subnets: Mapping[str, Subnet]
    addresses: Sequence[network.ServerAddress]
    groups: Sequence[str]

    @property
    def hostname(self) -> str:
        """The full host name."""
        name = str(self.server.hostname)
        return name if "." in name or not self.place.dhcp_domain else f"{name}.{self.place.dhcp_domain}"

    @property
    def user_data(self) -> bytes | None:
        """What the user gave for the guest to run."""
        return None if self.server.user_data is None else base64.b64decode(self.server.user_data)

    @property
    def public_key(self) -> str:
        """The user's key as a file of a guest holds it: with plain line ends, whatever the client's system writes.
        `sshd` takes a carriage return for a part of the key."""
        return "" if self.server.public_key is None else "\n".join(str(self.server.public_key).split("\r\n"))

    def ip(self, kind: str) -> str:
        """The first IPv4 address of a kind (fixed, floating); empty without one."""
        return next((a.ip for a in self.addresses if a.type == kind and a.version == 4), "")

    @property
    def random_seed(self) -> str:
        """512 bytes that nobody else knows, the same at every reading, as base64."""
        return base64.b64encode(hashlib.shake_256(str(self.server.seed).encode()).digest(512)).decode()


def gather(tx: Transaction, rows: Sequence[Server], place: Place) -> dict[str, Facts]:
    """Facts by server id: a constant number of queries per link that the servers are on."""
    ids = [row.id for row in rows]
    interfaces = network.interfaces(tx, ids)
    addresses = network.addresses(tx, ids)
    groups = network.security_group_names(tx, ids)
    subnets = _subnets(tx, rows, interfaces)
    return {
        row.id: Facts(
            row,
            place,
            interfaces.get(row.id, []),
            subnets,
            addresses.get(row.id, []),
            groups.get(row.id, []),
        )
        for row in rows
    }


def _subnets(
    tx: Transaction, rows: Sequence[Server], interfaces: Mapping[str, Sequence[Interface]]
) -> dict[str, Subnet]:
    by_link: dict[str, set[str]] = {}
    for row in rows:
        wanted = by_link.setdefault(row.link_id or "", set())
        wanted.update(interface.network_id for interface in interfaces.get(row.id, ()))
    found: dict[str, Subnet] = {}
    for link_id, ids in by_link.items():
        if ids:
            for shape in network.RENDERERS["network"](tx, link_id, sorted(ids)).values():
                if isinstance(shape, Network):
                    found.update({subnet.id: subnet for subnet in shape.subnets})
    return found
