"""`cumulet adopt`: make rows of what nodes and stores still have, when the database has lost it.

Shows what would be adopted, by kind, host and owner, and asks. Afterwards the nodes take the controller's word again;
what runs is not touched. Passwords, roles, quotas and unused things are on no node: docs/recovery.md says what
is left to do.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from cumulet.cli import link_client
from cumulet.cli.api_client import ApiError, unanswered
from cumulet.cli.errors import CliError
from cumulet.cli.progress import Progress
from cumulet.cli.terminal import plain
from cumulet.config import Settings

MOST_ROWS = 40
SILENT_S = 35.0
"""So long a node is waited for that has said nothing of what it keeps."""
TAKEN_UP_S = 20.0
_READ_S = 24 * 3600.0
"""An image is read as a whole."""
Rows = Sequence[Mapping[str, Any]]


def add(verbs: Any) -> None:
    """Declare the verb and its flags."""
    parser = verbs.add_parser("adopt", help="make rows of what nodes and stores still have", description=__doc__)
    flags(parser)
    parser.set_defaults(run=run)


def flags(parser: argparse.ArgumentParser) -> None:
    """What both verbs take."""
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--json", action="store_true", help="print JSON; without --yes only what would be done")
    parser.add_argument("--cloud", metavar="ID", help="whose things are meant, when nodes keep those of several clouds")


def run(args: argparse.Namespace) -> int:
    """Show, ask, adopt; 1 when something is left that could not be adopted."""
    settings = Settings.load(args.state)
    shown = heard(settings, "adopt", {"show": True, "cloud": args.cloud})
    lost = images(settings)
    if args.json and not args.yes:
        print(json.dumps({**shown, "images": lost}, indent=2))
        return 0
    if not args.json:
        print(as_text(shown, lost))
    if not (shown["adopted"] or lost or shown["foreign"] or shown["holding"]):
        return 1 if shown["left"] else 0
    if not agreed(args, "Adopt all of this?"):
        return 1
    progress = Progress()
    with progress.step(f"{len(shown['adopted'])} rows"):
        done = act(settings, "adopt", {"seen": shown["seen"], "cloud": args.cloud})
    taken_up(settings, progress, done["holding"])
    failed = _take_images(settings, progress, lost)
    if args.json:
        print(json.dumps({**done, "images": lost, "images_left": failed}, indent=2))
    else:
        print(_summary(done, len(lost) - len(failed)))
    return 1 if done["left"] or failed else 0


def images(settings: Settings) -> list[dict[str, Any]]:
    """Images without rows."""
    try:
        return list(link_client.get(settings, "lost-images")["images"])
    except ApiError as error:
        raise unanswered(error) from error


def _take_images(settings: Settings, progress: Progress, lost: Rows) -> list[str]:
    """Adopt each; what could not be, in sentences."""
    failed = []
    for one in lost:
        try:
            with progress.step(f"image {one['id']} ({one['size'] / (1 << 20):.1f} MiB is read)"):
                link_client.act(settings, f"lost-images/{one['id']}", {}, _READ_S)
        except ApiError as error:
            failed.append(str(error))
            progress.say(plain(error))
    return failed


def heard(settings: Settings, path: str, body: Any) -> dict[str, Any]:
    """As `act`, once all nodes have said what they keep: they do within half a minute. One that keeps nothing at all is
    not to be told from one that has not said it yet."""
    shown, end = act(settings, path, body), time.monotonic() + SILENT_S
    if not shown["silent"]:
        return shown
    with Progress().step(f"what {', '.join(map(plain, shown['silent'][:5]))} keeps"):
        while shown["silent"] and time.monotonic() < end:
            time.sleep(1)
            shown = act(settings, path, body)
    return shown


def taken_up(settings: Settings, progress: Progress, holding: Sequence[str]) -> None:
    """Wait until the nodes that held take this controller's word, which they do when they ask the next time."""
    if not holding:
        return
    end = time.monotonic() + TAKEN_UP_S
    with suppress(ApiError), progress.step("the nodes take this controller's word again"):
        while any(node.get("hold") for node in link_client.report(settings)["nodes"]):
            if time.monotonic() > end:
                progress.say("  Not all of them do so yet: cumulet status says which.")
                return
            time.sleep(0.1)


def act(settings: Settings, path: str, body: Any) -> dict[str, Any]:
    """An operator's act on what is kept. Raises CliError."""
    try:
        return link_client.act(settings, path, body)
    except ApiError as error:
        raise unanswered(error) from error


def agreed(args: argparse.Namespace, question: str) -> bool:
    """Whether the operator says yes. Raises CliError where nobody can be asked."""
    if args.yes:
        return True
    if not sys.stdin.isatty():
        raise CliError("nobody is here to be asked, so nothing was done; say --yes when that is what you want")
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def as_text(shown: Mapping[str, Any], lost: Rows) -> str:
    """What would be adopted and what would be left."""
    lines = []
    if shown["foreign"]:
        lines.append(f"These nodes belong to the cloud {shown['cloud']}, whose rows this database does not have.")
    elif shown["holding"]:
        lines.append(f"Nodes that do not take this controller's word: {', '.join(map(plain, shown['holding']))}.")
    if shown["adopted"] or lost:
        lines += ["", "To be adopted", *table(shown["adopted"])]
        lines += [
            f"  {'image':<16}{one['id']}  {one['size'] / (1 << 20):10.1f} MiB in store {one['store']}" for one in lost
        ]
    else:
        lines.append("Nothing is kept that could be adopted.")
    if shown["silent"]:
        names = ", ".join(map(plain, shown["silent"][:5]))
        lines.append(f"Not heard of yet: {names}. What they keep can be adopted later.")
    if shown["left"]:
        lines += ["", "To be left as it is, on its host", *table(shown["left"])]
    return "\n".join(lines)


def table(rows: Rows) -> list[str]:
    """Things by kind; of many of a kind the first."""
    by_kind: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_kind.setdefault(row["kind"], []).append(row)
    lines = []
    for kind, mine in by_kind.items():
        for row in mine[:MOST_ROWS]:
            owner = plain(row.get("owner_name") or row["owner"])
            words = [
                plain(row["name"]) or "-",
                *(f"{word} {text}" for word, text in (("on", row["host"]), ("of", owner)) if text),
            ]
            note = f" ({plain(row['note'])})" if row["note"] else ""
            lines.append(f"  {plain(kind):<16}{plain(row['id']):<38}{' '.join(words)}{note}")
        if len(mine) > MOST_ROWS:
            lines.append(f"  {plain(kind):<16}and {len(mine) - MOST_ROWS} more")
    return lines


def _summary(done: Mapping[str, Any], images_taken: int) -> str:
    counts: dict[str, int] = {}
    for row in done["adopted"]:
        counts[row["kind"]] = counts.get(row["kind"], 0) + 1
    if images_taken:
        counts["image"] = images_taken
    told = ", ".join(f"{number} {kind.replace('_', ' ')}{'s' if number > 1 else ''}" for kind, number in counts.items())
    lines = [f"Adopted: {told or 'nothing'}. The nodes take this controller's word again."]
    if images_taken:
        lines.append("The images belong to the project admin alone: openstack image set --public ID shows one to all.")
    if done["left"]:
        lines.append(f"{len(done['left'])} things stay on their hosts as they are; `cumulet forget` lets go of them.")
    lines += [
        f"  {row['kind']} {plain(row['name'])}: {plain(row['note'])}"
        for row in done["adopted"]
        if row["kind"] == "user"
    ]
    return "\n".join(lines)
