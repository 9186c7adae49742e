"""Where a process serves a service: at a port of its own, or at one that several share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cumulet.auth import Policy
from cumulet.http import forwarded
from cumulet.http.operation import Service

Scope = dict[str, Any]


class Mount:
    """A service as one process serves it: on which port, with which context for its handlers. `service` may be what
    declares it when the first request comes; then `type` and `request_id_header` say what it will. `public`: where
    clients find it who come through a proxy; `proxied`: whether any may. `prefix`: the path below which it is on a port
    that it shares."""

    def __init__(
        self,
        service: Service | Callable[[], Service],
        context: Any,
        policy: Policy,
        auth_url: str = "",
        *,
        public: str = "",
        proxied: bool = False,
        type: str = "",
        request_id_header: str = "",
        prefix: str = "",
    ) -> None:
        self._service = service
        self.type, self.request_id_header = type, request_id_header
        if isinstance(service, Service):
            self.type, self.request_id_header = service.type, service.request_id_header
        self.context = context
        self.policy = policy
        self.auth_url = auth_url
        self.public = forwarded.Public(public, prefix)
        self.proxied = proxied

    @property
    def service(self) -> Service:
        """The service with its operations."""
        if not isinstance(self._service, Service):
            self._service = self._service()
        return self._service

    def found(self, scope: Scope) -> tuple[Mount, Scope]:
        """Who answers a request, and the request as he sees it."""
        return self, self.public.inside(scope) if self.public.prefix else scope


class Shared:
    """Services on one port, each below its prefix and below the path of its public URL. `front` answers for what is
    below none of them."""

    def __init__(self, front: Service, mounts: Sequence[Mount]) -> None:
        self._front = Mount(front, None, Policy(()), proxied=True)
        self._places = [(mount.public.own, mount) for mount in mounts]
        self._places += [(mount.public.prefix, mount) for mount in mounts if mount.public.prefix]

    @property
    def service(self) -> Service:
        """What words the faults of connections, which are nobody's yet."""
        return self._front.service

    def found(self, scope: Scope) -> tuple[Mount, Scope]:
        """Who answers a request, and the request as he sees it."""
        for prefix, mount in self._places:
            if (inner := forwarded.below(scope, prefix)) is not None:
                return mount, inner
        return self._front, scope
