"""Builds guest images from Debian packages only.

Never downloads from anywhere but the configured Debian archive.
"""

from __future__ import annotations

from cumulet.node.imagebuild.catalog import KINDS, build, cached_tiny, packages_needed, properties
from cumulet.node.imagebuild.commands import ImageBuildError
from cumulet.node.imagebuild.debian import build_debian
from cumulet.node.imagebuild.tiny import build_tiny

__all__ = [
    "KINDS", "ImageBuildError", "build", "build_debian", "build_tiny", "cached_tiny", "packages_needed",
    "properties",
]  # fmt: skip
