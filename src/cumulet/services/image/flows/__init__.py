"""Image's work with I/O that goes on after a call: imports, and images that are brought near."""

from cumulet.services.image.context import ImageContext
from cumulet.services.image.flows import imports, prefetch


def register(context: ImageContext) -> None:
    """Make all kinds of jobs known to the context's workers, before anything asks for one."""
    imports.register(context)
    prefetch.register(context)
