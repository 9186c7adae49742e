"""An image service with two stores, and a web server to import from."""

from tests.services.image.imports.importing import glance, web

__all__ = ["glance", "web"]
