"""Shapes of image's requests and answers."""
