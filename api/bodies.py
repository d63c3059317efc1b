"""Strict JSON in: bounded, each key once, numbers that are numbers, text that is text."""

from math import isfinite
from typing import Any, Generic, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from api.importing.strict import StrictDecoder
from api.problems import BodyTooLargeError, MalformedError, MediaTypeError
from geo.errors import InputError

__all__ = ["MAX_JSON_BYTES", "JsonBody", "accepts", "check_text", "read_bounded", "strict_json"]

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


def strict_json(data: bytes) -> Any:
    """Parse JSON the strict way.

    Parameters
    ----------
    data : bytes
        UTF-8.

    Raises
    ------
    MalformedError
        If it is not JSON, repeats a key, holds a number that is not finite or longer than 40
        digits, is nested deeper than 32 or has more than 10,000 items.
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
    _check(value)
    return value


def _check(value: Any) -> None:
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
        if items > MAX_ITEMS:
            raise MalformedError(f"a body has at most {MAX_ITEMS} items")
        if depth == MAX_DEPTH and any(isinstance(item, dict | list) for item in level):
            raise MalformedError(f"a body nests at most {MAX_DEPTH} deep")
        level = below


async def read_bounded(request: Request, limit: int) -> bytes:
    """The body, refused as soon as more than ``limit`` bytes are announced or have come.

    Raises
    ------
    BodyTooLargeError
        If it is longer.
    """
    announced = request.headers.get("content-length", "")
    parts: list[bytes] = []
    size = int(announced) if announced.isdecimal() and len(announced) < 19 else 0
    if size <= limit:
        size = 0
        async for part in request.stream():
            size += len(part)
            if size > limit:
                break
            parts.append(part)
    if size > limit:
        raise BodyTooLargeError(f"a body has at most {limit} bytes here")
    return b"".join(parts)


class JsonBody(Generic[M]):
    """A dependency: the request's body, read strictly into a model.

    It is a dependency, and not FastAPI's own body, so that who may not ask is told so before
    a byte is read, and so that ``true`` is no number and the last of two equal keys doesn't win.
    """

    def __init__(self, model: type[M]) -> None:
        self.model = model

    async def __call__(self, request: Request) -> M:
        media_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if media_type != "application/json" and not media_type.endswith("+json"):
            raise MediaTypeError("send application/json")
        data = await read_bounded(request, MAX_JSON_BYTES)
        strict_json(data)
        try:
            return self.model.model_validate_json(data, strict=True)
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
