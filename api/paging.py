"""Signed cursors of lists: where a page ended, for the same list and the same reader only."""

import base64
import binascii
import hashlib
import hmac

import msgspec

from geo.errors import CursorError

__all__ = ["Pager"]

SIGNATURE_BYTES = 16


class Pager:
    """Makes and reads cursors of one list.

    Parameters
    ----------
    secret : bytes
        The store's, so that every process reads every cursor.
    *scope : str
        Which list, whose, and how it is filtered: a cursor of another scope is refused.

    Examples
    --------
    >>> pager = Pager(b"s" * 32, "listings", "default")
    >>> pager.read(pager.write("boulangerie-12"))
    'boulangerie-12'
    >>> Pager(b"s" * 32, "listings", "elsewhere").read(pager.write("boulangerie-12"))
    Traceback (most recent call last):
    ...
    geo.errors.CursorError: this cursor is damaged, or belongs to another list
    """

    def __init__(self, secret: bytes, *scope: str) -> None:
        self._secret = secret
        self._scope = msgspec.json.encode(scope)

    def _signature(self, after: bytes) -> bytes:
        signed = self._scope + b"\0" + after
        return hmac.digest(self._secret, signed, hashlib.sha256)[:SIGNATURE_BYTES]

    def write(self, after: str) -> str:
        """The cursor of the page that follows an id."""
        data = after.encode()
        return base64.urlsafe_b64encode(self._signature(data) + data).decode().rstrip("=")

    def read(self, cursor: str | None) -> str:
        """The id that a page ended with; empty for the first page.

        Raises
        ------
        CursorError
            If the cursor is damaged, or another list's.
        """
        if cursor is None:
            return ""
        try:
            data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
            after = data[SIGNATURE_BYTES:]
            if hmac.compare_digest(data[:SIGNATURE_BYTES], self._signature(after)):
                return after.decode()
        except (binascii.Error, ValueError):
            pass  # said below, in the same words as for a forged one
        raise CursorError("this cursor is damaged, or belongs to another list")
