"""Finding B18: two clouds that declare one folder of images do not end each other's images."""

from __future__ import annotations

from pathlib import Path

import pytest

from cumulet.process import CannotBegin
from tests.assembled import Assembled

DECLARED = """
[stores.archive]
type = "file"
folder = "{folder}"
"""


def cloud_in(state: Path, folder: Path) -> Assembled:
    state.mkdir(parents=True)
    (state / ".cumulet").write_text("This folder is a Cumulet state folder (format 1).\n")
    (state / "image.toml").write_text(DECLARED.format(folder=folder))
    return Assembled(state)


def test_a_second_cloud_is_refused_and_takes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    first = cloud_in(tmp_path / "one", folder)
    try:
        image = folder / "11111111-1111-4111-8111-111111111111"
        image.write_bytes(b"bytes of the first cloud")
        with pytest.raises(CannotBegin, match="shared"):
            cloud_in(tmp_path / "two", folder)
        assert image.read_bytes() == b"bytes of the first cloud"
    finally:
        first.close()
