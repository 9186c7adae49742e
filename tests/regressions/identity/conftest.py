"""A running identity service, for what attacks it."""

from tests.services.identity.conftest import admin, cloud, demo, provider
from tests.services.identity.test_signed_requests import holder

__all__ = ["admin", "cloud", "demo", "holder", "provider"]
