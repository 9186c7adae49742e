"""Whose a controller is, and what a node has seen of its cloud."""

from __future__ import annotations

from cumulet.desired.shape import Shape


class Cloud(Shape):
    """Who a controller is. `id` is its cloud's; the `epoch` rises when its rows were replaced by older ones, and the
    `run` is drawn anew at each start. `knows`: whether what the node that asks has seen is of these rows' past, so
    that they are no older than that."""

    id: str
    epoch: int
    run: str = ""
    knows: bool = True


class Seen(Shape):
    """The newest that a node has seen: revision `revision` of epoch `epoch` of the cloud `cloud_id`, from a controller
    in its run `run`. In a request's head it is one line, see `head`."""

    cloud_id: str
    epoch: int
    revision: int
    run: str = ""

    def head(self) -> str:
        """The text in a request's head."""
        return f"{self.cloud_id} {self.epoch} {self.revision} {self.run}".rstrip()


SEEN_HEADER = "X-Cumulet-Seen"
"""The line in the head of a node's requests. A node that has never seen a cloud says ``-`` there; one of before has no
such line."""
