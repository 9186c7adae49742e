"""The list of extensions, which old clients read."""

from __future__ import annotations

import httpx


def test_the_list_and_each_of_it(demo: httpx.Client) -> None:
    found = demo.get("/v2.1/extensions").json()["extensions"]
    assert [extension["alias"] for extension in found] == sorted(extension["alias"] for extension in found)
    for extension in found:
        assert demo.get(f"/v2.1/extensions/{extension['alias']}").json() == {"extension": extension}
    assert "os-keypairs" in {extension["alias"] for extension in found}
    assert demo.get("/v2.1/extensions/os-nothing").status_code == 404
