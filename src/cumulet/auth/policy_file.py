"""The operator's policy: ``STATE/policy.yaml``, one file for all services, read at start and when it changes.

    "identity:create_user": "role:admin"      # a rule of whichever services have it
    image:                                    # rules of one service only
      "get_images": "role:reader"

Rule names that no service has are a warning (a rule of one's own is fine when another one refers to it). A file that
cannot be read or parsed stops the start; later, it leaves the rules in force that were, and says so in the log. A
file never takes effect in part.
"""

from __future__ import annotations

import difflib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cumulet.auth.policy import Policy, PolicyError, references

log = logging.getLogger("cumulet.policy")

NAME = "policy.yaml"
POLL_S = 1.0
_Stamp = tuple[int, int, int] | None


class Policies:
    """The policies of all services under one file. `refused`: what is wrong with the file as it is now, None when it is
    in force."""

    def __init__(self, file: Path, policies: Mapping[str, Policy]) -> None:
        self.file = file
        self.policies = dict(policies)
        self.refused: str | None = None
        self._stamp: _Stamp = None

    def load(self) -> list[str]:
        """Put the file in force; warnings about it. Raises PolicyError, and then nothing has changed."""
        self._stamp = self._now()
        overrides = self._overrides()
        self._apply(overrides)
        return self._warnings(overrides)

    def refresh(self) -> bool:
        """Load the file again when it changed since; whether it did. Says in the log what came of it."""
        if self._now() == self._stamp:
            return False
        try:
            warnings = self.load()
        except PolicyError as error:
            self.refused = str(error)
            log.error("%s; the rules before stay in force", error)
            return True
        self.refused = None
        log.info("%s: read again, in force now", self.file)
        for warning in warnings:
            log.warning("%s", warning)
        return True

    def watch(self, stop: threading.Event) -> None:
        """Refresh once a second until `stop`; for a thread of its own."""
        while not stop.wait(POLL_S):
            self.refresh()

    def _now(self) -> _Stamp:
        try:
            found = self.file.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _overrides(self) -> dict[str, dict[str, str]]:
        """Service → rule → text."""
        found: dict[str, dict[str, str]] = {service: {} for service in self.policies}
        own: dict[str, dict[str, str]] = {service: {} for service in self.policies}
        for name, value in self._read().items():
            if isinstance(value, dict):
                if name not in own:
                    raise PolicyError(f"{self.file}: there is no service {name}; services: {', '.join(sorted(own))}")
                own[name].update({str(rule): self._text(rule, text) for rule, text in value.items()})
            else:
                for rules in found.values():
                    rules[str(name)] = self._text(name, value)
        return {service: {**found[service], **own[service]} for service in found}

    def _read(self) -> dict[Any, Any]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise PolicyError(f"{self.file}: cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise PolicyError(f"{self.file}: is not YAML: {error}") from None
        import yaml  # here: a cloud without such a file starts without it

        try:
            loaded = yaml.safe_load(text)
        except (yaml.YAMLError, RecursionError) as error:
            raise PolicyError(f"{self.file}: is not YAML: {' '.join(str(error).split())}") from None
        if loaded is None:
            return {}
        if not isinstance(loaded, dict):
            raise PolicyError(f"{self.file}: expected a mapping of rule names to rules")
        return loaded

    def _text(self, name: Any, value: Any) -> str:
        if not isinstance(value, str):
            raise PolicyError(f'{self.file}: {name}: a rule is a text such as "role:admin", not {value!r}')
        return value

    def _apply(self, overrides: Mapping[str, Mapping[str, str]]) -> None:
        before = {service: policy.overrides for service, policy in self.policies.items()}
        try:
            for service, policy in self.policies.items():
                if overrides[service] != policy.overrides:
                    policy.put(overrides[service])
        except PolicyError as error:
            for service, policy in self.policies.items():
                policy.put(before[service])
            raise PolicyError(f"{self.file}: {error}") from None

    def _warnings(self, overrides: Mapping[str, Mapping[str, str]]) -> list[str]:
        named = {name: text for rules in overrides.values() for name, text in rules.items()}
        if not named:
            return []  # without a look at the defaults, which nobody has asked for yet
        known = {name for policy in self.policies.values() for name in policy.defaults}
        used = {name for text in named.values() for name in references(text)}
        warnings = []
        for name in sorted(named.keys() - known - used):
            near = difflib.get_close_matches(name, known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            warnings.append(f"{self.file}: no service has a rule {name}{hint}")
        for name in sorted(used - known - named.keys()):
            warnings.append(f"{self.file}: a rule refers to {name}, which there is not: it allows nobody")
        return warnings
