"""What a value of a field must be to be kept: the rules that records are checked by."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

__all__ = [
    "ATTESTOR",
    "CATEGORY",
    "DEGREES",
    "FLAG",
    "GENDER",
    "ID",
    "INSTANT",
    "LANG",
    "SHA256",
    "Rule",
    "matching",
    "or_none",
    "text",
    "whole",
]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_CATEGORY = re.compile(r"[^\W_A-Z]+([-_][^\W_A-Z]+)*(\.[^\W_A-Z]+([-_][^\W_A-Z]+)*)*")
_LANG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_GENDER = re.compile("[FMO]")
_ATTESTOR = re.compile("town|registry")


class Rule(NamedTuple):
    """What a value of a field must be: its types, and what else, in words and as a test."""

    types: tuple[type, ...]
    wanted: str
    good: Callable[[Any], bool] | None  # None: the type says it all
    # Whether a whole column is good, told in one go; if not, each value is looked at.
    all_good: Callable[[Sequence[Any]], bool] = lambda column: False


def text(most: int, *, least: int = 0, lines: bool = False) -> Rule:
    """Text of so many characters."""
    control = _CONTROL_BUT_LINES if lines else _CONTROL

    def good(value: str) -> bool:
        return least <= len(value) <= most and not control.search(value)

    def all_good(column: Sequence[str]) -> bool:
        # What is printable has no control characters, and is told so in a fraction of the time.
        shortest, longest = min(map(len, column), default=least), max(map(len, column), default=0)
        return least <= shortest and longest <= most and "".join(column).isprintable()

    wanted = f"text of {least} to {most} characters without control characters"
    return Rule((str,), wanted, good, all_good)


def matching(pattern: re.Pattern[str], most: int, wanted: str, *, empty: bool = False) -> Rule:
    """Text of a pattern, said in words."""

    def good(value: str) -> bool:
        return (empty and not value) or (len(value) <= most and bool(pattern.fullmatch(value)))

    return Rule((str,), wanted, good)


def whole(least: int, most: int) -> Rule:
    """A whole number."""
    return Rule((int,), f"a whole number, {least} to {most}", lambda value: least <= value <= most)


def or_none(rule: Rule) -> Rule:
    """As another rule says, or none."""
    good = rule.good
    return Rule(
        (*rule.types, type(None)),
        f"{rule.wanted}, or none",
        good and (lambda value: value is None or good(value)),
        lambda column: rule.all_good([value for value in column if value is not None]),
    )


def _known_instant(value: datetime) -> bool:
    # Far from datetime's own limits, so that no time zone can carry it past them.
    return value.utcoffset() is not None and 1900 <= value.year <= 2999


ID = text(200, least=1)
INSTANT = Rule((datetime,), "a datetime with its offset, years 1900 to 2999", _known_instant)
CATEGORY = matching(_CATEGORY, 200, "dotted words in lower case, such as food.bakery", empty=True)
LANG = matching(_LANG, 16, "a language tag, such as fr")
DEGREES = Rule((float, int), "degrees", None)  # the range is looked at for all rows at once
FLAG = Rule((bool,), "true or false", None)
SHA256 = matching(_SHA256, 64, "a SHA-256 in lower-case hex")
ATTESTOR = matching(_ATTESTOR, 8, "town or registry")
GENDER = matching(_GENDER, 1, "F, M or O")
