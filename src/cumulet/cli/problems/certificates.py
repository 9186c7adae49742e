"""Certificates that end soon, have ended, or cannot be read."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cumulet.cli import readiness, trust
from cumulet.cli.problems.seen import Seen
from cumulet.introduction import standard_ports
from cumulet.problem import Problem

SOON_DAYS = 30
"""Ours are renewed twice as early, so this says that renewing does not work; an operator's has to be replaced."""

_USED_AFTER_S = 1.5


def check(seen: Seen) -> Iterator[Problem]:
    """The certificate in its file, and whether the APIs show it. What is not ours to read, we say nothing about."""
    if not seen.settings.encrypted:
        return
    from cumulet.cli import certificates  # imported here: a cloud that encrypts nothing does without

    place = trust.files(seen.settings)[0]
    if any(each.other for each in seen.endpoints) and _still_other(seen):
        sentence = f"the APIs show an older certificate than {place}, as that one or its key cannot be used"
        advice = f"{seen.settings.log_dir}/controller.log says why; what is mended is used at once"
        yield Problem("certificate", sentence, advice)
    try:
        left = certificates.days_left(certificates.certificate_in_use(seen.settings))
    except PermissionError:
        return
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        yield Problem("certificate", f"the certificate {place} cannot be read: {why}", seen.command("up") + " again")
        return
    if left >= SOON_DAYS:
        return
    ends = f"has ended {-left:.0f} days ago" if left < 0 else f"ends in {left:.0f} days"
    own = not seen.settings.tls_certificate
    advice = "It should have been renewed: log/controller.log says why not" if own else "Put a new one in its place"
    yield Problem("certificate", f"the certificate {place} {ends}", advice)


def _still_other(seen: Seen) -> bool:
    """Whether a certificate that was put there is not just about to be used: the APIs look every second."""
    time.sleep(_USED_AFTER_S)
    return readiness.probe(seen.settings, next(iter(standard_ports()))).other
