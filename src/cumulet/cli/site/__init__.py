"""A folder of Markdown pages as a site: static, searchable, and complete without a network.

Each page becomes an HTML file beside it, with a list of guides and services at its side. What can be found is in
``search.js``, a plain list that ``site.js`` looks through, so that the site works from a disk as from a web server.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from msgspec import Struct

_HERE = Path(__file__).parent
_SPACES = re.compile(r"\s+")
_NO_SLUG = re.compile(r"[^\w\- ]")
_OUTSIDE = re.compile(r"([a-z][a-z0-9+.-]*:|//|#).*", re.I | re.S)


class Rendered(Struct, frozen=True):
    """A page: its first heading, its HTML, and its words."""

    title: str
    body: str
    words: str


def write(folder: Path, sections: Mapping[str, Iterable[Path]]) -> int:
    """Make ``X.html`` of each ``X.md`` below `folder`, ``index.html``, ``search.js`` and what they need.

    `sections`: title → the Markdown files in `folder` that the list at the side names under it. Returns how many
    pages there are. Raises OSError.
    """
    shelf = {title: [path.relative_to(folder) for path in paths] for title, paths in sections.items()}
    pages = {path.relative_to(folder): rendered(path.read_text(encoding="utf-8")) for path in _pages(folder)}
    template = (_HERE / "page.html").read_text(encoding="utf-8")
    for path, page in pages.items():
        text = _filled(template, page.title, page.body, path, shelf, pages)
        (folder / path).with_suffix(".html").write_text(text, encoding="utf-8")
    start = "".join(f"<h2>{html.escape(title)}</h2>{_links(Path(), paths, pages)}" for title, paths in shelf.items())
    front = _filled(template, "Cumulet", f"<h1>Cumulet</h1>{start}", Path("index.md"), shelf, pages)
    (folder / "index.html").write_text(front, encoding="utf-8")
    found = [[page.title, path.with_suffix(".html").as_posix(), page.words] for path, page in pages.items()]
    # "<" is written as an escape: the list may be put into a page as it is.
    listed = json.dumps(found, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    (folder / "search.js").write_text(f"const PAGES = {listed};\n", encoding="utf-8")
    for name in ("site.css", "site.js"):
        shutil.copyfile(_HERE / name, folder / name)
    return len(pages)


def rendered(text: str) -> Rendered:
    """Markdown as HTML: tables are known, HTML in it is text, links to ``.md`` lead to ``.html``."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(text)
    title, words, taken = "", [], set[str]()
    for place, token in enumerate(tokens):
        if token.type in ("inline", "fence", "code_block"):
            words.append(_words(token))
        if token.type == "heading_open":
            heading = _words(tokens[place + 1])
            title = title or heading
            token.attrSet("id", _anchor(heading, taken))
        for inner in token.children or ():
            if inner.type == "link_open":
                inner.attrSet("href", _target(str(inner.attrGet("href") or "")))
    body = parser.renderer.render(tokens, parser.options, {})
    return Rendered(title or "Untitled", body, _SPACES.sub(" ", " ".join(words)).strip())


def _pages(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.md"))


def _words(token: Token) -> str:
    """What a reader sees of a token, without its markup."""
    if token.children is None:
        return token.content
    return "".join(" " if each.type in ("softbreak", "hardbreak") else each.content for each in token.children)


def _anchor(heading: str, taken: set[str]) -> str:
    """The name of a heading as the platforms that show Markdown give it; a second one of that name gets a number."""
    slug = _NO_SLUG.sub("", heading.lower()).replace(" ", "-")
    found = next(name for name in (slug, *(f"{slug}-{number}" for number in range(1, 1000))) if name not in taken)
    taken.add(found)
    return found


def _target(href: str) -> str:
    if _OUTSIDE.fullmatch(href):
        return href
    path, hash_, anchor = href.partition("#")
    return f"{path.removesuffix('.md')}.html{hash_}{anchor}" if path.endswith(".md") else href


def _links(at: Path, paths: Iterable[Path], pages: Mapping[Path, Rendered]) -> str:
    """A list of links from a page in the folder `at`."""
    lines = []
    for path in paths:
        href = Path(os.path.relpath(path.with_suffix(".html"), at)).as_posix()
        lines.append(f'<li><a href="{html.escape(href)}">{html.escape(pages[path].title)}</a></li>')
    return f"<ul>{''.join(lines)}</ul>"


def _filled(
    template: str, title: str, body: str, path: Path, shelf: Mapping[str, list[Path]], pages: Mapping[Path, Rendered]
) -> str:
    root = "../" * (len(path.parts) - 1)
    aside = "".join(f"<h2>{html.escape(name)}</h2>{_links(path.parent, paths, pages)}" for name, paths in shelf.items())
    return (
        template.replace("{{title}}", html.escape(title))
        .replace("{{root}}", root)
        .replace("{{aside}}", aside)
        .replace("{{body}}", body)
    )
