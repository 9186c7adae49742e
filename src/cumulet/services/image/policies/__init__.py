"""Image's policy rules, under Glance's names and with its defaults.

Targets are images: `owner` and `project_id` are the owner, `visibility`, and `member_id` is the caller's project
when the image is shared with it.
"""

from __future__ import annotations

from cumulet.auth import Rule

_OWNER = "role:member and project_id:%(project_id)s"
_SEES = (
    "project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s "
    "or 'public':%(visibility)s or 'shared':%(visibility)s"
)
_ADMIN = "rule:context_is_admin"

RULES = [
    Rule("add_image", f"{_ADMIN} or ({_OWNER} and project_id:%(owner)s)", "Create new image"),
    Rule("delete_image", f"{_ADMIN} or ({_OWNER})", "Deletes the image"),
    Rule("get_image", f"{_ADMIN} or (role:reader and ({_SEES}))", "Get specified image"),
    Rule("get_images", f"{_ADMIN} or (role:reader and project_id:%(project_id)s)", "Get all available images"),
    Rule("modify_image", f"{_ADMIN} or ({_OWNER})", "Updates given image"),
    Rule("publicize_image", _ADMIN, "Publicize given image"),
    Rule("communitize_image", f"{_ADMIN} or ({_OWNER})", "Communitize given image"),
    Rule("download_image", f"{_ADMIN} or (role:member and ({_SEES}))", "Downloads given image"),
    Rule("upload_image", f"{_ADMIN} or ({_OWNER})", "Uploads data to specified image"),
    Rule("add_member", f"{_ADMIN} or ({_OWNER})", "Create image member"),
    Rule("delete_member", f"{_ADMIN} or ({_OWNER})", "Delete image member"),
    Rule(
        "get_member",
        f"{_ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
        "Show image member details",
    ),
    Rule(
        "get_members",
        f"{_ADMIN} or (role:reader and (project_id:%(project_id)s or project_id:%(member_id)s))",
        "List image members",
    ),
    Rule("modify_member", f"{_ADMIN} or (role:member and project_id:%(member_id)s)", "Update image member"),
    Rule("deactivate", f"{_ADMIN} or ({_OWNER})", "Deactivate image"),
    Rule("reactivate", f"{_ADMIN} or ({_OWNER})", "Reactivate image"),
]
