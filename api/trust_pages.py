"""What the endpoints of trust share: who acts, what a write answers, whose records are listed."""

from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any, TypeVar

from fastapi import Request, Response

from api.answers import Output, WrittenOut
from api.auth import Caller
from api.paging import Pager
from api.routes.records import missing, town_of
from api.schemas import PageParams
from api.towns import Town
from geo.errors import DeniedError, NotFoundError
from indexes.entities import Entity, Member
from indexes.store import Position

__all__ = ["acting", "listed", "member_of", "now_of", "require_no_member", "written"]

E = TypeVar("E", bound=Entity)
T = TypeVar("T")


def now_of(request: Request) -> datetime:
    """What time it is for this app, in whole seconds, as instants are kept."""
    now: datetime = request.app.state.clock()
    return now.replace(microsecond=0)


def member_of(asking: Caller, town: Town) -> str:
    """The member whom a caller acts for.

    Raises
    ------
    DeniedError
        If there is none: only people have dealings, vouch and rate.
    """
    if asking.member_id is None:
        raise DeniedError("this is a member's to do: send Mitoyen-Member")
    try:
        return town.store.get(Member, town.tenant_id, asking.member_id).id
    except NotFoundError:
        raise DeniedError("no such member", code="unknown-member") from None


def require_no_member(asking: Caller) -> None:
    """Refuse a member what is the app's own, or an operator's, to do."""
    if asking.member_id is not None:
        raise DeniedError("this is not a member's to do: send no Mitoyen-Member")


def acting(call: Callable[[], T]) -> T:
    """What a use case returns; what it doesn't find is told as everywhere else."""
    try:
        return call()
    except NotFoundError:
        raise missing() from None


def written(response: Response, id: str, position: Position) -> WrittenOut:
    """What a write answers."""
    response.headers["Mitoyen-Position"] = str(position)
    return WrittenOut(id=id, position=str(position))


def listed(
    request: Request,
    asking: Caller,
    params: PageParams,
    name: str,
    of: type[E],
    sides: tuple[str, ...],
    show: Callable[[E, Town], Output],
    visible: Callable[[E], bool] = lambda record: True,
) -> dict[str, Any]:
    """A page of records in order of id: a member's own, or all of a town.

    Parameters
    ----------
    request, asking, params
        The request, who asks, which page.
    name : str
        The key of the records in the page.
    of : type
        Their class.
    sides : tuple of str
        The fields, one of which names the member who asks; of one record only one does.
    show : callable
        ``(record, town) -> shown``.
    visible : callable, optional
        Records that must not be known of leave no gap: a page is full without them.
    """
    town = town_of(request, asking)
    pager = Pager(town.cursor_secret, name, town.tenant_id, asking.member_id or "")
    after = pager.read(params.cursor)

    def rows(where: dict[str, str | int | bool], after: str) -> Iterator[E]:
        while found := town.store.page(
            of, town.tenant_id, after=after, limit=params.limit + 1, where=where
        ):
            yield from found
            if len(found) <= params.limit:
                return
            after = found[-1].id

    member_id = asking.member_id
    wanted = [{}] if member_id is None else [{side: member_id} for side in sides]
    each = merge(*(rows({**where}, after) for where in wanted), key=lambda one: one.id)
    # One more tells whether a page follows.
    some = list(islice(filter(visible, each), params.limit + 1))
    shown = some[: params.limit]
    return {
        name: [show(record, town) for record in shown],
        "next": pager.write(shown[-1].id) if len(some) > params.limit else None,
    }
