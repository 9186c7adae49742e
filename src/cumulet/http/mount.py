"""Where a process serves a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cumulet.auth import Policy
from cumulet.http import forwarded
from cumulet.http.operation import Service


class Mount:
    """A service as one process serves it: on which port, with which context for its handlers. `service` may be what
    declares it when the first request comes; then `type` and `request_id_header` say what it will. `public`: where
    clients find it who come through a proxy; `proxied`: whether any may."""

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
    ) -> None:
        self._service = service
        self.type, self.request_id_header = type, request_id_header
        if isinstance(service, Service):
            self.type, self.request_id_header = service.type, service.request_id_header
        self.context = context
        self.policy = policy
        self.auth_url = auth_url
        self.public = forwarded.Public(public)
        self.proxied = proxied

    @property
    def service(self) -> Service:
        """The service with its operations."""
        if not isinstance(self._service, Service):
            self._service = self._service()
        return self._service
