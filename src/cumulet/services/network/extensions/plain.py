"""Extensions that are only names: what they stand for is how every list, every id or an operation works already."""

from __future__ import annotations

from cumulet.services.network.extension import Extension

EXTENSIONS = (
    Extension("ip-substring-filtering", "IP address substring filtering", "Provides IP address substring filtering"),
    Extension(
        "net-mtu-writable", "Network MTU (writable)", "Provides a writable MTU attribute for a network resource."
    ),
    Extension("pagination", "Pagination support", "Extension that indicates that pagination is enabled."),
    Extension("project-id", "project_id field enabled", "Extension that indicates that project_id field is enabled."),
    Extension(
        "quota_details", "Quota details management support", "Expose functions for quotas usage statistics per project"
    ),
    Extension("sorting", "Sorting support", "Extension that indicates that sorting is enabled."),
)
