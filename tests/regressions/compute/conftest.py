"""A running compute service, for what attacks it."""

from tests.services.compute.conftest import demo, nova

__all__ = ["demo", "nova"]
