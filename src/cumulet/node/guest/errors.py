"""What can go wrong with a guest, in words for two readers.

`GuestError.message` may be shown to a tenant (no path, no command line, no host detail); `detail` is for operators.
Must never carry a secret in either.

    GuestError
    ├── ImageRefused      the image is not what it claims, or is unsafe
    ├── FlavorTooSmall    the flavor's disk cannot hold the image
    └── HypervisorDown    libvirt cannot be reached; trying again later is right
"""

from __future__ import annotations

import errno


class GuestError(Exception):
    """A guest could not be brought to its desired state."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} ({self.detail})" if self.detail else self.message


class ImageRefused(GuestError):
    """The image's content does not match its description or is not safe to open."""


class FlavorTooSmall(GuestError):
    """The flavor's root disk is smaller than the image's virtual size."""


class HypervisorDown(GuestError):
    """Libvirt does not answer."""


NO_SPACE = "The host has no space left for the server's disk."


def from_os_error(error: OSError, doing: str) -> GuestError:
    """The GuestError for a failed file operation; a full disk gets its own sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return GuestError(NO_SPACE, f"{doing}: {error}")
    return GuestError("The host could not prepare the server's disk.", f"{doing}: {error}")
