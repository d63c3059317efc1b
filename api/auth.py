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
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Header, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes

from api.bodies import check_text
from api.problems import UnauthenticatedError
from geo.errors import DeniedError, InputError, StoreError
from indexes.entities import ApiKey, Scope
from indexes.store import Store
from matching.query import ANYONE, Viewer

__all__ = [
    "Anyone",
    "App",
    "Caller",
    "KeyRing",
    "Operator",
    "Planner",
    "acting",
    "caller",
    "digest_of",
    "is_local",
    "new_secret",
    "require_once",
    "secret_of",
]

KEY_TTL_S = 5.0
AWAY_TTL_S = 3600.0  # how long a known key works while the store is away
STORE_WAIT_S = 1.0
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
    key_id: str | None = field(default=None, compare=False)  # for the record

    @property
    def viewer(self) -> Viewer:
        """The same, as a search knows it."""
        return Viewer(self.member_id) if self.member_id is not None else ANYONE

    @property
    def sees_all(self) -> bool:
        """Whether this is the app's own back end or an operator: no member's eyes."""
        return self.member_id is None and bool(self.scopes & {Scope.APP, Scope.OPERATOR})


@dataclass(frozen=True, slots=True)
class Verified:
    """A key, when the store last knew it, and until when it need not be asked again."""

    key: ApiKey
    at: float
    until: float


class KeyRing:
    """Keys of a store, remembered for five seconds, so that a search asks no database.

    An unknown key is not remembered: a new one works at once. A revoked one may work for
    five seconds more. While the store is away, a key that it knew within the last hour goes
    on working, so that reads from memory do; an unknown one can't be told from a wrong one,
    and waits.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Verified] = {}

    def remembered(self, digest: str) -> ApiKey | None:
        """The key, if it was looked up in the last five seconds."""
        known = self._known.get(digest)
        return known.key if known is not None and self._clock() < known.until else None

    async def key(self, digest: str) -> ApiKey | None:
        """The key, remembered or from the store; None for an unknown one.

        Raises
        ------
        StoreError
            If the store is away, or answers nothing for a second, and did not know the
            key within the last hour.
        """
        key = self.remembered(digest)
        if key is not None:
            return key
        asked_at, known = self._clock(), self._known.get(digest)
        try:
            return await asyncio.wait_for(asyncio.to_thread(self.find, digest), STORE_WAIT_S)
        except (StoreError, TimeoutError) as error:
            if known is None or asked_at - known.at > AWAY_TTL_S:
                raise StoreError("the store can't tell whether this key is known") from error
        with self._lock:
            # Not for each request again; and never over what the store has said meanwhile.
            if self._known.get(digest) is known:
                self._known[digest] = replace(known, until=asked_at + KEY_TTL_S)
        return known.key

    def find(self, digest: str) -> ApiKey | None:
        """The key from the store."""
        asked_at = self._clock()
        key = self._store.find_key(digest)
        with self._lock:
            if key is None:
                self._known.pop(digest, None)
                return None
            if digest not in self._known and len(self._known) >= MAX_KEYS:
                self._known.clear()
            # In one step: others look without a lock, and a known key is never unknown to them.
            self._known[digest] = Verified(key, asked_at, asked_at + KEY_TTL_S)
        return key


def require_once(request: Request, *names: str) -> None:
    """Refuse a header that says who asks and is sent twice: a proxy and we might each take another.

    Raises
    ------
    InputError
        If one is.
    """
    for name in names:
        if len(request.headers.getlist(name)) > 1:
            raise InputError(f"the header {name} is sent once")


def is_local(request: Request) -> bool:
    """Whether the client is on this machine and calls it so, and no proxy speaks for others.

    A page from elsewhere can have its own site's name lead to this machine, and then ask from
    the browser of whoever works here; a name without a dot is nobody's site.
    """
    if request.client is None or any(map(_PROXIED.fullmatch, request.headers)):
        return False
    host = request.headers.get("host", "localhost")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return _is_loopback(request.client.host) and ("." not in name or _is_loopback(name))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def secret_of(header: str | None) -> str | None:
    """The key in an ``Authorization`` header; None without one.

    Raises
    ------
    UnauthenticatedError
        If there is anything else in it.
    """
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


def acting(key: ApiKey, named: str | None) -> Caller:
    """Who asks with a key, perhaps for the member that a header names.

    Raises
    ------
    DeniedError
        If the key names a member without being an app's.
    InputError
        If that can be no member's id.
    """
    if named is not None and Scope.APP not in key.scopes:
        raise DeniedError("only an app's key acts for a member")
    return Caller(key.tenant_id, key.scopes, _member_of(named), key.id)


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
    InputError
        If two keys are sent, or two members named.
    DeniedError
        If it has none of the scopes, or names a member without being an app's.
    """
    require_once(request, "authorization", "mitoyen-member")
    secret = secret_of(request.headers.get("authorization"))
    if secret is None:
        if scopes.scopes or named is not None or not is_local(request):
            raise UnauthenticatedError("a key is needed: Authorization: Bearer KEY")
        return Caller(request.app.state.towns.keyless_tenant())
    ring: KeyRing = request.app.state.keys
    digest = digest_of(secret)
    key = await ring.key(digest)
    if key is None:
        raise UnauthenticatedError("this key is not known")
    if scopes.scopes and not key.scopes.intersection(Scope(name) for name in scopes.scopes):
        raise DeniedError(f"this needs a key with scope {' or '.join(scopes.scopes)}")
    return acting(key, named)


Anyone = Annotated[Caller, Security(caller)]
App = Annotated[Caller, Security(caller, scopes=[Scope.APP.value])]
Operator = Annotated[Caller, Security(caller, scopes=[Scope.OPERATOR.value])]
Planner = Annotated[Caller, Security(caller, scopes=[Scope.PLANNER.value])]
