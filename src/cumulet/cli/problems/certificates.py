"""Certificates that end soon, have ended, or cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from cumulet.cli import trust
from cumulet.cli.problems.seen import Seen
from cumulet.problem import Problem

SOON_DAYS = 30
"""Ours are renewed twice as early, so this says that renewing does not work; an operator's has to be replaced."""


def check(seen: Seen) -> Iterator[Problem]:
    """The certificate that the APIs show. What is not ours to read, we say nothing about."""
    if not seen.settings.encrypted:
        return
    from cumulet.cli import certificates  # imported here: a cloud that encrypts nothing does without

    place = trust.files(seen.settings)[0]
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
