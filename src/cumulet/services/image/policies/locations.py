"""Rules of locations: of the list in an image, and of the calls of their own."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN, ADMIN_OR_OWNER_READS, ADMIN_OR_OWNER_WRITES, OWNER_WRITES

RULES = [
    Rule("get_image_location", ADMIN_OR_OWNER_READS, "Reads the location of the image"),
    Rule("set_image_location", ADMIN_OR_OWNER_WRITES, "Sets location URI to given image"),
    Rule("delete_image_location", ADMIN, "Deletes the location of given image"),
    Rule(
        "add_image_location",
        f"rule:service_api or ({OWNER_WRITES} and project_id:%(owner)s)",
        "Add location URI to given image",
    ),
    Rule("fetch_image_location", "rule:service_api", "Show all locations associated to given image"),
]
