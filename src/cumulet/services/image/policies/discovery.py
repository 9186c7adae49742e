"""Rules of what the service tells about itself."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN

RULES = [Rule("stores_info_detail", f"{ADMIN} or rule:service_api", "Expose store specific information")]
