"""The whole house in this process, on a database of the test's, and browsers that come to it over HTTP.

Everything is real but the clock and the cameras: nobody sends media here. Where a still is needed, it is laid in.
"""

import asyncio
import io
import ipaddress
import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import ClientSession, ClientWebSocketResponse, CookieJar, FormData
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sqlalchemy import select, update
from yarl import URL

from aid.checklist import CHECKLIST, StillKind
from aid.tables import AidCase, Order
from aid.verification import KeepStill, keep_still
from records.actors import Actor, ActorKind, Role
from records.clock import FixedClock
from records.database import Database
from records.ids import new_id
from records.signing import SigningKey
from records.trail import TrailEntry
from sessions.seats import SeatRole
from sessions.tables import Office, Seat, Session
from tests.support.database import PERSONAL_KEY
from tests.support.room_page import Message, Page
from web.accounts.logins import hash_password, sign_in_seat
from web.accounts.tables import Staff
from web.app import make_app
from web.demo import PASSWORD, prepare_demo
from web.keys import DATABASE, HUB, VAULT
from web.settings import Settings
from web.simulator.person import DEMO_APPLICANT

TEN = datetime(2026, 11, 25, 2, 10, tzinfo=UTC)
"""Ten past ten in the morning in China; the demonstration's hearing began at ten."""
PATIENCE_S = 30.0
TOKEN = re.compile(r'<meta name="csrf-token" content="([0-9a-f]{64})">')
PICTURE = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="  # the smallest PNG
)
STROKES = [[{"x": x, "y": 2.5 * x, "t_ms": 10 * x, "pressure": 0.5} for x in range(12)]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the house answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def kind(self) -> str:
        """The media type, or "" for an answer without a body."""
        return self.headers.get("Content-Type", "")

    @property
    def refused(self) -> str:
        """The code of the refusal, or "" when nothing was refused (of answers as JSON)."""
        if "application/json" not in self.kind:
            return ""
        return str(self.json.get("refused", ""))

    @property
    def location(self) -> str:
        """Where it leads on to."""
        return self.headers.get("Location", "")


class OpenPage(Page):
    """A page that reads on while nobody waits for it, as browsers do: it answers pings however long a step takes."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        super().__init__(socket)
        self._arrived: asyncio.Queue[Message | None] = asyncio.Queue()

    async def read_on(self) -> None:
        """Read until the socket is closed."""
        try:
            while True:
                self._arrived.put_nowait(await super().next())
        except EOFError:
            self._arrived.put_nowait(None)

    async def next(self) -> Message:
        """Return the next message. Raises EOFError with the close code."""
        message = await self._arrived.get()
        if message is None:
            raise EOFError(self.close_code)
        return message


class Visitor:
    """One browser: its cookies, its form token, and what it asks for."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = ClientSession(cookie_jar=CookieJar(unsafe=True))
        self._token = ""
        self._pages: list[OpenPage] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close every page."""
        for page in self._pages:
            page.let_go()
        await self.http.close()

    async def ask(self, method: str, path: str, **how: Any) -> Answer:
        """Send a request as it is."""
        async with self.http.request(method, self.origin + path, allow_redirects=False, **how) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path: str, *, as_json: bool = False) -> Answer:
        """Open a page, or ask as a page's script does."""
        return await self.ask("GET", path, headers={"Accept": "application/json" if as_json else "text/html"})

    async def token(self) -> str:
        """Return the token that this browser's forms carry."""
        if not self._token:
            found = TOKEN.search((await self.get("/sign-in")).text)
            assert found is not None
            self._token = found[1]
        return self._token

    async def submit(self, path: str, *, as_json: bool = True, **fields: str) -> Answer:
        """Send a form; the answer comes as JSON where one was refused, unless a page is wanted."""
        headers = {"Accept": "application/json" if as_json else "text/html"}
        return await self.ask("POST", path, data={**fields, "csrf": await self.token()}, headers=headers)

    async def upload(self, path: str, name: str, data: bytes, *, as_json: bool = True) -> Answer:
        """Send a file."""
        form = FormData()
        form.add_field("csrf", await self.token())
        form.add_field(name, io.BytesIO(data), filename=f"{name}.xml", content_type="application/xml")
        return await self.ask("POST", path, data=form, headers={"Accept": "application/json"} if as_json else {})

    async def send(self, path: str, body: object) -> Answer:
        """Post JSON as a page's script does."""
        return await self.ask("POST", path, json=body, headers={"X-CSRF-Token": await self.token()})

    async def joins(self, session_id: str, who: str, *, takeover: bool = False, words_after: str = "0") -> "OpenPage":
        """Open the socket of a hearing as `staff` or as `applicant`."""
        query = {"as": who, "takeover": str(int(takeover)), "words_after": words_after}
        page = OpenPage(await self.http.ws_connect(f"{self.origin}/ws/hearings/{session_id}", params=query))
        self._pages.append(page)
        return page

    async def signs_in(self, user_name: str) -> Answer:
        """Sign in as a member of staff."""
        return await self.submit("/sign-in", user_name=user_name, password=PASSWORD)

    async def comes_in(self, link: str, id_tail: str = DEMO_APPLICANT.id_tail, **fields: str) -> Answer:
        """Follow the applicant's link and type four characters."""
        await self.get(link)
        return await self.submit(link, as_json=False, id_tail=id_tail, **fields)


class House:
    """A running house with the demonstration's people, case and hearing."""

    def __init__(self, server: TestServer, settings: Settings, clock: FixedClock) -> None:
        self.server = server
        self.settings = settings
        self.clock = clock
        self.database: Database = server.app[DATABASE]
        self.session_id = ""
        self.case_id = ""
        self._visitors: list[Visitor] = []

    @property
    def link(self) -> str:
        """The path of the applicant's invitation."""
        return "/i/" + (self.settings.signing_key_file.parent / "invitation").read_text("ascii")

    async def look_around(self) -> None:
        """Find out what the demonstration laid in."""
        async with self.database.read() as db:
            self.session_id = (await db.scalars(select(Session.id))).one()
            self.case_id = (await db.scalars(select(AidCase.id))).one()

    def visitor(self) -> Visitor:
        """Return a browser that has never been here."""
        visitor = Visitor(str(self.server.make_url("")).rstrip("/"))
        self._visitors.append(visitor)
        return visitor

    async def staff(self, user_name: str) -> Visitor:
        """Return the browser of a member of staff, signed in."""
        visitor = self.visitor()
        answer = await visitor.signs_in(user_name)
        assert answer.location == "/", answer.text
        return visitor

    async def gao(self) -> Visitor:
        """Return the applicant's phone, let in."""
        visitor = self.visitor()
        answer = await visitor.comes_in(self.link)
        assert answer.location == "/hearing", answer.text
        return visitor

    async def gao_again(self) -> Visitor:
        """Return the applicant's phone, after the hearing too: her login outlives it."""
        async with self.database.begin() as db:
            token = await sign_in_seat(db, await self.applicants_seat(), clock=self.clock)
        visitor = self.visitor()
        visitor.http.cookie_jar.update_cookies({"jiefang_applicant": token}, URL(visitor.origin))
        return visitor

    async def close(self) -> None:
        """Close every browser."""
        for visitor in self._visitors:
            await visitor.close()

    async def events(self, *, code: str | None = None) -> list[str]:
        """Return the trail's events in their order; with `code`, only what was refused with it."""
        entries = await self._trail()
        return [entry.event for entry in entries if code is None or json.loads(entry.details).get("code") == code]

    async def deeds(self) -> list[str]:
        """Return what people did, in its order: the trail without what the house does by itself, in its own time."""
        return [entry.event for entry in await self._trail() if entry.actor_kind != ActorKind.SYSTEM]

    async def _trail(self) -> list[TrailEntry]:
        async with self.database.read() as db:
            return list(await db.scalars(select(TrailEntry).order_by(TrailEntry.sequence)))

    async def actor(self, user_name: str) -> Actor:
        """Return a member of staff as use cases know them."""
        async with self.database.read() as db:
            person = (await db.scalars(select(Staff).where(Staff.user_name == user_name))).one()
        roles = frozenset(Role(role) for role in person.roles.split())
        return Actor(ActorKind.STAFF, person.id, person.name, person.office_id, roles)

    async def employ(self, user_name: str, *roles: Role, elsewhere: bool = False) -> None:
        """Give the home office (or one `elsewhere`, which has no part in anything) another member of staff."""
        async with self.database.begin() as db:
            office_id = (await db.scalars(select(Session.office_id))).one()
            if elsewhere:
                office_id = new_id()
                db.add(Office(id=office_id, name="河口区人民检察院", short_name="河口区检", region="山东省"))
                await db.flush()
            db.add(
                Staff(
                    id=new_id(),
                    office_id=office_id,
                    user_name=user_name,
                    name=user_name,
                    title="检察官",
                    roles=" ".join(role.value for role in roles),
                    password_hash=hash_password(PASSWORD),
                )
            )

    async def dismiss(self, user_name: str) -> None:
        """Disable the account of a member of staff."""
        async with self.database.begin() as db:
            values = {"disabled_at": self.clock.now()}
            await db.execute(update(Staff).where(Staff.user_name == user_name).values(values))

    # The way of the one case, step by step ----------------------------------------------------------------------------

    @asynccontextmanager
    async def hearing(self) -> AsyncIterator["Hearing"]:
        """Hold the hearing: both are there, the applicant was admitted, it is being recorded."""
        wang, gao = await self.staff("wang"), await self.gao()
        for kind in ("recording", "personal_data"):
            assert (await gao.send("/hearing/consents", {"kind": kind})).status == 200
        desk = await wang.joins(self.session_id, "staff")
        phone = await gao.joins(self.session_id, "applicant")
        async with asyncio.TaskGroup() as readers:
            reading = [readers.create_task(page.read_on()) for page in (desk, phone)]
            me = (await phone.told("room"))["you"]
            await desk.sees(me, present=True)
            await desk.say("admit", seat_id=me)
            await phone.told("room", phase="in_session")
            async with asyncio.timeout(PATIENCE_S):
                while self.server.app[HUB].position(self.session_id) is None:  # noqa: ASYNC110  # the hub tells nobody
                    await asyncio.sleep(0.01)
            yield Hearing(self, wang, gao, desk, phone)
            for task in reading:
                task.cancel()
        await phone.go()
        await desk.go()

    async def signed(self) -> None:
        """Hold the hearing to its end: verified, confirmed, signed, sealed."""
        async with self.hearing() as hearing:
            await hearing.verify()
            await hearing.confirm()
            await hearing.sign()
            await hearing.end()

    async def drafted(self) -> str:
        """Take the case as far as a batch that waits to be released; return the batch's path."""
        await self.signed()
        chen, sun = await self.staff("chen"), await self.staff("sun")
        assert (await self.approve(chen)).status == 303
        answer = await self.draft(sun)
        assert answer.status == 303, answer.text
        return answer.location

    async def paid(self) -> str:
        """Take the case all the way; return the batch's path."""
        batch = await self.drafted()
        sun, zhou = await self.staff("sun"), await self.staff("zhou")
        assert (await self.release(zhou, batch)).status == 303
        answer = (await sun.get(f"{batch}/stub-answer")).body
        assert (await sun.upload("/answers", "answer", answer)).status == 303
        return batch

    async def approve(self, visitor: Visitor) -> Answer:
        """Press the approver's button, as the page shows it now."""
        async with self.database.read() as db:
            version = (await db.get_one(AidCase, self.case_id)).version
        return await visitor.submit(f"/cases/{self.case_id}/approve", opinion="材料齐全。", version=str(version))

    async def draft(self, visitor: Visitor) -> Answer:
        """Put the case into a batch."""
        return await visitor.submit("/batches", case_id=self.case_id)

    async def release(self, visitor: Visitor, batch: str) -> Answer:
        """Press the releaser's button, as the page shows it now."""
        found = re.search(r'name="version" value="(\d+)"', (await visitor.get(batch)).text)
        return await visitor.submit(f"{batch}/release", version=found[1] if found else "1")

    async def order_id(self) -> str:
        """Return the only payment there is."""
        async with self.database.read() as db:
            return (await db.scalars(select(Order.id))).one()

    async def applicants_seat(self) -> str:
        """Return the applicant's seat."""
        async with self.database.read() as db:
            query = select(Seat.id).where(Seat.session_id == self.session_id, Seat.role == SeatRole.APPLICANT)
            return (await db.scalars(query)).one()


@dataclass(frozen=True, slots=True)
class Hearing:
    """A hearing in session: two browsers and their sockets."""

    house: House
    wang: Visitor
    gao: Visitor
    desk: OpenPage
    phone: OpenPage

    @property
    def path(self) -> str:
        """The session's address."""
        return f"/sessions/{self.house.session_id}"

    async def lay_in_stills(self) -> None:
        """Stand in for the stills: there is no picture to take one from."""
        host = await self.house.actor("wang")
        for kind in StillKind:
            digest = await self.house.server.app[VAULT].put(b"\xff\xd8" + kind.value.encode())
            still = KeepStill(self.house.session_id, kind, digest, 640, 480, 1000, self.house.clock.now())
            async with self.house.database.begin() as db:
                await keep_still(db, host, still, clock=self.house.clock)

    async def verify(self) -> None:
        """Pass every check, and conclude."""
        await self.lay_in_stills()
        for item in CHECKLIST:
            answer = await self.wang.send(f"{self.path}/checks", {"item": item.key, "passed": True})
            assert answer.status == 200, answer.text
        answer = await self.wang.send(f"{self.path}/identity", {"verified": True})
        assert answer.status == 200, answer.text

    async def ask(self) -> dict[str, Any]:
        """Read the decision out; return what the phone is shown."""
        assert (await self.wang.send(f"{self.path}/reading", {})).status == 200
        shown: dict[str, Any] = (await self.gao.get("/hearing/confirmation", as_json=True)).json
        return shown

    async def confirm(self) -> None:
        """Read out, and have it confirmed."""
        shown = await self.ask()
        said = {name: shown[name] for name in ("amount_fen", "account_fingerprint")}
        answer = await self.gao.send("/hearing/confirmation/confirm", said)
        assert answer.status == 200, answer.text

    async def sign(self) -> None:
        """Have it signed."""
        answer = await self.gao.send("/hearing/confirmation/sign", {"strokes": STROKES, "picture": PICTURE})
        assert answer.status == 200, answer.text

    async def end(self) -> None:
        """End, and wait until the recording is sealed."""
        await self.desk.say("end")
        await self.phone.closed()
        async with asyncio.timeout(PATIENCE_S):
            # As the page does it: there is no other word of it.
            while not (await self.wang.get(f"{self.path}/progress")).json["progress"].startswith("sealed"):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


def settings_of(database_url: str, home: Path) -> Settings:
    """Return the settings of a house below `home`."""
    secrets = home / "secrets"
    secrets.mkdir(parents=True)
    SigningKey.generate().save(secrets / "office.pem")
    return Settings(
        database_url=database_url,
        data_dir=home / "data",
        public_origin="http://127.0.0.1:1",
        login_secret=SecretStr("a secret of tests, of some length"),
        personal_key=SecretStr(PERSONAL_KEY.hex()),
        master_key=SecretStr(bytes(range(32, 64)).hex()),
        signing_key_file=secrets / "office.pem",
        media_port=0,
        media_workers=1,
        media_addresses=(ipaddress.IPv4Address("127.0.0.1"),),
        demo=True,
    )


@asynccontextmanager
async def open_house(database_url: str, home: Path, **changes: object) -> AsyncIterator[House]:
    """Run the house on an empty database that has every table; `changes` are settings that differ."""
    settings, clock = settings_of(database_url, home).model_copy(update=changes), FixedClock(TEN)
    await prepare_demo(settings, clock=clock)
    async with TestServer(make_app(settings, clock=clock)) as server:
        house = House(server, settings, clock)
        await house.look_around()
        try:
            yield house
        finally:
            await house.close()
