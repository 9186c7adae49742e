"""A running image service, for what attacks it."""

from tests.services.image.conftest import admin, demo, glance, other

__all__ = ["admin", "demo", "glance", "other"]
