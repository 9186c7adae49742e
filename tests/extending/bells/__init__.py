"""Bells that a project hangs up and rings: a small service, complete, that no release has (``docs/extending.md``)."""

from typing import Annotated, NamedTuple

from cumulet.introduction import Between, Introduction


class Options(NamedTuple):
    """Its section of the options' file is ``[bell]``."""

    bells_in_a_project: Annotated[int, "bells that a project may have", Between(0, 1000)] = 3


INTRODUCTION = Introduction(
    "bell",
    9990,
    project="belfry",
    version_path="/v1",
    user="belfry",
    prefix="/bell",
    options=Options,
)
