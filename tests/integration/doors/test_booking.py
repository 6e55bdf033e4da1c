"""A clerk books a hearing and chooses who takes part and who watches."""

import asyncio
import re

from sqlalchemy import select

from records.actors import Role
from sessions.seats import SeatRole
from sessions.tables import Seat, Session
from tests.support.house import PATIENCE_S, House, Visitor
from web.accounts.tables import Staff


async def _fields_of(house: House, *user_names: str) -> dict[str, str]:
    """Return the form's field for each of these people."""
    async with house.database.read() as db:
        staff = await db.scalars(select(Staff).where(Staff.user_name.in_(user_names)))
        return {person.user_name: f"seat_{person.id}" for person in staff}


async def _book(house: House, wang: Visitor, **seats: str) -> str:
    """Fill in and send the form; return the refusal, or where it leads to."""
    fields = await _fields_of(house, *seats)
    answer = await wang.submit(
        "/book",
        case="",
        applicant_name="马兰",
        id_tail="123X",
        subject="答复反馈",
        day="2026-11-26",
        at="09:30",
        minutes="60",
        **{fields[user_name]: role for user_name, role in seats.items()},
    )
    return answer.refused or answer.location


async def _seats(house: House, path: str) -> dict[str, tuple[SeatRole, str]]:
    async with house.database.read() as db:
        seats = await db.scalars(select(Seat).where(Seat.session_id == path.removeprefix("/sessions/")))
        return {seat.display_name: (seat.role, seat.office_name) for seat in seats}


async def test_a_clerk_books_a_hearing_for_several_people(house: House) -> None:
    await house.employ("ba", Role.GUEST)
    wang = await house.staff("wang")
    page = (await wang.get("/book")).text
    assert "最多 8 人出镜发言" in page
    assert "最多 16 人旁听" in page
    path = await _book(house, wang, liu="far_end", chen="observer", ba="helper")
    assert await _seats(house, path) == {
        "王志远": (SeatRole.HOST, "东营区检"),
        "马兰": (SeatRole.APPLICANT, ""),
        "刘敏": (SeatRole.FAR_END, "梁山县检"),
        "陈立": (SeatRole.OBSERVER, "东营区检"),
        "ba": (SeatRole.HELPER, "东营区检"),
    }
    async with house.database.read() as db:
        session = await db.get_one(Session, path.removeprefix("/sessions/"))
        assert session.starts_at.isoformat() == "2026-11-26T01:30:00+00:00"
        assert session.far_office_id is not None
    shown = (await wang.get(path)).text
    assert "接访已经约好" in shown
    assert re.search(r"陈立 副检察长</span> <span class=\"tag\">旁听", shown)


async def test_a_ninth_face_and_a_seventeenth_spectator_are_refused_with_the_number(house: House) -> None:
    for number in range(17):
        await house.employ(f"guest{number}", Role.GUEST)
    wang = await house.staff("wang")
    guests = [f"guest{number}" for number in range(17)]
    assert await _book(house, wang, **dict.fromkeys(guests[:7], "helper")) == "too_many_seen"
    assert await _book(house, wang, **dict.fromkeys(guests, "observer")) == "too_many_watching"
    assert (await _book(house, wang, **dict.fromkeys(guests[:6], "helper"))).startswith("/sessions/")
    assert (await _book(house, wang, **dict.fromkeys(guests[:16], "observer"))).startswith("/sessions/")


async def test_nobody_gets_a_seat_that_is_not_theirs_to_take(house: House) -> None:
    await house.employ("ba", Role.GUEST)
    wang = await house.staff("wang")
    for seats in ({"ba": "joint"}, {"ba": "far_end"}, {"liu": "host"}, {"chen": "applicant"}, {"liu": "king"}):
        assert await _book(house, wang, **seats) == "malformed"
    (field,) = (await _fields_of(house, "chen")).values()
    for odd in ("接" * 65536, "\x00", "<script>"):
        answer = await wang.submit(f"/sessions/{house.session_id}/people", **{field: odd})
        assert answer.refused in ("field_too_long", "malformed"), odd[:9]
    answer = await wang.submit(
        "/book", case="nothing", id_tail="123X", subject="x", day="2026-11-26", at="9", minutes="1"
    )
    assert answer.refused == "malformed"


async def test_who_watches_is_chosen_anew_but_whoever_was_there_keeps_the_seat(house: House) -> None:
    wang, chen = await house.staff("wang"), await house.staff("chen")
    path = f"/sessions/{house.session_id}"
    fields = await _fields_of(house, "liu", "chen")
    assert "旁听" not in (await chen.get("/today")).text
    answer = await wang.submit(f"{path}/people", **{fields["liu"]: "far_end", fields["chen"]: "observer"})
    assert answer.location == path
    assert (await _seats(house, path))["陈立"][0] is SeatRole.OBSERVER
    assert "您旁听" in (await chen.get("/today")).text
    assert "PeopleSeated" in await house.events()
    # Chen comes, sees the room without anything to work on, and may not ask for it either.
    room = (await chen.get(f"{path}/room")).text
    assert "您在旁听" in room
    assert "panel-identity" not in room
    for closed in ("verification", "reading"):
        assert (await chen.get(f"{path}/{closed}", as_json=True)).refused == "not_your_hearing"
    socket = await chen.joins(house.session_id, "staff")
    async with asyncio.TaskGroup() as readers:
        reading = readers.create_task(socket.read_on())
        async with asyncio.timeout(PATIENCE_S):
            while "SeatEntered" not in await house.events():  # noqa: ASYNC110  # the trail tells nobody
                await asyncio.sleep(0.01)
        assert (await wang.submit(f"{path}/people", **{fields["liu"]: "far_end"})).refused == "seat_was_taken"
        assert (await wang.submit(f"{path}/people", **{fields["chen"]: "observer"})).location == path
        assert "刘敏" not in await _seats(house, path)
        reading.cancel()
    await socket.go()


async def test_a_guest_sees_only_the_hearings_they_have_a_seat_in(house: House) -> None:
    await house.employ("ba", Role.GUEST)
    wang, ba = await house.staff("wang"), await house.staff("ba")
    assert "高秀兰" not in (await ba.get("/today")).text
    path = f"/sessions/{house.session_id}"
    assert (await ba.get(f"{path}/room", as_json=True)).refused == "not_your_hearing"
    fields = await _fields_of(house, "liu", "ba")
    await wang.submit(f"{path}/people", **{fields["liu"]: "far_end", fields["ba"]: "helper"})
    today = (await ba.get("/today")).text
    assert "高秀兰" in today
    assert f"{path}/room" in today
    assert f'href="{path}"' not in today
    assert (await ba.get(path, as_json=True)).refused == "not_permitted"
