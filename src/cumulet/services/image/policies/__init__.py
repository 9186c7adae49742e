"""Image's policy rules, under Glance's names and with its defaults.

Targets are images: `owner` and `project_id` are the owner, `visibility`, and `member_id` is the caller's project
when the image is shared with it. Targets of metadata definitions are their namespaces.
"""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies import cache, discovery, images, locations, members, metadefs, tasks

RULES = [
    Rule("default", "", "Whoever has a token"),
    Rule("service_api", "role:service or role:admin", "Calls that one service makes to another"),
    *images.RULES,
    *cache.RULES,
    *discovery.RULES,
    *locations.RULES,
    *members.RULES,
    *metadefs.RULES,
    *tasks.RULES,
]
