"""POST /servers: from the body to what the model takes. Checks form and policy, looks at no row but hosts."""

from __future__ import annotations

import re
import uuid
from typing import Any, Literal

from msgspec import UNSET

from cumulet.desired import texts
from cumulet.fleet import door as fleet
from cumulet.http import Call
from cumulet.http.collections import boolean, is_uuid
from cumulet.http.faults import BadRequest
from cumulet.http.shapes import Invalid
from cumulet.services.compute.model import scheduling
from cumulet.services.compute.model.server_create import CreateRequest, check_user_data
from cumulet.services.compute.service import service
from cumulet.services.compute.wire import server_create as wire
from cumulet.services.network.door import NetworkRequest

_RULE = "os_compute_api:servers:create"
_HOSTNAME = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?")
_FQDN = re.compile(r"[a-zA-Z0-9]([-a-zA-Z0-9.]{0,253}[a-zA-Z0-9])?")
_BAD_NAME = (
    "An invalid 'name' value was provided. The name must be: printable characters. "
    "Can not start or end with whitespace."
)
_LOCAL_ONLY = (
    "Block Device Mapping is Invalid: only booting from an image on the local disk "
    "(source_type image, destination_type local, boot_index 0) is supported."
)


def refuse(field: str, value: Any, problem: str) -> Exception:
    """The fault about one field of the body."""
    return service.invalidity(Invalid(f"server.{field}", value, problem))


def request(call: Call) -> CreateRequest:
    """What the caller asks for. Raises 400 and 403."""
    new: wire.NewServer = call.body.server
    check_name(new.name)
    _hints(call.body)
    least, most = _counts(new)
    zone, host = _place(call, new)
    if new.user_data is not None:
        check_user_data(new.user_data)
    if new.trusted_image_certificates:
        raise BadRequest("Image signature certificate validation is not supported")
    networks = _networks(call, new)
    if networks not in ([], "none"):
        call.require(f"{_RULE}:attach_network")
    groups = [] if new.security_groups is UNSET else [g.name for g in new.security_groups if isinstance(g.name, str)]
    return CreateRequest(
        name=new.name.strip(),
        flavor_id=str(new.flavorRef).rsplit("/", 1)[-1],
        image_id=_image(new),
        networks="auto" if networks == [] else networks,
        security_groups=tuple(dict.fromkeys(groups)),
        key_name=_given(new.key_name),
        user_data=new.user_data,
        metadata=new.metadata,
        personality=_files(new),
        tags=() if new.tags is UNSET else tuple(new.tags),
        config_drive=_config_drive(new.config_drive),
        min_count=least,
        max_count=most,
        zone=zone,
        host=host,
        description=_description(call, new),
        hostname=hostname(call, _given(new.hostname)),
        disk_config=new.disk_config,
        access_ip_v4=address("accessIPv4", new.accessIPv4, 4),
        access_ip_v6=address("accessIPv6", new.accessIPv6, 6),
    )


def _given(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def check_name(name: str) -> None:
    """Raise 400 for a name with spaces around it, or one that cannot be printed."""
    if name != name.strip() or not name.isprintable():
        raise refuse("name", name, _BAD_NAME)


def hostname(call: Call, text: str | None) -> str | None:
    """A host name that a caller gives: one label, from 2.94 on a full name."""
    if text is not None and not (_FQDN if call.version >= (2, 94) else _HOSTNAME).fullmatch(text):
        raise refuse("hostname", text, f"{text!r} is not a valid host name")
    return text


def address(field: str, text: str, version: int) -> str | None:
    """An access address; empty is none. Raises 400."""
    if not text:
        return None
    try:
        return str(texts.of_version(text, version))
    except ValueError:
        raise refuse(field, text, f"{text!r} is not a 'ipv{version}'") from None


def _description(call: Call, new: wire.NewServer) -> str | None:
    if call.version < (2, 19):
        return new.name.strip()
    return _given(new.description)


def _hints(body: wire.NewServerBody) -> None:
    hints = body.hints if isinstance(body.hints, dict) else body.old_hints
    if isinstance(hints, dict) and hints.get("group"):
        raise BadRequest(f"Instance group {hints['group']} could not be found.")


def _counts(new: wire.NewServer) -> tuple[int, int]:
    least = _positive("min_count", new.min_count)
    most = least if new.max_count is UNSET else _positive("max_count", new.max_count)
    if least > most:
        raise BadRequest("min_count must be <= max_count")
    return least, most


def _positive(field: str, value: Any) -> int:
    if isinstance(value, str):
        if not re.fullmatch(r"[0-9]{1,9}", value):
            raise refuse(field, value, f"{value!r} does not match '^[0-9]*$'")
        value = int(value)
    if value < 1:
        raise refuse(field, value, f"{value} is less than the minimum of 1")
    return int(value)


def _place(call: Call, new: wire.NewServer) -> tuple[str | None, str | None]:
    """Zone and forced host."""
    zone, host = scheduling.parse_zone(_given(new.availability_zone))
    if host is not None:
        call.require(f"{_RULE}:forced_host")
    wanted = _given(new.host) or _given(new.hypervisor_hostname)
    if wanted is None:
        return zone, host
    call.require("compute:servers:create:requested_destination")
    if host is not None:
        raise BadRequest(
            "One mechanism with host and/or hypervisor_hostname and another mechanism "
            "with zone:host:node are mutually exclusive."
        )
    known = fleet.host_by_name(call.tx, wanted)
    if known is None or (_given(new.hypervisor_hostname) or wanted) != wanted:
        raise BadRequest(f"Compute host {wanted} could not be found.")
    return zone, wanted


def _image(new: wire.NewServer) -> str:
    image_id = new.imageRef
    if new.block_device_mapping is not UNSET and new.block_device_mapping:
        raise BadRequest(_LOCAL_ONLY)
    if new.block_device_mapping_v2 is not UNSET and new.block_device_mapping_v2:
        devices = new.block_device_mapping_v2
        first = devices[0]
        local = (first.source_type, first.destination_type, str(first.boot_index)) == ("image", "local", "0")
        if len(devices) != 1 or not local or (image_id and first.uuid != image_id):
            raise BadRequest(_LOCAL_ONLY)
        image_id = first.uuid or ""
    if not image_id:
        raise BadRequest("Invalid imageRef provided.")
    try:
        return str(uuid.UUID(image_id.rsplit("/", 1)[-1]))
    except ValueError:
        raise refuse("imageRef", image_id, f"{image_id!r} is not a 'uuid'") from None


def _config_drive(value: bool | str | None) -> bool:
    if value is None or isinstance(value, bool):
        return bool(value)
    found = boolean(value) if value else False
    if found is None:
        raise BadRequest("Invalid config_drive provided.")
    return found


def _files(new: wire.NewServer) -> tuple[dict[str, str], ...]:
    if new.personality is UNSET:
        return ()
    for file in new.personality:
        try:
            check_user_data(file.contents)
        except BadRequest:
            raise BadRequest(f"Personality content for {file.path} cannot be decoded") from None
    return tuple({"path": file.path, "contents": file.contents} for file in new.personality)


def _networks(call: Call, new: wire.NewServer) -> list[NetworkRequest] | Literal["auto", "none"]:
    wanted = new.networks
    if wanted is UNSET:
        if call.version >= (2, 37):
            raise service.invalidity(Invalid("server", {"name": new.name}, "'networks' is a required property"))
        return "auto"
    if isinstance(wanted, str):
        if call.version < (2, 37):
            raise refuse("networks", wanted, f"{wanted!r} is not of type 'array'")
        return wanted
    return [_network(item) for item in wanted]


def _network(item: wire.Network) -> NetworkRequest:
    port_id, network_id = _given(item.port), _given(item.uuid)
    for name, value in (("port", port_id), ("uuid", network_id)):
        if value is not None and not is_uuid(value):
            raise refuse(f"networks.{name}", value, f"{value!r} is not a 'uuid'")
    fixed_ip = _given(item.fixed_ip)
    if fixed_ip is not None:
        try:
            fixed_ip = str(texts.address(fixed_ip))
        except ValueError:
            raise refuse("networks.fixed_ip", fixed_ip, f"{fixed_ip!r} is not a 'ip-address'") from None
    if port_id is not None:
        if fixed_ip is not None:
            raise BadRequest(
                f"Specified Fixed IP '{fixed_ip}' cannot be used with port '{port_id}': "
                "the two cannot be specified together."
            )
        return NetworkRequest(network_id=None, port_id=port_id, fixed_ip=None, tag=_given(item.tag))
    if network_id is None:
        raise BadRequest("Bad networks format: network uuid is not in proper format (None)")
    return NetworkRequest(network_id=network_id, port_id=None, fixed_ip=fixed_ip, tag=_given(item.tag))
