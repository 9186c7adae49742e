"""The one exception of the command line. Its text says what went wrong and what to do next."""

from __future__ import annotations


class CliError(Exception):
    """Printed as it is, without a traceback; `status` is the exit status of the command."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status
