"""The console proxy as a service (port 6080)."""

from __future__ import annotations

from cumulet.http import Call, Reply, Service
from cumulet.http.faults import webob_body
from cumulet.services.compute.console import pages, relay

service = Service("console", faults=webob_body)
service.websocket = relay.websocket


def load() -> Service:
    """The service with its operations."""
    return service


@service.get("/", auth=False, transaction="none")
def index(call: Call) -> Reply:
    """noVNC's first page."""
    return pages.page(call.context.novnc, "")


@service.get("/{*path}", auth=False, transaction="none")
def show(call: Call, path: str) -> Reply:
    """A file of noVNC's."""
    return pages.page(call.context.novnc, path)
