"""pytest once more, inside of a test: in namespaces of its own.

It is started dozens of times, and most of its start is the loading of plugins that it does not use.
"""

from __future__ import annotations

import sys

FEW_PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
PYTEST = [sys.executable, "-m", "pytest", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
"""To be started with `FEW_PLUGINS` in its environment."""
