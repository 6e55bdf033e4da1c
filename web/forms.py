"""Reading what a form or a page's script sent, within limits, as typed values."""

from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.http import HttpProcessingError
from multidict import MultiDictProxy

from records.refusals import Refusal

T = TypeVar("T")

JSON_LIMIT = 512 * 1024


async def read_form(request: web.Request) -> MultiDictProxy[str | bytes | bytearray | web.FileField]:
    """Return what a form holds; raise `Refusal("malformed")` for a body that is none: cut off, or not decodable."""
    try:
        return await request.post()
    except (ValueError, LookupError, HttpProcessingError):
        raise Refusal("malformed") from None


async def read_fields(request: web.Request, **limits: int) -> dict[str, str]:
    """Return the named fields, stripped, "" where absent.

    Raises `Refusal("field_too_long")` over a field's limit in characters, `Refusal("malformed")` for a file in a
    field's place or a NUL character, which PostgreSQL cannot keep.
    """
    form = await read_form(request)
    fields: dict[str, str] = {}
    for name, limit in limits.items():
        value = form.get(name, "")
        if not isinstance(value, str) or "\x00" in value:
            raise Refusal("malformed")
        if len(value) > limit:
            raise Refusal("field_too_long", limit=limit)
        fields[name] = value.strip()
    return fields


async def read_choices(request: web.Request, name: str, *, limit: int) -> tuple[str, ...]:
    """Return what was ticked under a name; raise `Refusal("malformed")` for what no box of ours holds.

    `limit` is in characters of each; ours hold ids.
    """
    chosen = (await read_form(request)).getall(name, ())
    values = tuple(value for value in chosen if isinstance(value, str))
    if len(values) < len(chosen) or any(len(value) > limit or "\x00" in value for value in values):
        raise Refusal("malformed")
    return values


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Return the request's JSON as a `kind`; raise `Refusal("malformed")` when it is not one."""
    body = await request.read()
    if len(body) > JSON_LIMIT:
        raise Refusal("too_large")
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Refusal("malformed") from None


async def read_upload(request: web.Request, name: str, *, limit: int) -> tuple[str, bytes]:
    """Return an uploaded file's name and bytes; raise `Refusal("file_missing")` or `Refusal("too_large")`."""
    upload = (await read_form(request)).get(name)
    if not isinstance(upload, web.FileField):
        raise Refusal("file_missing")
    data = upload.file.read(limit + 1)
    if len(data) > limit:
        raise Refusal("too_large")
    return upload.filename[:200], data


def whole_number(text: str) -> int:
    """Return a field's whole number; raise `Refusal("malformed")` for anything else: forms of ours send digits."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise Refusal("malformed")
    return int(text)
