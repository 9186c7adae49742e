"""A cloud with the people and things of the matrix."""

from tests.matrix.test_matrix import cloud, worlds

__all__ = ["cloud", "worlds"]
