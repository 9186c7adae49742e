"""Texts for people's terminals: names come from users, sentences from nodes, and neither may move a cursor."""

from __future__ import annotations


def plain(value: object) -> str:
    """One line in which every letter is printable; others are shown as a replacement character."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in str(value))
