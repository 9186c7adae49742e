"""Shapes of placement's requests and answers."""
