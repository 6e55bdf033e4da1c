"""The whole way over HTTP, on both databases."""

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
