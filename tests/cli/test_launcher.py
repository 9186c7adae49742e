"""The launcher script, on a copy of it with lock files that need no package index."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "cumulet"
MAIN = "import sys; print(sys.prefix, sys.flags.safe_path, *sys.argv[1:])\n"
QUICK = """#!/bin/sh
if [ "$1 $2 $3" = "-m venv --clear" ]; then
    "{python}" -m venv --clear --without-pip "$4"
    echo "{pip}" >"$4/lib/python{version}/site-packages/pip.pth"
else
    exec "{python}" "$@"
fi
"""
NAMES = "import os; print(os.environ['CUMULET_CLIENT_ENV'], os.environ.get('CUMULET_TEMPEST_ENV'))\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "a checkout"
    (root / "src" / "cumulet" / "cli").mkdir(parents=True)
    for folder in (root / "src" / "cumulet", root / "src" / "cumulet" / "cli"):
        (folder / "__init__.py").touch()
    (root / "src" / "cumulet" / "cli" / "main.py").write_text(MAIN)
    for group in ("", "-test", "-client", "-tempest", "-audit"):
        (root / f"requirements{group}.lock").write_text("# nothing\n")
    shutil.copy(SCRIPT, root / "cumulet")
    return root


@pytest.fixture
def quick(tmp_path: Path) -> str:
    """A Python whose environments share one pip: unpacking it is nearly all of the seconds that an environment takes.

    The first test makes real ones.
    """
    spec = importlib.util.find_spec("pip")
    assert spec is not None and spec.origin is not None
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "pip").symlink_to(Path(spec.origin).parent)
    file = tmp_path / "quick"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    file.write_text(QUICK.format(python=sys.executable, pip=tmp_path / "shared", version=version))
    file.chmod(0o755)
    return str(file)


def launch(checkout: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith(("PYTHON", "CUMULET"))}
    return subprocess.run(
        [checkout / "cumulet", *words],
        env=clean | env,
        cwd=checkout.parent,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_environment_is_made_once_and_again_when_a_lock_file_changes(checkout: Path) -> None:
    (checkout.parent / "json.py").write_text("raise SystemExit('imported from the current folder')\n")
    first = launch(checkout, "up", "--state", "a b")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{checkout}/.venv True up --state a b\n"
    assert "Installing requirements into" in first.stderr
    again = launch(checkout, "up")
    assert (again.returncode, again.stderr) == (0, "")
    (checkout / "requirements.lock").write_text("# changed\n")
    changed = launch(checkout, "up")
    assert "Installing" in changed.stderr
    assert launch(checkout, "up").stderr == ""

    # An install that fails leaves no stamp, so that the next start tries again.
    (checkout / "requirements-test.lock").write_text("no-hash==1\n")
    for _ in range(2):
        failed = launch(checkout, "test")
        assert failed.returncode == 1
        assert "could not install what" in failed.stderr
    assert launch(checkout, "up").returncode == 0

    # A Python that has gone (a distribution upgrade) makes the environment anew.
    (checkout / ".venv" / "bin" / "python").unlink()
    mended = launch(checkout, "up")
    assert (mended.returncode, "Installing" in mended.stderr) == (0, True)


def test_the_test_verb_makes_an_environment_for_each_of_other_peoples_tools(checkout: Path, quick: str) -> None:
    (checkout / "src" / "cumulet" / "cli" / "main.py").write_text(NAMES)
    assert launch(checkout, "up", CUMULET_PYTHON=quick).stdout == f"{checkout}/.venv-client None\n"
    assert (
        launch(checkout, "test", CUMULET_PYTHON=quick).stdout == f"{checkout}/.venv-client {checkout}/.venv-tempest\n"
    )
    for name in (".venv-client", ".venv-tempest"):
        assert (checkout / name / "bin" / "python").exists()


def test_two_at_once_make_it_once(checkout: Path, quick: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: launch(checkout, "up", CUMULET_PYTHON=quick), range(2)))
    assert [done.returncode for done in both] == [0, 0], both[0].stderr + both[1].stderr
    assert sum("Installing" in done.stderr for done in both) == 1


def test_a_link_to_the_launcher_finds_the_checkout(checkout: Path, tmp_path: Path, quick: str) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "cumulet").symlink_to(checkout / "cumulet")
    done = launch(tmp_path / "bin", "up", CUMULET_ENV=str(tmp_path / "env"), CUMULET_PYTHON=quick)
    assert done.stdout == f"{tmp_path}/env True up\n", done.stderr


def test_a_python_that_cannot_serve_is_named(checkout: Path, tmp_path: Path) -> None:
    old = tmp_path / "python3.9"
    old.write_text('#!/bin/sh\ncase "$2" in *print*) echo 3.9;; *) exit 1;; esac\n')
    old.chmod(0o755)
    for python, words in ((old, f"{old} is Python 3.9; 3.11 or newer"), (tmp_path / "no", "no does not start")):
        done = launch(checkout, "up", CUMULET_PYTHON=str(python))
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr


def test_no_python_is_said_plainly(checkout: Path, tmp_path: Path) -> None:
    """Without root nothing is installed; the message names the packages."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "dirname", "readlink", "cat", "sha256sum", "cut", "mkdir", "flock", "basename"):
        (tools / name).symlink_to(str(shutil.which(name)))
    (tools / "id").write_text("#!/bin/sh\necho 1000\n")
    (tools / "id").chmod(0o755)
    launcher = (checkout / "cumulet").read_text()
    (checkout / "cumulet").write_text(launcher.replace(":-/usr/bin/python3 ", ":-/nonexistent/python3 "))
    done = launch(checkout, "up", PATH=str(tools))
    assert done.returncode == 1
    assert "As root: apt-get install python3 python3-venv" in done.stderr
