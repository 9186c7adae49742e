"""Two tenants on a shared network."""

from tests.regressions.network.shared_stage import stage

__all__ = ["stage"]
