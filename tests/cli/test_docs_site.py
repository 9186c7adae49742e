"""`cumulet docs`: the site stands alone, its links lead somewhere, and what it says can be found."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from cumulet.cli import docs, site
from cumulet.cli.controller import declared


class Seen(HTMLParser):
    """What a page leads to, what it loads, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        self.loads += [found[name] for name in ("src",) if name in found]
        if tag == "link":
            self.loads.append(found["href"])
        if "id" in found:
            self.anchors.add(found["id"])


def seen(page: Path) -> Seen:
    found = Seen()
    found.feed(page.read_text())
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("site")
    assert docs.write(made) > 500
    yield made


def listed(folder: Path) -> list[list[str]]:
    text = (folder / "search.js").read_text().removeprefix("const PAGES = ").rstrip().removesuffix(";")
    found: list[list[str]] = json.loads(text)
    return found


def test_every_link_leads_to_a_page_and_nothing_is_loaded_from_elsewhere(folder: Path) -> None:
    pages = {path: seen(path) for path in folder.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        assert all((path.parent / load).is_file() for load in page.loads), f"{path.name} loads {page.loads}"
        for link in page.links:
            where, _, anchor = link.partition("#")
            if where.startswith(("http://", "https://")):
                continue
            target = (path.parent / unquote(where)).resolve() if where else path
            if not target.exists():
                broken.append(f"{path.relative_to(folder)}: {link}")
            elif anchor and target in pages and anchor not in pages[target].anchors:
                broken.append(f"{path.relative_to(folder)}: {link} (no such heading)")
    assert not broken


def test_all_pages_are_in_the_list_that_is_searched(folder: Path) -> None:
    assert {url for _, url, _ in listed(folder)} | {"index.html"} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.html")
    }


def test_every_operation_and_every_action_has_a_page(folder: Path) -> None:
    found = [words for _, url, words in listed(folder) if url.startswith("compute/")]
    for operation in declared()["compute"].operations:
        if operation.until is not None:  # the page of what took its place tells of it
            continue
        title = f"{operation.method} {operation.path}{operation.action and f' {operation.action}'}"
        assert any(title in words for words in found), title


@pytest.mark.skipif(shutil.which("node") is None, reason="node runs the page's script")
@pytest.mark.parametrize(
    ("typed", "first"), [("create one server or several", "compute/servers.create.html"), ("zzyzx", None)]
)
def test_what_is_typed_is_found(folder: Path, typed: str, first: str | None) -> None:
    stage = """
        class Node { constructor() { this.children = []; this.dataset = {root: "../"}; }
          append(...more) { this.children.push(...more); } replaceChildren() { this.children = []; }
          addEventListener(name, act) { this.act = act; } }
        const nodes = {search: new Node(), found: new Node(), contents: new Node()};
        globalThis.document = {getElementById: (id) => nodes[id], body: new Node(), createElement: () => new Node()};
        const text = ["search.js", "site.js"].map((name) => require("fs").readFileSync(name, "utf8")).join("\\n");
        new Function(text)();
        nodes.search.value = process.argv[1];
        nodes.search.act();
        console.log(JSON.stringify(nodes.found.children.map((line) => line.children[0].href)));
    """
    done = subprocess.run(["node", "-e", stage, typed], cwd=folder, capture_output=True, text=True, check=True)
    links = json.loads(done.stdout)
    assert links[:1] == ([f"../{first}"] if first else [])


def test_markdown_cannot_bring_html(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "# <script>alert(1)</script> & co\n\n<b>no</b> [go](javascript:alert(1)) [b](b.md#x)\n"
    )
    (tmp_path / "b.md").write_text("# Twice\n\n## x\n\n## x\n")
    assert site.write(tmp_path, {"All": [tmp_path / "a.md", tmp_path / "b.md"]}) == 2
    text = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in text and "<b>" not in text and 'href="javascript' not in text
    assert 'href="b.html#x"' in text
    assert "<script>" not in (tmp_path / "search.js").read_text()
    assert {"twice", "x", "x-1"} <= seen(tmp_path / "b.html").anchors


def test_it_can_be_written_again(folder: Path) -> None:
    before = sorted(path.relative_to(folder) for path in folder.rglob("*"))
    docs.write(folder)
    assert sorted(path.relative_to(folder) for path in folder.rglob("*")) == before
