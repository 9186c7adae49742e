"""Shape of a domain's configuration; what is in it is checked in `model/domain_configs.py`."""

from __future__ import annotations

from typing import Any

from cumulet.http.bodies import Record
from cumulet.http.shapes import Open


class ConfigRequest(Open):
    config: dict[str, Any]


CONFIG = Record("", {"config": Record("ShownDomainConfig", {}, others=Any)})
"""Groups with their options, options of a group, or one option: as the path says."""
