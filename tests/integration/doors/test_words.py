"""What was written is there again for whoever comes back, and for nobody who was not shown it."""

import asyncio

from tests.support.house import House, Visitor


async def _recalled(visitor: Visitor, house: House, who: str, words_after: str = "0") -> list[tuple[str, str]]:
    """Come in (again), and return what was written before."""
    page = await visitor.joins(house.session_id, who, takeover=True, words_after=words_after)
    async with asyncio.TaskGroup() as readers:
        reading = readers.create_task(page.read_on())
        said = (await page.told("words"))["said"]
        reading.cancel()
    await page.go()
    return [(word["name"], word["text"]) for word in said]


async def test_words_are_there_again_for_those_who_were_shown_them(house: House) -> None:
    liu = await house.staff("liu")
    async with house.hearing() as hearing:
        await hearing.phone.say("word", text="我听力不好。")
        await hearing.desk.told("word", text="我听力不好。")
        house.clock.advance(5)
        await hearing.desk.say("word", text="好的，我慢一点说。")
        await hearing.phone.told("word", text="好的，我慢一点说。")
        for refused in ("接" * 501, "字\x00字"):
            await hearing.phone.say("word", text=refused)
            await hearing.phone.told("refused")
        hers, his = ("高秀兰", "我听力不好。"), ("王志远", "好的，我慢一点说。")
        assert await _recalled(liu, house, "staff") == [his]
        assert await _recalled(hearing.gao, house, "applicant") == [hers, his]
        assert await _recalled(hearing.gao, house, "applicant", words_after="1") == [his]
        for odd in ("", "-1", "1.5", "９", "x" * 100, "9" * 30):
            assert await _recalled(hearing.wang, house, "staff", words_after=odd) == [hers, his], odd
