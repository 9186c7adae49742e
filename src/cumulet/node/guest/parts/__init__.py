"""The parts of a guest, in the order in which each is made; they are removed in the opposite one.

A new part is a file with a class here and its place in `assemble`. Whatever an earlier part gives a later one stands in
`cumulet.node.guest.local.Found`.
"""

from __future__ import annotations

from cumulet.node.guest.parts.config_drive import ConfigDrive
from cumulet.node.guest.parts.console import Console
from cumulet.node.guest.parts.disks import Disks
from cumulet.node.guest.parts.domain import Domain
from cumulet.node.guest.parts.folder import Folder
from cumulet.node.guest.parts.image import Image
from cumulet.node.guest.parts.part import Part, Tools
from cumulet.node.guest.parts.power import Power
from cumulet.node.guest.parts.reboot import Reboot
from cumulet.node.guest.parts.screen import Screen

ORDER = (Reboot, Image, Folder, Disks, ConfigDrive, Domain, Console, Power, Screen)


def assemble(tools: Tools) -> tuple[Part, ...]:
    """The parts of this host's guests."""
    return tuple(part(tools) for part in ORDER)
