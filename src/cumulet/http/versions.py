"""Microversions: which one a request asks for, and the headers that answer it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from msgspec import Struct

from cumulet.http.faults import BadRequest, Fault

Version = tuple[int, int]

_FORM = re.compile(r"([0-9]{1,4})\.([0-9]{1,6})")


def text(version: Version) -> str:
    """``(2, 79)`` as ``2.79``."""
    return f"{version[0]}.{version[1]}"


class Microversions(Struct, frozen=True):
    """A service's range. `legacy_header` is compute's own older header (without the service's name);
    `header` is how it spells the common one. `malformed` and
    `unacceptable` are the service's sentences, with ``{wanted}``, ``{minimum}`` and ``{maximum}`` in them."""

    service: str
    minimum: Version
    maximum: Version
    legacy_header: str | None = None
    header: str = "OpenStack-API-Version"
    malformed: str = "API Version String {wanted} is of invalid format. Must be of format MajorNum.MinorNum."
    unacceptable: str = "Version {wanted} is not supported by the API. Minimum is {minimum} and maximum is {maximum}."

    def asked(self, headers: Mapping[str, str]) -> Version:
        """The version a request asks for; the minimum when it asks for none. Raises 400 or 406."""
        wanted: str | None = None
        if (header := headers.get("openstack-api-version")) is not None:
            for part in header.split(","):  # several services' versions, in one header or in several; the last counts
                words = part.split()
                if len(words) > 1 and words[0].lower() == self.service:
                    wanted = " ".join(words[1:])
        if wanted is None and self.legacy_header:
            wanted = headers.get(self.legacy_header.lower(), "").rpartition(",")[2].strip() or None
        if wanted is None:
            return self.minimum
        if wanted.lower() == "latest":
            return self.maximum
        match = _FORM.fullmatch(wanted)
        if match is None:
            raise BadRequest(self._worded(self.malformed, wanted), headers=self._vary())
        version = int(match[1]), int(match[2])
        if not self.minimum <= version <= self.maximum:
            raise Fault(
                self._worded(self.unacceptable, wanted),
                status=406,
                code="HTTPNotAcceptable",
                headers=self._vary(),
                max_version=text(self.maximum),
                min_version=text(self.minimum),
            )
        return version

    def _worded(self, sentence: str, wanted: str) -> str:
        return sentence.format(wanted=wanted, minimum=text(self.minimum), maximum=text(self.maximum))

    def _vary(self) -> dict[str, str]:
        """Caches must know that the answer depends on the version asked for, errors too."""
        return {"Vary": ", ".join((self.header, self.legacy_header or "")).rstrip(", ")}

    def headers(self, version: Version) -> list[tuple[str, str]]:
        """Headers of every answer at `version`."""
        answer = [(self.header, f"{self.service} {text(version)}")]
        if self.legacy_header:
            answer.append((self.legacy_header, text(version)))
        return [*answer, *self._vary().items()]
