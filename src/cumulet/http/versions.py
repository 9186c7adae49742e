"""Microversions: which one a request asks for, and the headers that answer it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cumulet.http.faults import BadRequest, Fault

Version = tuple[int, int]

_FORM = re.compile(r"^(\d+)\.(\d+)$")


def text(version: Version) -> str:
    """``(2, 79)`` as ``2.79``."""
    return f"{version[0]}.{version[1]}"


@dataclass(frozen=True)
class Microversions:
    """A service's range. `legacy_header` is compute's own older header (without the service's name)."""

    service: str
    minimum: Version
    maximum: Version
    legacy_header: str | None = None

    def asked(self, headers: Mapping[str, str]) -> Version:
        """The version a request asks for; the minimum when it asks for none. Raises 400 or 406."""
        wanted: str | None = None
        for part in headers.get("openstack-api-version", "").split(","):
            words = part.split()
            if len(words) == 2 and words[0].lower() == self.service:
                wanted = words[1]
        if wanted is None and self.legacy_header:
            wanted = headers.get(self.legacy_header.lower(), "").strip() or None
        if wanted is None:
            return self.minimum
        if wanted.lower() == "latest":
            return self.maximum
        match = _FORM.match(wanted)
        if match is None:
            raise BadRequest(f"API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum.")
        version = int(match[1]), int(match[2])
        if not self.minimum <= version <= self.maximum:
            raise Fault(
                f"Version {wanted} is not supported by the API. "
                f"Minimum is {text(self.minimum)} and maximum is {text(self.maximum)}.",
                status=406,
                code="HTTPNotAcceptable",
                max_version=text(self.maximum),
                min_version=text(self.minimum),
            )
        return version

    def headers(self, version: Version) -> list[tuple[str, str]]:
        """Headers of every answer at `version`."""
        names = ["OpenStack-API-Version"]
        answer = [("OpenStack-API-Version", f"{self.service} {text(version)}")]
        if self.legacy_header:
            names.append(self.legacy_header)
            answer.append((self.legacy_header, text(version)))
        return [*answer, ("Vary", ", ".join(names))]
