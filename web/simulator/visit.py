"""The simulated applicant's way through the pages: the same addresses, cookies, forms and tokens as a browser's."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urljoin

import aiohttp
import msgspec

from web.simulator.reading import Form, PageReader
from web.simulator.signature import Signature

log = logging.getLogger(__name__)

PATIENCE_S = 20
TRIES = 6
TRY_AGAIN_S = 1.0
LONGEST_PAGE = 2 * 1024 * 1024
CONSENTS = ("recording", "personal_data")

T = TypeVar("T")


class VisitRefused(Exception):
    """The server said no, in a sentence for people. ``code`` is a refusal's, or ``page`` for a page without one."""

    def __init__(self, code: str, sentence: str) -> None:
        """``sentence`` is what the page said."""
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence


class HearingPage(msgspec.Struct, frozen=True):
    """The data block of the applicant's page: which hearing, and the consents given already."""

    session_id: str
    consents: tuple[str, ...] = ()


class Confirmation(msgspec.Struct, frozen=True):
    """What the applicant is asked to confirm; ``state`` is none, asked, confirmed, signed or objected."""

    state: str
    amount_fen: int = 0
    account_fingerprint: str = ""


class _Done(msgspec.Struct, frozen=True):
    ok: bool = True


class _Refused(msgspec.Struct, frozen=True):
    refused: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class _Page:
    url: str
    status: int
    read: PageReader


class Visit:
    """One applicant's visit: an HTTP session with its own cookies, entered by an invitation's address."""

    def __init__(self, http: aiohttp.ClientSession, invitation_url: str, *, insecure: bool) -> None:
        """``http`` must keep cookies, also for bare IP addresses; ``insecure`` accepts any certificate."""
        self._http = http
        self._invitation_url = invitation_url
        self._tls = not insecure
        self._csrf_token = ""

    async def enter(self, id_tail: str, *, move_here: bool) -> HearingPage:
        """Type the four characters in and come to the hearing's page.

        ``move_here`` takes the seat over from another device, when the page offers that. Raises VisitRefused, and
        aiohttp.ClientError or TimeoutError when the server cannot be reached.
        """
        page = await self._page("GET", self._invitation_url)
        if (found := _hearing_of(page)) is None:
            page = await self._type_in(page, id_tail)
            if move_here and _hearing_of(page) is None and (form := _form_to_move(page.read)):
                page = await self._send(page, form, dict.fromkeys(form.typed, id_tail) | form.buttons)
            found = _hearing_of(page)
        if found is None:
            raise _refusal_of(page)
        self._csrf_token = page.read.csrf_token
        return found

    async def consent(self, kind: str) -> None:
        """Give one of ``CONSENTS``. Raises as ``enter`` does."""
        await self._post("/hearing/consents", {"kind": kind})

    async def confirmation(self) -> Confirmation:
        """Return what is to be confirmed. Raises as ``enter`` does."""
        headers = {"Accept": "application/json"}
        async with self._http.get(
            self.address("/hearing/confirmation"), headers=headers, ssl=self._tls, timeout=_timeout()
        ) as response:
            return await _answer(response, Confirmation)

    async def confirm(self, shown: Confirmation) -> None:
        """Say that amount and account are right. Raises as ``enter`` does."""
        await self._post(
            "/hearing/confirmation/confirm",
            {"amount_fen": shown.amount_fen, "account_fingerprint": shown.account_fingerprint},
        )

    async def raise_objection(self, kind: str, text: str) -> None:
        """Say that something is wrong. Raises as ``enter`` does."""
        await self._post("/hearing/confirmation/object", {"kind": kind, "text": text})

    async def sign(self, signature: Signature) -> None:
        """Send the signature's strokes and picture. Raises as ``enter`` does."""
        body: dict[str, object] = {
            "strokes": signature.strokes,
            "typed_name": None,
            "picture": base64.b64encode(signature.picture()).decode(),
        }
        await self._post("/hearing/confirmation/sign", body)

    def address(self, path: str) -> str:
        """Return a path of the server that invited, as a full address."""
        return urljoin(self._invitation_url, path)

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket with this visit's cookies. Raises aiohttp.WSServerHandshakeError when it is refused."""
        return await self._http.ws_connect(self.address(path), ssl=self._tls, max_msg_size=1024 * 1024, heartbeat=20)

    async def _type_in(self, page: _Page, id_tail: str) -> _Page:
        form = next((each for each in page.read.forms if each.typed), None)
        if form is None:
            raise _refusal_of(page)
        return await self._send(page, form, dict.fromkeys(form.typed, id_tail))

    async def _send(self, page: _Page, form: Form, typed: dict[str, str]) -> _Page:
        address = urljoin(page.url, form.action) if form.action else page.url
        return await self._page("POST", address, form.hidden | typed)

    async def _page(self, method: str, address: str, fields: dict[str, str] | None = None) -> _Page:
        headers = {"Accept": "text/html", "Referer": self._invitation_url}
        async with self._http.request(
            method, address, data=fields, headers=headers, ssl=self._tls, timeout=_timeout()
        ) as response:
            html = (await response.content.read(LONGEST_PAGE)).decode("utf-8", errors="replace")
            return _Page(str(response.url), response.status, PageReader.read(html))

    async def _post(self, path: str, body: Mapping[str, object]) -> None:
        headers = {"Accept": "application/json", "X-CSRF-Token": self._csrf_token}
        async with self._http.post(
            self.address(path), json=body, headers=headers, ssl=self._tls, timeout=_timeout()
        ) as response:
            await _answer(response, _Done)


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the server cannot be reached, at most ``TRIES`` times; then raise what the last try raised."""
    for _ in range(TRIES - 1):
        try:
            return await ask()
        except (aiohttp.ClientError, TimeoutError) as error:
            log.info("asking again: %r", error)
            await asyncio.sleep(TRY_AGAIN_S)
    return await ask()


def _timeout() -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=PATIENCE_S)


async def _answer(response: aiohttp.ClientResponse, kind: type[T]) -> T:
    """Read a JSON answer; raise VisitRefused for any other status or shape."""
    body = await response.read()
    try:
        if response.status >= 400:
            refused = msgspec.json.decode(body, type=_Refused)
            raise VisitRefused(refused.refused, refused.text)
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
        raise VisitRefused("unreadable", f"服务的回答无法识别（{response.status}）。") from error


def _hearing_of(page: _Page) -> HearingPage | None:
    data = page.read.data.get("page")
    if data is None or page.status >= 400:
        return None
    try:
        return msgspec.convert(json.loads(data), HearingPage)
    except (ValueError, msgspec.ValidationError):
        return None


def _form_to_move(page: PageReader) -> Form | None:
    """Return the form that brings the hearing over from another device."""
    return next((form for form in page.forms if "move_here" in form.hidden | form.buttons), None)


def _refusal_of(page: _Page) -> VisitRefused:
    sentences = page.read.sentences
    # The notice is more exact than the heading, which comes first.
    return VisitRefused("page", sentences[-1] if sentences else f"打不开邀请页面（{page.status}）。")
