"""What tests of the command line share."""

from tests.cli.test_up import cloud

__all__ = ["cloud"]
