"""Cross-origin requests of browsers, as oslo.middleware's CORS answers them. Off unless origins are allowed.

A preflight (OPTIONS with Origin and Access-Control-Request-Method) is answered with 200 and an empty body; it carries
the permission only when origin, method and headers are all allowed. Other answers get the permission of their origin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "HEAD")
EXPOSED = (
    "X-Auth-Token",
    "X-Subject-Token",
    "X-Service-Token",
    "X-OpenStack-Request-ID",
    "X-Compute-Request-Id",
    "X-Image-Meta-Checksum",
    "Openstack-Auth-Receipt",
    "OpenStack-API-Version",
    "X-OpenStack-Nova-API-Version",
    "Location",
)
# Those that every request may carry, then what Keystone, Glance, Nova and Neutron allow together.
_ALLOWED_TEXT = """
    accept accept-language content-type cache-control content-language expires last-modified pragma
    accept-encoding content-md5 if-match range x-auth-token x-subject-token x-service-token x-storage-token
    x-openstack-request-id openstack-auth-receipt openstack-api-version x-openstack-nova-api-version
    x-image-meta-checksum x-image-meta-store x-project-id x-project-name x-project-domain-id
    x-project-domain-name x-domain-id x-domain-name x-identity-status x-roles x-service-catalog x-user-id
    x-tenant-id openstack-system-scope
"""
_ALLOWED = frozenset(_ALLOWED_TEXT.split())
_MAX_AGE_S = "3600"


class Cors:
    """The allowed origins. ``*`` allows every origin, then without credentials, as browsers demand."""

    def __init__(self, origins: Sequence[str] = ()) -> None:
        self.origins = frozenset(origins)

    def headers(self, request: Mapping[str, str]) -> list[tuple[str, str]]:
        """What an answer to `request` says to its browser. Caches must know that it depends on the origin."""
        if not self.origins:
            return []
        permitted = self._permission(request.get("origin"))
        if not permitted:
            return [("Vary", "Origin")]
        return [*permitted, ("Access-Control-Expose-Headers", ",".join(EXPOSED))]

    def preflight(self, request: Mapping[str, str]) -> list[tuple[str, str]] | None:
        """Headers that answer a preflight; None when `request` is none or no origin is allowed here."""
        method = request.get("access-control-request-method")
        if not self.origins or method is None or "origin" not in request:
            return None
        asked = [name.strip() for name in request.get("access-control-request-headers", "").split(",") if name.strip()]
        permitted = self._permission(request["origin"])
        if not permitted or method not in METHODS or not _ALLOWED.issuperset(name.lower() for name in asked):
            return [("Vary", "Origin")]
        answer = [*permitted, ("Access-Control-Max-Age", _MAX_AGE_S), ("Access-Control-Allow-Methods", method)]
        return [*answer, ("Access-Control-Allow-Headers", ",".join(asked))] if asked else answer

    def _permission(self, origin: str | None) -> list[tuple[str, str]]:
        if origin is None:
            return []
        if origin in self.origins:
            credentials = ("Access-Control-Allow-Credentials", "true")
            return [("Vary", "Origin"), ("Access-Control-Allow-Origin", origin), credentials]
        return [("Vary", "Origin"), ("Access-Control-Allow-Origin", "*")] if "*" in self.origins else []
