"""Compute, as Nova's API has it: flavors, key pairs, servers, and the hosts they run on.

Other services come in through `door` only. Nothing here touches a hypervisor: it writes what a guest shall look
like, and the guest's node makes it so and reports.
"""

from typing import Annotated, NamedTuple

from cumulet.introduction import Between, Introduction


class Options(NamedTuple):
    """How long work on a server may take."""

    create_seconds: Annotated[int, "a server that does not run by then is in ERROR", Between(1, 86_400)] = 600
    delete_seconds: Annotated[
        int, "a server that its host did not delete by then is gone for its owner", Between(1, 86_400)
    ] = 300
    power_seconds: Annotated[
        int, "a server that did not start, stop or reboot by then is in ERROR", Between(1, 86_400)
    ] = 300


INTRODUCTION = Introduction(
    "compute",
    8774,
    project="nova",
    version_path="/v2.1",
    user="nova",
    prefix="/compute",
    request_id_header="x-compute-request-id",
    options=Options,
)
