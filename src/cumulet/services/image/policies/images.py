"""Rules of images and their tags."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import (
    ADMIN,
    ADMIN_OR_OWNER_READS,
    ADMIN_OR_OWNER_WRITES,
    OWNER_WRITES,
    SEES,
)

RULES = [
    Rule("add_image", f"{ADMIN} or ({OWNER_WRITES} and project_id:%(owner)s)", "Create new image"),
    Rule("delete_image", ADMIN_OR_OWNER_WRITES, "Deletes the image"),
    Rule("get_image", f"{ADMIN} or (role:reader and ({SEES}))", "Get specified image"),
    Rule("get_images", ADMIN_OR_OWNER_READS, "Get all available images"),
    Rule("modify_image", ADMIN_OR_OWNER_WRITES, "Updates given image"),
    Rule("publicize_image", ADMIN, "Publicize given image"),
    Rule("communitize_image", ADMIN_OR_OWNER_WRITES, "Communitize given image"),
    Rule("download_image", f"{ADMIN} or (role:member and ({SEES}))", "Downloads given image"),
    Rule(
        "download_from_store",
        f"{ADMIN} or (role:member and ({SEES}))",
        "Downloads given image from the stores that are named in the request",
    ),
    Rule("copy_image", ADMIN, "Copy existing image to other stores"),
    Rule("upload_image", ADMIN_OR_OWNER_WRITES, "Uploads data to specified image"),
    Rule("deactivate", ADMIN_OR_OWNER_WRITES, "Deactivate image"),
    Rule("reactivate", ADMIN_OR_OWNER_WRITES, "Reactivate image"),
]
