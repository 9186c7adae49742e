"""Image: what guests boot from: records, who may see them, and their bytes."""

from typing import Annotated, NamedTuple

from cumulet.introduction import Introduction


class Options(NamedTuple):
    """What else there is to say of stores is in ``image.toml``."""

    shared: Annotated[bool, "other clouds use the declared image folders, too"] = False


INTRODUCTION = Introduction("image", 9292, project="glance", user="glance", prefix="/image", options=Options)
