"""Strict JSON in: bounded, each key once, numbers that are numbers, text that is text."""

from collections.abc import AsyncIterator
from math import isfinite
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from api.importing.strict import StrictDecoder
from api.problems import BodyTooLargeError, MalformedError, MediaTypeError
from geo.errors import InputError

__all__ = [
    "MAX_ITEMS",
    "MAX_JSON_BYTES",
    "JsonBody",
    "accepts",
    "bounded_parts",
    "check_text",
    "read_bounded",
    "read_json",
    "strict_json",
    "validated",
]

MAX_JSON_BYTES = 1 << 20
MAX_DEPTH = 32
MAX_ITEMS = 10_000

M = TypeVar("M", bound=BaseModel)

CONTROL = {code: None for code in (*range(32), 127) if chr(code) not in "\t\n\r"}


def check_text(text: str) -> str:
    """Text that every store can keep: no lone surrogate, no control character.

    Raises
    ------
    InputError
        With code ``invalid-text``.

    Examples
    --------
    >>> check_text("Le Panier")
    'Le Panier'
    """
    if not text.isprintable():  # quick: most text has neither
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError("text must not hold lone surrogates", code="invalid-text") from error
        if len(text.translate(CONTROL)) != len(text):
            raise InputError("text must not hold control characters", code="invalid-text")
    return text


def strict_json(data: bytes, max_items: int = MAX_ITEMS) -> Any:
    """Parse JSON the strict way.

    Parameters
    ----------
    data : bytes
        UTF-8.
    max_items : int
        How many values its lists and objects may hold in all.

    Raises
    ------
    MalformedError
        If it is not JSON, repeats a key, holds a number that is not finite or longer than 40
        digits, is nested deeper than 32 or has more items.
    InputError
        With code ``invalid-text`` if a string holds control characters or lone surrogates.

    Examples
    --------
    >>> strict_json(b'{"lat": 43.2951, "lon": 5.3740}')
    {'lat': 43.2951, 'lon': 5.374}
    >>> strict_json(b'{"lat": 43, "lat": 44}')
    Traceback (most recent call last):
    ...
    api.problems.MalformedError: key 'lat' appears twice
    """
    try:
        value = StrictDecoder().decode(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MalformedError("a body must be UTF-8") from error
    except InputError as error:
        raise MalformedError(str(error)) from error
    _check(value, max_items)
    return value


def _check(value: Any, max_items: int) -> None:
    """Depth, items, text and numbers, level by level."""
    level = [value]
    items = 0
    for depth in range(MAX_DEPTH + 1):  # one more: what the deepest hold
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                check_text(item)
            elif isinstance(item, float):
                if not isfinite(item):  # 1e400
                    raise MalformedError("a number must be finite")
            elif isinstance(item, dict):
                for key in item:
                    check_text(key)
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        items += len(below)
        if items > max_items:
            raise MalformedError(f"a body has at most {max_items} items here")
        if depth == MAX_DEPTH and any(isinstance(item, dict | list) for item in level):
            raise MalformedError(f"a body nests at most {MAX_DEPTH} deep")
        level = below


async def bounded_parts(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body part by part, refused once more than ``limit`` bytes are announced or have come.

    Raises
    ------
    BodyTooLargeError
        If it is longer.
    MediaTypeError
        If it is compressed.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise MediaTypeError("send the body as it is, without Content-Encoding")
    announced = request.headers.get("content-length", "")
    expected = int(announced) if announced.isdecimal() and len(announced) < 19 else 0
    size = 0
    if expected <= limit:
        async for part in request.stream():
            size += len(part)
            if size > limit:
                break
            yield part
    if max(expected, size) > limit:
        raise BodyTooLargeError(f"a body has at most {limit} bytes here")


async def read_bounded(request: Request, limit: int) -> bytes:
    """The body, whole; raises as `bounded_parts`."""
    return b"".join([part async for part in bounded_parts(request, limit)])


class JsonBody(Generic[M]):
    """A dependency: the request's body, read strictly into a model.

    It is a dependency, and not FastAPI's own body, so that who may not ask is told so before
    a byte is read, and so that ``true`` is no number and the last of two equal keys doesn't win.
    """

    def __init__(self, model: type[M], max_items: int = MAX_ITEMS) -> None:
        self.model, self.max_items = model, max_items

    async def __call__(self, request: Request) -> M:
        data = await read_json(request)
        strict_json(data, self.max_items)
        return validated(self.model, data)


async def read_json(request: Request) -> bytes:
    """A body of JSON, as it was sent.

    Raises
    ------
    MediaTypeError, BodyTooLargeError
        If it is said to be something else, or is longer than 1 MiB.
    """
    media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise MediaTypeError("send application/json")
    return await read_bounded(request, MAX_JSON_BYTES)


def validated(model: type[M], data: bytes) -> M:
    """A model of what is already known to be strict JSON.

    Raises
    ------
    RequestValidationError
        Naming every fault.
    """
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        faults = [
            {**fault, "loc": ("body", *fault["loc"])}
            for fault in error.errors(include_url=False, include_context=False)
        ]
        raise RequestValidationError(faults) from error


def accepts(model: type[BaseModel], examples: dict[str, Any] | None = None) -> dict[str, Any]:
    """What OpenAPI says of an operation whose body is a `JsonBody`."""
    content: dict[str, Any] = {"schema": {"$ref": f"#/components/schemas/{model.__name__}"}}
    if examples:
        content["examples"] = examples
    return {"requestBody": {"required": True, "content": {"application/json": content}}}
