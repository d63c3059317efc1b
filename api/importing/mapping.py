"""Which column of a file is which field of a record: guessed, or said with ``--map``."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.importing.kinds import RecordKind
from api.importing.table import Chunk
from geo.errors import LayoutError

__all__ = ["Columns", "match_columns"]

MAX_NAMES_SAID = 40
MAX_NAMES = 1_000  # columns of a file that are looked at; a real one has fewer


@dataclass(frozen=True, slots=True)
class Columns:
    """Field -> the columns that make it up (nearly always one), and the columns left over."""

    used: Mapping[str, tuple[str, ...]]
    unused: tuple[str, ...]

    def values(self, chunk: Chunk, field: str, glue: str) -> Sequence[Any]:
        """Raw values of a field, one per row; several columns are joined as text."""
        names = self.used[field]
        if len(names) == 1:
            return chunk.column(names[0])
        parts = zip(*(chunk.column(name) for name in names), strict=True)
        return [
            glue.join(str(p).strip() for p in row if p is not None and p != "") for row in parts
        ]

    def described(self) -> dict[str, str]:
        """Field -> column, as ``--map`` writes it."""
        return {field: "+".join(map(_shown, names)) for field, names in self.used.items()}


def match_columns(
    kind: RecordKind, names: Sequence[str], said: Mapping[str, str] | None = None
) -> Columns:
    """Find the columns of a kind's fields.

    Parameters
    ----------
    kind : RecordKind
    names : sequence of str
        Columns of the file.
    said : mapping of str to str, optional
        Field -> column, or columns joined by ``+``; the rest is guessed from names that
        French and English open data use.

    Raises
    ------
    LayoutError
        If a field or column doesn't exist, or a required field has no column.

    Examples
    --------
    >>> from api.importing.kinds import record_kind
    >>> names = ["id_lieu", "nom_lieu", "Xlong", "Ylat", "nbre_pl"]
    >>> columns = match_columns(record_kind("place"), names)
    >>> columns.described()
    {'id': 'id_lieu', 'lon': 'Xlong', 'lat': 'Ylat', 'title': 'nom_lieu'}
    >>> columns.unused
    ('nbre_pl',)
    """
    said = said or {}
    known = dict.fromkeys(name for name in names[:MAX_NAMES] if name)
    by_plain = {_plain(name): name for name in reversed(known)}
    used: dict[str, tuple[str, ...]] = {}
    for name in said:
        if name not in kind.fields:
            raise LayoutError(f"no field {name[:40]!r}; there are {', '.join(kind.fields)}")
    taken = {name for text in said.values() for name in _split(text, known)}
    for name, field in kind.fields.items():
        if name in said:
            used[name] = _split(said[name], known)
            continue
        for guess in field.guesses:
            parts = tuple(by_plain.get(part, "") for part in guess.split("+"))
            if all(parts) and not taken & set(parts):
                used[name] = parts
                taken |= set(parts)
                break
    for group in kind.required:
        if not any(set(way) <= used.keys() for way in group):
            _fail_required(kind, group, known)
    return Columns(used, tuple(_shown(name) for name in known if name not in taken))


def _split(text: str, known: Mapping[str, None]) -> tuple[str, ...]:
    names = (text,) if text in known else tuple(text.split("+"))
    for name in names:
        if name not in known:
            raise LayoutError(f"no column {name[:60]!r}; found {_listed(known)}")
    return names


def _fail_required(
    kind: RecordKind, group: Sequence[Sequence[str]], known: Mapping[str, None]
) -> None:
    ways = " or ".join(" and ".join(way) for way in group)
    typed = " ".join(f"--map {field}=COLUMN" for field in group[0])
    raise LayoutError(
        f"no column for {ways} of a {kind.name}; found {_listed(known)}; say which: {typed}"
    )


def _listed(known: Mapping[str, None]) -> str:
    names = list(map(_shown, known))[:MAX_NAMES_SAID]
    return (", ".join(names) or "none") + (", …" if len(known) > MAX_NAMES_SAID else "")


def _shown(name: str) -> str:
    """A column's name as it can be printed: short, and without halves of characters."""
    return name[:60].encode("utf-8", "replace").decode()


def _plain(name: str) -> str:
    decomposed = unicodedata.normalize("NFKD", name.lower())
    return re.sub(r"[^a-z0-9.:]", "", decomposed)
