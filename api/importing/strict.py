"""JSON read strictly: what the standard library lets pass is refused, with a reason."""

import json
from collections import Counter
from typing import Any

from geo.errors import InputError

__all__ = ["StrictDecoder"]

MAX_DIGITS = 40  # nothing measured in a town needs more; Python itself refuses 4,300


class StrictDecoder:
    """Decodes JSON, and refuses duplicate keys, NaN, Infinity and endless numbers.

    A breach inside well-formed JSON is raised only once the value has been read to its end,
    so that a reader of many values knows where the next one starts (``after``).

    Examples
    --------
    >>> StrictDecoder().decode('{"id": "a", "id": "b"}')
    Traceback (most recent call last):
    ...
    geo.errors.InputError: key 'id' appears twice
    """

    def __init__(self) -> None:
        self.after = 0
        self._breach = ""
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._object, parse_int=self._int, parse_constant=self._constant
        )

    def decode(self, text: str) -> Any:
        """The one value that ``text`` holds.

        Raises
        ------
        InputError
            If it is not one strict JSON value.
        """
        value = self.decode_at(text, len(text) - len(text.lstrip(" \t\r\n")))
        if text[self.after :].strip(" \t\r\n"):
            raise InputError(f"wanted one JSON value, more follows in column {self.after + 1}")
        return value

    def decode_at(self, text: str, start: int) -> Any:
        """The value that starts at ``start``; ``after`` is then where it ended.

        Raises
        ------
        InputError
            If the value breaks a rule. ``after`` is ``start`` if its end is not known.
        """
        self.after = start
        self._breach = ""
        try:
            value, self.after = self._decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            raise InputError(f"not JSON: {error.msg} in column {error.colno}") from error
        except RecursionError as error:
            raise InputError("not taken: JSON nested too deep") from error
        if self._breach:
            raise InputError(self._breach)
        return value

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            counts = Counter(key for key, _ in pairs)
            self._breach = f"key {counts.most_common(1)[0][0][:40]!r} appears twice"
        return made

    def _int(self, digits: str) -> int:
        if len(digits) > MAX_DIGITS:
            self._breach = f"a number of {len(digits)} digits, at most {MAX_DIGITS} are read"
            return 0
        return int(digits)

    def _constant(self, name: str) -> None:
        self._breach = f"{name} is not a number in JSON"
