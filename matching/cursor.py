"""Page cursors: signed, bound to one query, and without a coordinate inside."""

import base64
import hmac
from hashlib import blake2b

import msgspec

from geo.errors import CursorError

__all__ = ["Cursor", "query_digest", "seal", "unseal"]

SIGNATURE_BYTES = 16
MAX_CHARACTERS = 2_000


class Cursor(msgspec.Struct, frozen=True):
    """Where the next page begins.

    ``at`` and the radius pin the instant and the place searched; ``inner_m`` is the ring
    already answered (-1: none). ``score``, ``tie`` and ``id`` are those of the last match, None
    where a new ring begins. ``profiles`` is the digest of the profiles, ``query`` that of the
    query, ``trust`` that of the levels shown: they stay as they are from page to page.
    """

    query: str
    profiles: str
    at: int
    radius_m: float
    inner_m: float
    auto: bool
    score: int | None = None
    tie: int = 0
    id: str = ""
    trust: str = ""


def query_digest(secret: bytes, parts: object) -> str:
    """A keyed hash of whatever must stay the same from page to page.

    Keyed, since an origin has few enough values to be guessed from a plain hash.
    """
    return blake2b(repr(parts).encode(), key=secret, digest_size=SIGNATURE_BYTES).hexdigest()


def seal(secret: bytes, cursor: Cursor) -> str:
    """A cursor as text that only this store can have made."""
    body = msgspec.json.encode(cursor)
    return base64.urlsafe_b64encode(_signature(secret, body) + body).rstrip(b"=").decode()


def unseal(secret: bytes, text: str) -> Cursor:
    """The cursor behind a text.

    Raises
    ------
    CursorError
        If it is damaged, forged or of another store.
    """
    try:
        if len(text) > MAX_CHARACTERS:
            raise ValueError
        sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        signature, body = sealed[:SIGNATURE_BYTES], sealed[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, _signature(secret, body)):
            raise ValueError
        return msgspec.json.decode(body, type=Cursor)
    except ValueError as error:  # base64 and msgspec raise kinds of it
        raise CursorError("cursor must be the `next` of an answer, unchanged") from error


def _signature(secret: bytes, body: bytes) -> bytes:
    return blake2b(body, key=secret, digest_size=SIGNATURE_BYTES, person=b"mitoyen-cursor").digest()
