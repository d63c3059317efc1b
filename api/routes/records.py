"""PUT, GET, DELETE and list: one mechanism for every kind of record that is kept."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar, cast

from fastapi import APIRouter, Depends, Path, Query, Request, Response, Security
from pydantic import BaseModel, Field, create_model

from api.answers import Output, WrittenOut
from api.auth import Caller, caller
from api.bodies import MAX_ITEMS, JsonBody, accepts, check_text
from api.paging import Pager
from api.schemas import Id, Input, PageParams
from api.towns import Town
from geo.errors import DeniedError, NotFoundError
from indexes.entities import Entity, Scope
from indexes.store import Desk

__all__ = ["RecordId", "Resource", "record_router", "town_of"]

E = TypeVar("E", bound=Entity)

RecordId = Annotated[Id, Path(description="The record's id, chosen by whoever writes it.")]

POSITION_HEADER = {
    "Mitoyen-Position": {
        "description": "Where the store stands after this write.",
        "schema": {"type": "string"},
        "required": True,
    }
}


def town_of(request: Request, asking: Caller) -> Town:
    """The town of who asks."""
    town: Town = request.app.state.towns.town(asking.tenant_id)
    return town


@dataclass(frozen=True, kw_only=True)
class Resource(Generic[E]):
    """What one kind of record needs to be served.

    Parameters
    ----------
    name : str
        Its path under ``/v1`` and its key in a page.
    of : type
        The entity.
    body, shown : type
        Models of what comes in and goes out.
    make : callable
        ``(asking, id, body, town) -> entities to store``, the record itself last.
    show : callable
        ``(asking, record, town) -> shown``.
    readers, writers : tuple of Scope
        A key needs one of them; no readers: anyone.
    own : str, optional
        The field that holds a record's member: one who acts as a member writes only their
        own records.
    private : bool
        Whether a member also reads only their own.
    by_members : bool
        Whether one who acts as a member writes at all.
    max_items : int
        How many values a body's lists and objects may hold in all.
    examples : dict, optional
        Worked bodies for OpenAPI.
    find : callable, optional
        ``(asking, id, town) -> record``, where who may see it takes more than ``own``.
    """

    name: str
    of: type[E]
    body: type[Input]
    shown: type[Output]
    make: Callable[[Caller, str, Any, Town], Iterable[Entity]]
    show: Callable[[Caller, E, Town], Output]
    readers: tuple[Scope, ...]
    writers: tuple[Scope, ...]
    own: str | None = None
    private: bool = False
    by_members: bool = True
    max_items: int = MAX_ITEMS
    examples: dict[str, Any] | None = None
    find: Callable[[Caller, str, Town], E] | None = None

    def belongs(self, asking: Caller, record: Entity | BaseModel) -> bool:
        """Whether a record is that of the member who asks; all are, where none is named."""
        if asking.member_id is None:
            return True
        return self.own is not None and getattr(record, self.own) == asking.member_id

    def visible(self, asking: Caller, id: str, town: Town) -> E:
        """A record that the caller may see.

        Raises
        ------
        NotFoundError
            If there is none, in the same words as for one that must not be seen.
        """
        if self.find is not None:
            return self.find(asking, id, town)
        record = stored(town, self.of, id)
        if self.private and not self.belongs(asking, record):
            raise missing()
        return record

    def require_own(self, asking: Caller, record: Entity | BaseModel) -> None:
        """Refuse a write to what is not the member's own, or is not said to be."""
        if not self.by_members and asking.member_id is not None:
            raise DeniedError(f"{self.name} are written by the app itself, not for a member")
        if not self.belongs(asking, record):
            raise DeniedError(f"a member writes {self.name} of their own only")


def missing() -> NotFoundError:
    """The one answer to what is not there, another tenant's, or not to be seen."""
    return NotFoundError("nothing of this id")


def stored(town: Town, of: type[E], id: str) -> E:
    """A record of a town, or the one answer to what is missing."""
    try:
        return town.store.get(of, town.tenant_id, check_text(id))
    except NotFoundError:
        raise missing() from None


def record_router(resource: Resource[E], *, listed: bool = True) -> APIRouter:
    """PUT, GET and DELETE of a kind of record, and its list.

    Parameters
    ----------
    resource : Resource
        What to serve.
    listed : bool
        Whether the plain list is served too; listings have one with filters.
    """
    router = APIRouter(tags=[resource.name])
    path = f"/v1/{resource.name}/{{id:path}}"
    name = resource.name
    Reader = Annotated[Caller, Security(caller, scopes=[str(s) for s in resource.readers])]  # noqa: N806
    Writer = Annotated[Caller, Security(caller, scopes=[str(s) for s in resource.writers])]  # noqa: N806
    Body = Annotated[Any, Depends(JsonBody(resource.body, resource.max_items))]  # noqa: N806
    Params = Annotated[PageParams, Query()]  # noqa: N806
    written: dict[int | str, dict[str, Any]] = {
        200: {"description": "Replaced.", "model": WrittenOut, "headers": POSITION_HEADER},
        201: {"description": "New.", "model": WrittenOut, "headers": POSITION_HEADER},
    }

    @router.put(
        path,
        name=f"put {name}",
        summary=f"Write one of the {name}, new or replaced",
        responses=written,
        openapi_extra=accepts(resource.body, resource.examples),
    )
    def put(
        request: Request, response: Response, asking: Writer, id: RecordId, body: Body
    ) -> WrittenOut:
        town = town_of(request, asking)
        # First of all: what else is wrong with it would tell a member of somebody else.
        if not resource.by_members or getattr(body, resource.own or "", None) is not None:
            resource.require_own(asking, body)
        entities = list(resource.make(asking, check_text(id), body, town))
        resource.require_own(asking, entities[-1])

        def write(desk: Desk) -> bool:
            """Replace what is the caller's own, or make it; says whether it is new."""
            before = desk.find(resource.of, id)
            if before is not None:
                resource.require_own(asking, before)
            desk.put_all(entities)
            return before is None

        new, after = town.store.decide(
            town.tenant_id, (), write, claimed=[(cast(type[Entity], resource.of), id)]
        )
        response.status_code, position = 201 if new else 200, str(after)
        response.headers["Mitoyen-Position"] = position
        return WrittenOut(id=id, position=position)

    @router.delete(
        path,
        name=f"delete {name}",
        summary=f"Remove one of the {name}",
        responses={200: written[200] | {"description": "Removed."}},
    )
    def delete(request: Request, response: Response, asking: Writer, id: RecordId) -> WrittenOut:
        town = town_of(request, asking)
        record = resource.visible(asking, id, town)
        resource.require_own(asking, record)
        position = str(town.store.delete(cast(type[Entity], resource.of), town.tenant_id, id))
        response.headers["Mitoyen-Position"] = position
        return WrittenOut(id=id, position=position)

    @router.get(
        path,
        name=f"get {name}",
        summary=f"Read one of the {name}",
        response_model=resource.shown,
        response_model_exclude_none=True,
    )
    def get(request: Request, asking: Reader, id: RecordId) -> Output:
        town = town_of(request, asking)
        return resource.show(asking, resource.visible(asking, id, town), town)

    if listed:

        @router.get(
            f"/v1/{name}",
            name=f"list {name}",
            summary=f"List {name}, in order of id",
            response_model=page_model(name, resource.shown),
            response_model_exclude_none=True,
        )
        def page(request: Request, asking: Reader, params: Params) -> dict[str, Any]:
            town = town_of(request, asking)
            pager = Pager(town.cursor_secret, name, town.tenant_id, asking.member_id or "")
            own = {resource.own: asking.member_id} if resource.private and asking.member_id else {}
            found = town.store.page(
                resource.of,
                town.tenant_id,
                after=pager.read(params.cursor),
                limit=params.limit + 1,  # one more tells whether a page follows
                where={field: value for field, value in own.items() if field and value},
            )
            records = found[: params.limit]
            return {
                name: [resource.show(asking, record, town) for record in records],
                "next": pager.write(records[-1].id) if len(found) > params.limit else None,
            }

    return router


def page_model(name: str, shown: type[BaseModel]) -> type[BaseModel]:
    """The model of a page: its things under their name, and the next page's cursor."""
    cursor = (str | None, Field(None, description="Cursor of the next page; absent on the last."))
    fields: dict[str, Any] = {name: (list[shown], ...), "next": cursor}  # type: ignore[valid-type]
    return create_model(f"{name.capitalize()}Page", __base__=Output, **fields)
