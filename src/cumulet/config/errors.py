"""What the readers of options raise."""

from __future__ import annotations


class ConfigError(ValueError):
    """An option that cannot be used. The text names the option and says what is allowed."""
