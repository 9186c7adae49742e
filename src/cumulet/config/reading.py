"""Options as text: of ``cumulet.toml``, of the environment, and back."""

from __future__ import annotations

import json
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path

from cumulet.config.errors import ConfigError

_GONE = {"workers": 1}
"""Options of before that did nothing, and what they could be: every file holds them, and none has to be changed."""


def read_file(
    path: Path, kinds: Mapping[str, object], owner_of: Mapping[str, str], *, must_exist: bool
) -> dict[str, object]:
    """Option → value, of those that stand in the file. `owner_of`: of those of services, which one's; they stand in its
    section, or at the top as before 0.3. Raises ConfigError."""
    text = _text(path, must_exist=must_exist)
    if text is None:
        return {}
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error).replace("at end of document", f"at line {len(text.splitlines())}, its end")
        raise ConfigError(f"{path} cannot be understood: {said}") from error
    values = _flat(path, found, kinds, owner_of)
    for name, value in values.items():
        values[name] = tuple(value) if isinstance(value, list) else value
        if not _fits(values[name], kinds[name]):
            raise ConfigError(f"{path}: {name} has a value of the wrong type: {value!r}")
    return values


def _flat(
    path: Path, found: Mapping[str, object], kinds: Mapping[str, object], owner_of: Mapping[str, str]
) -> dict[str, object]:
    """What the sections hold beside what stands at the top."""
    values: dict[str, object] = {}
    for name, value in found.items():
        if isinstance(value, dict) and name in owner_of.values():
            for option, inner in value.items():
                if owner_of.get(option) != name:
                    own = [each for each, owner in owner_of.items() if owner == name]
                    raise ConfigError(f"{path}: [{name}] has no option {option}{_near(option, own)}")
                if option in found:
                    raise ConfigError(f"{path}: {option} stands at the top and in [{name}]; delete the one at the top")
                values[option] = inner
        elif name in _GONE and value == _GONE[name]:
            continue
        elif name not in kinds or name == "state":
            raise ConfigError(f"{path}: there is no option {name}{_near(name, kinds)}")
        else:
            values[name] = value
    return values


def _near(name: str, known: Iterable[str]) -> str:
    import difflib  # imported here: most files are right

    near = difflib.get_close_matches(name, known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _text(path: Path, *, must_exist: bool) -> str | None:
    """The text of the file; None when there is none and need not be one. Raises ConfigError."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if must_exist:
            raise ConfigError(f"{path.parent} holds no cloud (no {path.name}); `cumulet up` makes one") from None
        return None
    except NotADirectoryError:
        raise ConfigError(f"{path.parent} is a file; --state wants a folder") from None
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"line {line} of {path} is not text: it has bytes that are not UTF-8") from None
    if not text.strip():
        raise ConfigError(f"{path} is empty: put a copy back, or delete it to have options chosen anew")
    return text


def _fits(value: object, kind: object) -> bool:
    if isinstance(kind, types.UnionType):
        return any(_fits(value, part) for part in typing.get_args(kind))
    if kind == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(kind, type) and isinstance(value, kind)


def from_text(name: str, kind: object, text: str) -> object:
    if kind == tuple[str, ...]:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    parts = typing.get_args(kind) or (kind,)
    if type(None) in parts and not text:
        return None
    if kind is bool:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        if text.strip().lower() not in known:
            raise ConfigError(f"{name} must be true or false, not {text!r}")
        return known[text.strip().lower()]
    if int in parts:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{name} must be a whole number, not {text!r}") from None
    return text


def to_toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(to_toml(part) for part in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else json.dumps(str(value), ensure_ascii=True)
