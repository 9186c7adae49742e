"""Rules of the cache."""

from __future__ import annotations

from cumulet.auth import Rule
from cumulet.services.image.policies.checks import ADMIN

RULES = [
    Rule("manage_image_cache", ADMIN, "Not checked anywhere: the finer rules are"),
    Rule("cache_image", ADMIN, "Queue image for caching"),
    Rule("cache_list", ADMIN, "List cache status"),
    Rule("cache_delete", ADMIN, "Delete image(s) from cache and/or queue"),
    Rule("cache_clean", ADMIN, "Clean invalid and stalled cached images"),
    Rule("cache_prune", ADMIN, "Prune cached images to reduce cache size"),
    Rule("list_cached_nodes", ADMIN, "List the nodes that have the image in their cache"),
]
