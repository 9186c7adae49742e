"""``python tests/upgrades/record.py CHECKOUT NAME``: what a node and a controller of another commit say to each other.

CHECKOUT is a work tree of that commit whose dependencies this environment has. A server is made, rebooted and deleted
on a simulated host; what its node asked and what was answered is written beside this file, without credentials.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SECRETS = {"secret", "link_id"}


def record() -> list[dict[str, Any]]:
    """The exchanges, in the order in which they ended. Imports the checkout's own modules."""
    from cumulet.node.link import Link
    from tests.fleet import test_link as stage

    said: list[dict[str, Any]] = []
    lock = threading.Lock()
    exchange = Link._exchange

    def noted(link: Any, method: str, path: str, data: bytes | None, timeout_s: float, headers: Any) -> Any:
        answer = exchange(link, method, path, data, timeout_s, headers)
        shown = json.loads(answer.body) if answer.body else None
        if path == "/v1/join":
            shown = {name: "-" if name in SECRETS else value for name, value in shown.items()}  # type: ignore[union-attr]
        body = json.loads(data) if data else None
        with lock:
            said.append({"method": method, "path": path, "body": body, "status": answer.status, "answer": shown})
        return answer

    Link._exchange = noted  # type: ignore[assignment, method-assign]
    folder = Path(tempfile.mkdtemp(prefix="cumulet-recorded-"))
    cloud = stage.Cloud(folder)
    node = stage.Node(cloud, folder, hosts=1)
    made = stage.guest(1)
    cloud.want(made)
    stage._until(lambda: cloud.states().get(made.id) == ("ready", True))
    made.hard_reboots = 1
    cloud.want(made)
    stage._until(
        lambda: cloud.states().get(made.id) == ("ready", True) and cloud.reports[-1].facts["hard_reboots"] == 1
    )
    cloud.drop(made.id)
    stage._until(lambda: made.id not in cloud.states())
    node.kill()
    with lock:
        return list(said)


if __name__ == "__main__":
    checkout = Path(sys.argv[1]).resolve()
    sys.path[:0] = [str(checkout / "src"), str(checkout)]
    lines = [json.dumps(each) for each in record()]
    (HERE / f"link-{sys.argv[2]}.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
