"""Images that lie on a web server: read only, under the URL that a client registered.

What may be read is bounded by the same rules as an import from a URL.
"""

from __future__ import annotations

import threading

from cumulet.services.image.model.fetching import Failed, Fetched, Refused, Rules, fetch, judge
from cumulet.services.image.model.stores.contract import BytesMissing, ImageStore, Reading, ReadOnly, StoreAway, Writing


class HttpStore(ImageStore):
    """Any web server that the rules let through."""

    kind = "http"
    read_only = True

    def __init__(self, id: str, rules: Rules, *, description: str = "", weight: int = 0) -> None:
        super().__init__(id, description=description, weight=weight)
        self.rules = rules

    def create(self, image_id: str, upload_id: str) -> Writing:
        raise ReadOnly("A store of the kind http takes no bytes.")

    def open(self, url: str) -> Reading:
        return _HttpReading(url, self.rules)

    def erase(self, url: str) -> None:
        raise ReadOnly("A store of the kind http loses no bytes.")

    def owns(self, url: str) -> bool:
        try:
            return bool(judge(url, self.rules).netloc)
        except Refused:
            return False


class _HttpReading(Reading):
    """One answer that is read on and on; another place is asked for anew, and skipped to where the server knows no
    ranges."""

    def __init__(self, url: str, rules: Rules) -> None:
        self._url, self._rules = url, rules
        self._lock = threading.Lock()
        self._at = 0
        self._answer = self._ask(0)
        self.size = self._answer.size

    def _ask(self, at: int) -> Fetched:
        headers = {"Range": f"bytes={at}-"} if at else {}
        try:
            answer = fetch(self._url, self._rules, headers, (200, 206) if at else (200,))
            if at and answer.status == 200:
                answer.skip(at)
        except Refused as refused:
            raise BytesMissing(f"The URL may not be read: {refused}.") from None
        except Failed as failed:
            raise StoreAway(str(failed)) from None
        return answer

    def read(self, count: int, at: int) -> bytes:
        with self._lock:
            if at != self._at:
                self._answer.close()
                self._answer, self._at = self._ask(at), at
            try:
                piece = self._answer.read(count)
            except Failed as failed:
                raise StoreAway(str(failed)) from None
            self._at += len(piece)
            return piece

    def close(self) -> None:
        with self._lock:
            self._answer.close()
