"""Builds guest images from Debian packages."""
