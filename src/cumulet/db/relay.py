"""Wake-ups of other processes, as PostgreSQL's NOTIFY brings them after each commit. They carry topics, no data.

A connection that was lost may have missed some: everyone looks again when it is back.
"""

from __future__ import annotations

import logging
import threading

import msgspec
from sqlalchemy import URL

from cumulet.db.dialects import CHANNEL
from cumulet.db.wakeups import Wakeups

log = logging.getLogger("cumulet.db")

_LOOK_S = 1.0  # how long the thread takes to notice that it shall end
_PAUSE_S = 2.0


def relay(url: URL, wakeups: Wakeups, origin: str, ended: threading.Event) -> None:
    """Wake whom others than `origin` wake, until `ended`."""
    import psycopg

    plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
    while not ended.is_set():
        try:
            with psycopg.connect(plain, autocommit=True, connect_timeout=10) as connection:
                connection.execute(f"LISTEN {CHANNEL}")
                wakeups.wake_all()
                while not ended.is_set():
                    for note in connection.notifies(timeout=_LOOK_S):
                        _pass_on(note.payload, wakeups, origin)
        except psycopg.Error as error:
            log.warning("wake-ups of other controllers do not come: %s", type(error).__name__)
            ended.wait(_PAUSE_S)


def _pass_on(payload: str, wakeups: Wakeups, origin: str) -> None:
    try:
        sender, topic = msgspec.json.decode(payload, type=tuple[str, str])
    except msgspec.DecodeError:  # somebody else's use of the channel
        return
    if sender != origin:
        wakeups.wake(topic)
