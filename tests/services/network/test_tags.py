"""Tags of every noun that can have some."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.services.network.conftest import Cloud, collection

ABSENT = "11111111-2222-3333-4444-555555555555"
MAKERS: dict[str, Callable[[Cloud], str]] = {
    "network": lambda cloud: cloud.make("network")["id"],
    "subnet": lambda cloud: cloud.network()[1]["id"],
    "port": lambda cloud: cloud.make("port", network_id=cloud.network()[0]["id"])["id"],
    "router": lambda cloud: cloud.make("router")["id"],
    "floatingip": lambda cloud: cloud.make("floatingip", floating_network_id=cloud.external()[0]["id"])["id"],
    "security_group": lambda cloud: cloud.make("security_group", name="tagged")["id"],
}
every_noun = pytest.mark.parametrize("noun", MAKERS)


def tags(cloud: Cloud, path: str) -> list[str]:
    found: list[str] = cloud.call("GET", f"{path}/tags", None, "demo", 200)["tags"]
    return found


def new(cloud: Cloud, noun: str) -> str:
    return f"{collection(noun)}/{MAKERS[noun](cloud)}"


@every_noun
def test_tags_come_and_go_one_by_one(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    assert tags(cloud, path) == []
    for tag in ("red", "blue", "red"):
        assert cloud.call("PUT", f"{path}/tags/{tag}", status=201) is None
    assert tags(cloud, path) == ["blue", "red"]
    cloud.call("GET", f"{path}/tags/red", status=204)
    cloud.call("DELETE", f"{path}/tags/red", status=204)
    wanted = ("TagNotFound", "Tag red could not be found.")
    for method in ("GET", "DELETE"):
        assert cloud.fault(method, f"{path}/tags/red", None, 404) == wanted
    assert tags(cloud, path) == ["blue"]


@every_noun
def test_all_tags_are_replaced_and_cleared(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    cloud.call("PUT", f"{path}/tags/old", status=201)
    assert cloud.call("PUT", f"{path}/tags", {"tags": ["b", "a"]}, status=200) == {"tags": ["a", "b"]}
    assert tags(cloud, path) == ["a", "b"]
    cloud.call("DELETE", f"{path}/tags", status=204)
    assert tags(cloud, path) == []
    cloud.call("DELETE", f"{path}/tags", status=204)


@every_noun
def test_the_resource_shows_its_tags_and_its_revision_rises(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    id = path.partition("/")[2]
    before = cloud.show(noun, id)
    cloud.call("PUT", f"{path}/tags/red", status=201)
    after = cloud.show(noun, id)
    assert (before["tags"], after["tags"]) == ([], ["red"])
    assert after["revision_number"] == before["revision_number"] + 1


@every_noun
def test_tags_go_with_their_resource(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    cloud.call("PUT", f"{path}/tags/lost{noun}", status=201)
    assert len(cloud.found(noun, f"tags=lost{noun}")) == 1
    cloud.call("DELETE", path, status=204)
    assert cloud.found(noun, f"tags=lost{noun}") == []
    assert cloud.refused("GET", f"{path}/tags", None, 404)["type"].endswith("NotFound")


@every_noun
def test_another_project_s_resource_is_not_there(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    seen = cloud.fault("GET", path, None, 404, "other")
    for method, end, body in (
        ("GET", "", None),
        ("PUT", "", {"tags": ["x"]}),
        ("DELETE", "", None),
        ("GET", "/x", None),
        ("PUT", "/x", None),
        ("DELETE", "/x", None),
    ):
        assert cloud.fault(method, f"{path}/tags{end}", body, 404, "other") == seen
    assert tags(cloud, path) == []


@every_noun
def test_a_reader_only_reads(cloud: Cloud, noun: str) -> None:
    path = new(cloud, noun)
    cloud.call("GET", f"{path}/tags", None, "reader", 200)
    for method, end, body in (("PUT", "", {"tags": ["x"]}), ("DELETE", "", None), ("PUT", "/x", None)):
        assert cloud.fault(method, f"{path}/tags{end}", body, 403, "reader")[0] == "PolicyNotAuthorized"
    assert tags(cloud, path) == []


def test_groups_are_reached_by_both_spellings(cloud: Cloud) -> None:
    id = MAKERS["security_group"](cloud)
    cloud.call("PUT", f"security_groups/{id}/tags/red", status=201)
    assert tags(cloud, f"security-groups/{id}") == ["red"]


@pytest.mark.parametrize("path", ["security-group-rules", "quotas", "nothing"])
def test_what_has_no_tags(cloud: Cloud, path: str) -> None:
    wanted = ("HTTPNotFound", "The resource could not be found.")
    assert cloud.fault("GET", f"{path}/{ABSENT}/tags", None, 404) == wanted


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"tags": "red"}, "'red' is not a list"),
        ({"tags": [1]}, "'1' is not a valid string"),
        ({"tags": ["a", "a"]}, "Duplicate items in the list: 'a, a'"),
        ({"tags": ["x" * 256]}, f"'{'x' * 256}' exceeds maximum length of 255"),
        ({"tags": [str(number) for number in range(51)]}, "the number of tags exceeds the maximum 50"),
    ],
)
def test_lists_that_are_refused(cloud: Cloud, given: dict[str, object], reason: str) -> None:
    path = new(cloud, "network")
    cloud.call("PUT", f"{path}/tags/kept", status=201)
    wanted = ("HTTPBadRequest", f"Invalid input for tags. Reason: {reason}.")
    assert cloud.fault("PUT", f"{path}/tags", given, 400) == wanted
    assert tags(cloud, path) == ["kept"]


@pytest.mark.parametrize("tag", ["a,b", "a/b", ""])
def test_words_that_are_no_tags(cloud: Cloud, tag: str) -> None:
    wanted = ("InvalidInput", f"Invalid input for operation: '{tag}' is not a valid tag.")
    assert cloud.fault("PUT", f"{new(cloud, 'network')}/tags", {"tags": [tag]}, 400) == wanted


def test_a_tag_of_any_script_is_found_again(cloud: Cloud) -> None:
    path = new(cloud, "network")
    cloud.call("PUT", f"{path}/tags", {"tags": ["größe 1"]}, status=200)
    cloud.call("GET", f"{path}/tags/gr%C3%B6%C3%9Fe%201", status=204)
    cloud.call("DELETE", f"{path}/tags/gr%C3%B6%C3%9Fe%201", status=204)


def test_a_resource_has_room_for_fifty(cloud: Cloud) -> None:
    path = new(cloud, "network")
    cloud.call("PUT", f"{path}/tags", {"tags": [str(number) for number in range(50)]}, status=200)
    wanted = ("HTTPBadRequest", "Invalid input for tags. Reason: the number of tags exceeds the maximum 50.")
    assert cloud.fault("PUT", f"{path}/tags/more", None, 400) == wanted
    cloud.call("PUT", f"{path}/tags/49", status=201)
    assert len(tags(cloud, path)) == 50


@every_noun
def test_lists_are_filtered_by_tags(cloud: Cloud, noun: str) -> None:
    both, one, none = (new(cloud, noun) for _ in range(3))
    red, blue = f"red{noun}", f"blue{noun}"
    cloud.call("PUT", f"{both}/tags", {"tags": [red, blue]}, status=200)
    cloud.call("PUT", f"{one}/tags", {"tags": [red]}, status=200)
    names = {path.partition("/")[2]: name for path, name in ((both, "both"), (one, "one"), (none, "none"))}
    ids = "&".join(f"id={id}" for id in names)
    for query, wanted in (
        (f"tags={red}", {"both", "one"}),
        (f"tags={red},{blue}", {"both"}),
        (f"tags-any={blue},green", {"both"}),
        (f"not-tags={red},{blue}", {"one", "none"}),
        (f"not-tags-any={red},{blue}", {"none"}),
        ("tags=", {"both", "one", "none"}),
    ):
        assert {names[each["id"]] for each in cloud.found(noun, f"{ids}&{query}")} == wanted, query
    for path in (both, one, none):
        cloud.call("DELETE", path, status=204)
