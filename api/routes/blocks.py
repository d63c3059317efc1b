"""`/v1/blocks`: two members never see each other."""

from api.answers import BlockOut
from api.auth import Caller
from api.routes.records import Resource, record_router
from api.schemas import BlockIn
from api.towns import Town
from indexes.entities import Block, Entity, Scope

__all__ = ["router"]


def make(asking: Caller, id: str, body: BlockIn, town: Town) -> list[Entity]:
    return [Block(tenant_id=asking.tenant_id, id=id, **body.model_dump())]


def show(asking: Caller, block: Block, town: Town) -> BlockOut:
    return BlockOut(id=block.id, member_id=block.member_id, other_id=block.other_id)


router = record_router(
    Resource(
        name="blocks",
        of=Block,
        body=BlockIn,
        shown=BlockOut,
        make=make,
        show=show,
        readers=(Scope.APP,),
        writers=(Scope.APP,),
        own="member_id",
        private=True,
        examples={"two members": {"value": {"member_id": "m-7", "other_id": "m-9"}}},
    )
)
