"""One raw value of a file -> one value of a record, or the reason why not.

CSV knows only text, so a number comes as text there. JSON, GeoParquet and GeoPackage have
types: there a text that looks like a number is an error of whoever wrote it, and is refused.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import opening_hours

__all__ = [
    "Instants",
    "ReadValue",
    "ValueFault",
    "category",
    "choice",
    "flag",
    "is_osm_hours",
    "line",
    "lines",
    "number",
    "read_plain",
    "typed_flag",
    "typed_line",
    "typed_lines",
    "typed_number",
    "typed_whole",
    "whole",
]

ReadValue = Callable[[Any], Any]

PLAIN_NUMBER = b"0123456789.+-"  # of these alone, float takes what NUMBER takes
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,4})?", re.ASCII)
WHOLE = re.compile(r"[+-]?\d{1,18}([.,]0{1,2})?", re.ASCII)  # but 1,000 may be a thousand
BREAKS = re.compile(r"[ \t]*[\r\n]+[ \t]*|\t")
NOT_A_WORD = re.compile(r"[\W_]+")
FLAGS = {
    **dict.fromkeys(("true", "1", "oui", "yes", "vrai"), True),
    **dict.fromkeys(("false", "0", "non", "no", "faux"), False),
}
MAX_HOURS = 1_000  # characters of an OSM expression that are worth parsing


class ValueFault(Exception):  # noqa: N818 - no error of a caller's: it becomes a row's reason
    """Why a value can't be read. Says what was wanted; never repeats a place."""


def lines(raw: str) -> str:
    """Text of several lines, ends trimmed; control characters are left for the rules to refuse."""
    return raw.strip() if raw.isprintable() else raw.replace("\r\n", "\n").strip()


def line(raw: str) -> str:
    """Text of one line: line breaks inside (as in a quoted address) become a space."""
    return raw.strip() if raw.isprintable() else BREAKS.sub(" ", raw).strip()


@lru_cache(maxsize=20_000)
def category(raw: str) -> str:
    """A category as the tree writes it.

    Examples
    --------
    >>> category("Bases nautiques"), category("Food.Pâtisserie & thé")
    ('bases-nautiques', 'food.patisserie-the')
    """
    plain = unicodedata.normalize("NFKD", raw.lower())
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    words = (NOT_A_WORD.sub("-", part).strip("-") for part in plain.split("."))
    return ".".join(word for word in words if word)


def number(raw: str) -> float:
    """A number as English or French writes it.

    Examples
    --------
    >>> number("43.2951"), number("43,2951")
    (43.2951, 43.2951)
    """
    if NUMBER.fullmatch(raw) is None:
        raise ValueFault("wanted a number")
    return float(raw.replace(",", "."))


def typed_number(raw: Any) -> float:
    """A number of a typed file: no text, no true or false."""
    if type(raw) not in (int, float, Decimal):
        raise ValueFault(f"wanted a number, got {_type(raw)}")
    try:
        return float(raw)
    except OverflowError as error:
        raise ValueFault("wanted a number, got one beyond all bounds") from error


def read_plain(read: ReadValue, raws: Sequence[str]) -> list[Any] | None:
    """A whole column at once, where its text is so plain that no value needs a look of its own.

    None where it is not, or ``read`` is neither of text nor of numbers.

    Examples
    --------
    >>> read_plain(number, ["43.2951", "5"]), read_plain(line, [" Le Panier", ""])
    ([43.2951, 5.0], ['Le Panier', ''])
    >>> read_plain(number, ["43,2951", "5"]) is read_plain(number, ["1_0"]) is None
    True
    """
    text = "".join(raws)
    if read in (line, lines) and text.isprintable():
        return list(map(str.strip, raws))
    if read is number and text.isascii() and not text.encode().translate(None, PLAIN_NUMBER):
        try:
            return list(map(float, raws))
        except ValueError:
            return None
    return None


def whole(raw: str) -> int:
    """A whole number; ``12.0``, as spreadsheets write it, is one."""
    if WHOLE.fullmatch(raw) is None:
        raise ValueFault("wanted a whole number")
    return int(re.split("[.,]", raw)[0])


def typed_whole(raw: Any) -> int:
    """A whole number of a typed file; 12.0 is one."""
    if type(raw) is int:
        return raw
    if type(raw) in (float, Decimal) and raw == raw // 1:
        return int(raw)
    raise ValueFault(f"wanted a whole number, got {_type(raw)}")


def flag(raw: str) -> bool:
    """True or false, in French or English."""
    try:
        return FLAGS[raw.strip().lower()]
    except KeyError:
        raise ValueFault("wanted true or false") from None


def typed_flag(raw: Any) -> bool:
    """True or false of a typed file."""
    if type(raw) is not bool:
        raise ValueFault(f"wanted true or false, got {_type(raw)}")
    return raw


def typed_line(raw: Any) -> str:
    """`line` of a typed file; a whole number will do, as many files number their rows."""
    return line(_text(raw))


def typed_lines(raw: Any) -> str:
    """`lines` of a typed file."""
    return lines(_text(raw))


def choice(names: type[StrEnum]) -> ReadValue:
    """A reader of one of a few names."""
    known = {str(name): name for name in names}

    def read(raw: Any) -> StrEnum:
        try:
            return known[raw.strip().lower()]
        except (AttributeError, KeyError):
            raise ValueFault(f"wanted one of {', '.join(known)}") from None

    return read


@lru_cache(maxsize=20_000)
def is_osm_hours(text: str) -> bool:
    """Whether opening hours are in OSM's syntax, and not prose.

    Examples
    --------
    >>> is_osm_hours("Mo-Fr 08:00-18:30"), is_osm_hours("Ouvert tous les jours")
    (True, False)
    """
    return len(text) <= MAX_HOURS and bool(opening_hours.validate(text))


class Instants:
    """Reads ISO 8601 instants; one without an offset is wall-clock time where the tenant is.

    A wall-clock time that comes twice in autumn is its first occurrence. One that spring
    skips takes the offset before the gap, and so moves an hour on. Both are noted in ``odd``.

    Parameters
    ----------
    timezone : str
        IANA name.

    Examples
    --------
    >>> read = Instants("Europe/Paris").read
    >>> read("2025-06-15T18:00").isoformat()
    '2025-06-15T16:00:00+00:00'
    >>> read("2027-03-28 02:30").isoformat()
    '2027-03-28T01:30:00+00:00'
    """

    def __init__(self, timezone: str) -> None:
        self._zone = ZoneInfo(timezone)
        self.odd: dict[str | date, str] = {}

    def read(self, raw: Any) -> datetime:
        """An instant in UTC; a date alone is its first moment."""
        return self._utc(raw, self._parsed(raw))

    def read_end(self, raw: Any) -> datetime:
        """An instant in UTC that ends something; a date alone is a whole day, so its last."""
        value = self._parsed(raw)
        if isinstance(value, datetime):
            return self._utc(raw, value)
        try:
            return self._utc(raw, value + timedelta(days=1))
        except OverflowError as error:
            raise ValueFault("wanted a year before 3000") from error

    def _parsed(self, raw: Any) -> date:
        if isinstance(raw, str):
            text = raw.strip()
            try:
                return date.fromisoformat(text) if len(text) <= 10 else datetime.fromisoformat(text)
            except ValueError:
                wanted = "wanted a date or time in ISO 8601, such as 2025-06-15T18:00:00+02:00"
                raise ValueFault(wanted) from None
        if isinstance(raw, date):
            return raw
        raise ValueFault(f"wanted a date or time, got {_type(raw)}")

    def _utc(self, raw: str | date, value: date) -> datetime:
        if not isinstance(value, datetime):
            value = datetime.combine(value, time())
        try:
            if value.tzinfo is not None:
                return value.astimezone(UTC)
            local = value.replace(tzinfo=self._zone, fold=0)
            found = local.astimezone(UTC)
            if local.utcoffset() != local.replace(fold=1).utcoffset():  # around a clock change
                there = found.astimezone(self._zone).replace(tzinfo=None) == value
                self.odd[raw] = "clock_change_repeats_it" if there else "clock_change_skips_it"
            return found
        except OverflowError as error:
            raise ValueFault("wanted a year from 1900 to 2999") from error


def _text(raw: Any) -> str:
    if isinstance(raw, str):
        return raw
    if type(raw) is int:
        return str(raw)
    raise ValueFault(f"wanted text, got {_type(raw)}")


def _type(raw: Any) -> str:
    names = {
        bool: "true or false",
        str: "text",
        int: "a whole number",
        float: "a number",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(raw), type(raw).__name__)
