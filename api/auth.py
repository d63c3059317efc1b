"""Who is asking, and as what: keys, scopes, the member an app acts for.

A key is sent as ``Authorization: Bearer KEY``; the store knows only its SHA-256. Without a
key, a client on this machine reads public things, and nobody else reads anything.
"""

import asyncio
import hashlib
import ipaddress
import re
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes

from api.bodies import check_text
from api.problems import UnauthenticatedError
from geo.errors import DeniedError, InputError
from indexes.entities import ApiKey, Scope
from indexes.store import Store
from matching.query import ANYONE, Viewer

__all__ = ["Anyone", "App", "Caller", "KeyRing", "Operator", "digest_of", "new_secret"]

KEY_TTL_S = 5.0
MAX_KEYS = 10_000
MAX_ID = 200

_PROXIED = re.compile("forwarded|via|x-forwarded-.+|x-real-ip")  # headers that proxies add


def new_secret() -> str:
    """A fresh key: 256 random bits, with a prefix that secret scanners can look for."""
    return f"mitoyen_{secrets.token_urlsafe(32)}"


def digest_of(secret: str) -> str:
    """What is kept of a key.

    A plain SHA-256 is enough: the secret is random, so there is nothing to guess.
    """
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: a tenant, what the key may do, and the member it acts for.

    No scopes: somebody on this machine without a key.
    """

    tenant_id: str
    scopes: frozenset[Scope] = field(default_factory=frozenset)
    member_id: str | None = None

    @property
    def viewer(self) -> Viewer:
        """The same, as a search knows it."""
        return Viewer(self.member_id) if self.member_id is not None else ANYONE

    @property
    def sees_all(self) -> bool:
        """Whether this is the app's own back end or an operator: no member's eyes."""
        return self.member_id is None and bool(self.scopes & {Scope.APP, Scope.OPERATOR})


class KeyRing:
    """Keys of a store, remembered for five seconds, so that a search asks no database.

    An unknown key is not remembered: a new one works at once. A revoked one may work for
    five seconds more.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, ApiKey]] = {}

    def remembered(self, digest: str) -> ApiKey | None:
        """The key, if it was looked up in the last five seconds."""
        until, key = self._known.get(digest, (0.0, None))
        return key if time.monotonic() < until else None

    def find(self, digest: str) -> ApiKey | None:
        """The key from the store."""
        key = self._store.find_key(digest)
        with self._lock:
            self._known.pop(digest, None)
            if key is not None:
                if len(self._known) >= MAX_KEYS:
                    self._known.clear()
                self._known[digest] = (time.monotonic() + KEY_TTL_S, key)
        return key


def is_local(request: Request) -> bool:
    """Whether the client is on this machine, and no proxy speaks for somebody else."""
    if request.client is None or any(map(_PROXIED.fullmatch, request.headers)):
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _secret_of(request: Request) -> str | None:
    header = request.headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise UnauthenticatedError("send Authorization: Bearer KEY")
    return secret.strip()


def _member_of(header: str | None) -> str | None:
    """The member named in a header, whose bytes are UTF-8."""
    if header is None:
        return None
    try:
        member = check_text(header.encode("latin-1").decode("utf-8"))
    except UnicodeError as error:
        raise InputError("Mitoyen-Member must be UTF-8") from error
    if not 1 <= len(member) <= MAX_ID:
        raise InputError(f"Mitoyen-Member must be an id of 1 to {MAX_ID} characters")
    return member


async def caller(
    request: Request,
    scopes: SecurityScopes,
    _documented: Annotated[object, Depends(HTTPBearer(auto_error=False, scheme_name="key"))],
    named: Annotated[
        str | None,
        Header(
            alias="Mitoyen-Member",
            description="Id of the member the app acts for.",
            # Said only: checked by hand, once the key is known.
            json_schema_extra={"minLength": 1, "maxLength": MAX_ID},
        ),
    ] = None,
) -> Caller:
    """Who asks, if they may: the key has one of the scopes, or none is needed.

    Raises
    ------
    UnauthenticatedError
        If a key is missing or not known.
    DeniedError
        If it has none of the scopes, or names a member without being an app's.
    """
    secret = _secret_of(request)
    if secret is None:
        if scopes.scopes or named is not None or not is_local(request):
            raise UnauthenticatedError("a key is needed: Authorization: Bearer KEY")
        return Caller(request.app.state.towns.keyless_tenant())
    ring: KeyRing = request.app.state.keys
    digest = digest_of(secret)
    key = ring.remembered(digest) or await asyncio.to_thread(ring.find, digest)
    if key is None:
        raise UnauthenticatedError("this key is not known")
    if scopes.scopes and not key.scopes.intersection(Scope(name) for name in scopes.scopes):
        raise DeniedError(f"this needs a key with scope {' or '.join(scopes.scopes)}")
    if named is not None and Scope.APP not in key.scopes:
        raise DeniedError("only an app's key acts for a member")
    return Caller(key.tenant_id, key.scopes, _member_of(named))


Anyone = Annotated[Caller, Security(caller)]
App = Annotated[Caller, Security(caller, scopes=[Scope.APP.value])]
Operator = Annotated[Caller, Security(caller, scopes=[Scope.OPERATOR.value])]
