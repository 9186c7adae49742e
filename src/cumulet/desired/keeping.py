"""What a node keeps though nobody wants it, and what it asks about that."""

from __future__ import annotations

from typing import Any, Literal

from cumulet.desired.items import Item
from cumulet.desired.kinds import Kind
from cumulet.desired.shape import Shape


class Kept(Shape):
    """Something that is on a host though its controller has not told the node to have it. `why`: ``hold`` (the node
    does not take this controller's word) or ``strange`` (the controller has no word of it). `item` is what the node
    last knew of it, None when it has no memory of it; `cloud_id`, `epoch` and `revision` say who wanted it last."""

    host: str
    kind: Kind
    ref: str
    why: Literal["hold", "strange"]
    cloud_id: str = ""
    epoch: int = 0
    revision: int = 0
    item: Item | None = None
    facts: dict[str, Any] = {}


class Keeping(Shape):
    """All that a node keeps, in one request or several. `round` is a number that is the same for all of them and
    larger than the last time; with `last`, what earlier rounds said is over."""

    round: int
    kept: list[Kept] = []
    last: bool = False


class Strange(Shape):
    """Something of which the controller has no word, by id: the node asks whether it is unwanted. `run`: of the
    controller that told it last, at `revision`."""

    kind: Kind
    ref: str
    epoch: int = 0
    revision: int = 0
    run: str = ""


class Strangers(Shape):
    """A node asks about things that were strange for long."""

    strange: list[Strange]


class Unwanted(Shape):
    """Of those the controller affirms that it once had them and has no more, in its `epoch` and at `revision`."""

    epoch: int
    revision: int
    unwanted: list[Strange] = []
