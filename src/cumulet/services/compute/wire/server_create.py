"""The body of POST /servers, with the microversion window of each of its fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from cumulet.http import Since, Until, Wire
from cumulet.http.shapes import Open

Name = Annotated[str, Meta(min_length=1, max_length=255)]
MetaKey = Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9\-_:. ]{1,255}\Z")]
MetaValue = Annotated[str, Meta(max_length=255)]
Metadata = dict[MetaKey, MetaValue]
Tag = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[^,/]*\Z")]


class Network(Wire):
    uuid: str | UnsetType | None = UNSET
    port: str | UnsetType | None = UNSET
    fixed_ip: str | UnsetType = UNSET
    tag: Annotated[Tag | UnsetType, Since("2.32")] = UNSET


class SecurityGroup(Open):
    name: Name | UnsetType = UNSET


class File(Wire):
    path: str
    contents: str


class BlockDevice(Open):
    """One of block_device_mapping_v2; only the image on the local disk can be said yet."""

    boot_index: int | str | None = None
    uuid: str | None = None
    source_type: str = ""
    destination_type: str = ""
    delete_on_termination: bool | str | None = None
    volume_size: int | str | None = None
    device_name: str | None = None
    device_type: str | None = None
    disk_bus: str | None = None
    guest_format: str | None = None
    volume_id: str | None = None
    snapshot_id: str | None = None
    tag: str | None = None


class NewServer(Wire):
    name: Name
    flavorRef: Annotated[str, Meta(min_length=1)] | int
    imageRef: str = ""
    networks: list[Network] | Literal["auto", "none"] | UnsetType = UNSET
    key_name: Name | UnsetType = UNSET
    user_data: Annotated[str, Meta(max_length=65535)] | None = None
    security_groups: list[SecurityGroup] | UnsetType = UNSET
    metadata: Metadata = field(default_factory=dict)
    personality: Annotated[list[File] | UnsetType, Until("2.56")] = UNSET
    config_drive: bool | str | None = None
    min_count: int | str = 1
    max_count: int | str | UnsetType = UNSET
    availability_zone: Name | UnsetType = UNSET
    description: Annotated[Annotated[str, Meta(max_length=255)] | UnsetType | None, Since("2.19")] = UNSET
    tags: Annotated[Annotated[list[Tag], Meta(max_length=50)] | UnsetType, Since("2.52")] = UNSET
    trusted_image_certificates: Annotated[list[str] | UnsetType | None, Since("2.63")] = UNSET
    host: Annotated[Name | UnsetType, Since("2.74")] = UNSET
    hypervisor_hostname: Annotated[Name | UnsetType, Since("2.74")] = UNSET
    hostname: Annotated[Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType, Since("2.90")] = UNSET
    block_device_mapping: list[Any] | UnsetType = UNSET
    block_device_mapping_v2: list[BlockDevice] | UnsetType = UNSET
    return_reservation_id: bool | str = False
    adminPass: str | UnsetType = UNSET
    accessIPv4: str = ""
    accessIPv6: str = ""
    disk_config: Literal["AUTO", "MANUAL"] = field(name="OS-DCF:diskConfig", default="MANUAL")


class NewServerBody(Wire):
    server: NewServer
    hints: dict[str, Any] | UnsetType = field(name="os:scheduler_hints", default=UNSET)
    old_hints: dict[str, Any] | UnsetType = field(name="OS-SCH-HNT:scheduler_hints", default=UNSET)


class ServerUpdate(Wire):
    name: Name | UnsetType = UNSET
    description: Annotated[Annotated[str, Meta(max_length=255)] | UnsetType | None, Since("2.19")] = UNSET
    hostname: Annotated[Annotated[str, Meta(min_length=1, max_length=255)] | UnsetType, Since("2.90")] = UNSET
    accessIPv4: str | UnsetType = UNSET
    accessIPv6: str | UnsetType = UNSET
    disk_config: Literal["AUTO", "MANUAL"] | UnsetType = field(name="OS-DCF:diskConfig", default=UNSET)


class ServerUpdateBody(Wire):
    server: ServerUpdate


class MetadataBody(Wire):
    metadata: Metadata


class MetadataItemBody(Wire):
    meta: Annotated[Metadata, Meta(min_length=1, max_length=1)]


class TagsBody(Wire):
    tags: Annotated[list[Tag], Meta(max_length=50)]
