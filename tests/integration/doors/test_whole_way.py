"""The whole way over HTTP, on both databases."""

from datetime import timedelta

from sessions.booking import Attendee, BookSession, book
from tests.support.house import House


async def test_a_case_goes_from_the_hearing_to_the_bank(house: House) -> None:
    batch = await house.paid()
    sun = await house.staff("sun")
    assert "已到账" in (await sun.get(batch)).text
    events = await house.events()
    for event in (
        "ConsentGiven",
        "HearingStarted",
        "IdentityVerified",
        "AidSigned",
        "RecordingSealed",
        "BankAnswerTaken",
    ):
        assert event in events, events


async def test_a_hearing_about_no_payment_has_its_pages_too(house: House) -> None:
    host = await house.actor("wang")
    assert host.office_id is not None
    now = house.clock.now()
    command = BookSession(
        office_id=host.office_id,
        subject="控告申诉",
        applicant_name="高秀兰",
        applicant_id_tail="9963",
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        host=Attendee(host.id, host.name, "检察官"),
    )
    async with house.database.begin() as db:
        session_id = (await book(db, host, command, clock=house.clock)).id
    wang, chen = await house.staff("wang"), await house.staff("chen")
    for visitor in (wang, chen):
        page = await visitor.get(f"/sessions/{session_id}")
        assert page.status == 200, page.text
        assert "控告申诉" in page.text
    assert (await wang.get(f"/sessions/{session_id}/room")).status == 200
