"""Shape of a domain's configuration; what is in it is checked in `model/domain_configs.py`."""

from __future__ import annotations

from typing import Any

from cumulet.http.shapes import Open


class ConfigRequest(Open):
    config: dict[str, Any]
