"""Record the names of fields of OpenStack's own samples of requests and answers (see `facts`).

    python -m tests.parity.record_samples compute ~/src/nova
    python -m tests.parity.record_samples identity ~/src/keystone

The folder is a checkout, or a Git repository whose HEAD is read. Which sample belongs to which operation stands in
`samples`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.parity import facts, samples

_VERSION = re.compile(r"v?([12]\.\d+)\Z")
_SUFFIX = re.compile(r"-(\d+\.\d+)\Z")


def files(repository: Path, folder: str) -> Iterator[tuple[str, str]]:
    """(path below `folder`, text) of all JSON files."""
    git = ["git", "-C", str(repository)]
    listed = subprocess.run(
        [*git, "ls-tree", "-r", "--name-only", "HEAD", folder], capture_output=True, text=True, check=True
    )
    for path in listed.stdout.splitlines():
        if path.endswith(".json"):
            shown = subprocess.run([*git, "show", f"HEAD:{path}"], capture_output=True, text=True, check=True)
            yield path.removeprefix(f"{folder}/"), shown.stdout


def placed(path: str) -> tuple[str, facts.Version | None]:
    """The name of a sample and its version: ``servers/v2.9/server-get-resp.json``, ``usages/get-usages-1.38.json``."""
    parts = path.removesuffix(".json").split("/")
    found = [part for part in parts[:-1] if _VERSION.fullmatch(part)]
    name = "/".join(part for part in parts if part not in found)
    if found:
        match = _VERSION.fullmatch(found[0])
        assert match is not None
        return name, facts.version(match[1])
    ended = _SUFFIX.search(name)
    return (name[: ended.start()], facts.version(ended[1])) if ended else (name, None)


def main(service: str, repository: Path) -> None:
    """Write the facts of a service."""
    source = samples.SOURCES[service]
    wanted: dict[str, str] = {}
    firsts: dict[str, facts.Version] = {}
    for fact_name, names in source.samples.items():
        for written in names.split():
            one, _, at_first = written.partition("@")
            wanted[one] = fact_name
            firsts[one] = facts.version(at_first) if at_first else source.first
    found: dict[str, facts.Fact] = {}
    seen = set()
    for path, text in files(repository, source.folder):
        name, at = placed(path)
        if path.removesuffix(".json") in wanted:  # named with its version
            name = path.removesuffix(".json")
        if name not in wanted:
            continue
        seen.add(name)
        operation, _, kind = wanted[name].rpartition(" ")
        fact = found.setdefault(wanted[name], facts.Fact(operation, kind))
        try:
            body = json.loads(text)
        except ValueError:
            print(f"{path} is no JSON", file=sys.stderr)
            continue
        facts.merge(fact.samples.setdefault(at or firsts[name], {}), facts.names_of(body, source.chosen))
    if missing := wanted.keys() - seen:
        print(f"no such samples: {sorted(missing)}", file=sys.stderr)
    facts.write(service, found.values())


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]).expanduser())
