"""Every list of identity by pages of one: what the links lead through is the whole list, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.assembled import Assembled
from tests.matrix import identity
from tests.matrix.asking import filled
from tests.matrix.world import World

Page = Callable[[str, str], Any]
LISTS = sorted(name for name in identity.REQUESTS if name.startswith("GET "))


def items(answer: Any) -> list[str] | None:
    """The items of a list as text; None for what is no list."""
    if not isinstance(answer, dict) or "next" not in answer.get("links", {}):
        return None
    (key,) = (name for name, value in answer.items() if isinstance(value, list))
    return [json.dumps(item, sort_keys=True) for item in answer[key]]


def walked(page: Page, url: str, place: str, query: str, most: int) -> list[str]:
    """The items of all pages, from the first one on. One that has a next one is no longer than was asked for."""
    seen: list[str] = []
    for _ in range(most + 2):
        answer = page(place, query)
        seen += items(answer) or []
        following = answer["links"]["next"]
        if following is None:
            return seen
        place, _, query = following.removeprefix(url).partition("?")
    raise AssertionError("the pages never end")


@pytest.mark.parametrize("name", LISTS)
def test_pages_lead_through_the_whole_list(name: str, cloud: Assembled, worlds: dict[str, World]) -> None:
    world = worlds["identity"]
    path = name.removeprefix("GET ").replace("{", "${")
    for ask in identity.REQUESTS[name]:
        place = filled(path, world.ids | filled(ask.where, world.ids))
        query = filled(ask.query, world.ids)

        def page(place: str, query: str) -> Any:
            headers = {"x-subject-token": world.owner}
            answer = cloud.ask("identity", "GET", place, token=cloud.admin, query=query, headers=headers)
            return answer.json if answer.status == 200 else None

        whole = items(page(place, query))
        if whole is None:
            return
        for limit in {1, len(whole)} - {0}:
            assert walked(page, world.url, place, f"{query}&limit={limit}".lstrip("&"), len(whole)) == whole
