"""What was written is there again for whoever comes back, and for nobody who was not shown it."""

from typing import Any

from tests.support.house import House, Visitor


async def _words(visitor: Visitor, path: str) -> list[tuple[str, str, bool]]:
    said: list[dict[str, Any]] = (await visitor.get(path, as_json=True)).json["words"]
    return [(word["name"], word["text"], word["mine"]) for word in said]


async def test_words_are_there_again_for_those_who_were_shown_them(house: House) -> None:
    path = f"/sessions/{house.session_id}/words"
    liu = await house.staff("liu")
    async with house.hearing() as hearing:
        await hearing.phone.say("word", text="我听力不好。")
        await hearing.desk.told("word", text="我听力不好。")
        house.clock.advance(5)
        await hearing.desk.say("word", text="好的，我慢一点说。")
        await hearing.phone.told("word", text="好的，我慢一点说。")
        hers, his = ("高秀兰", "我听力不好。"), ("王志远", "好的，我慢一点说。")
        assert await _words(hearing.wang, path) == [(*hers, False), (*his, True)]
        assert await _words(hearing.gao, "/hearing/words") == [(*hers, True), (*his, False)]
        assert await _words(liu, path) == [(*his, False)]
        await hearing.phone.say("word", text="接" * 501)
        assert (await hearing.phone.told("refused"))["code"] == "text_too_long"
        await hearing.phone.say("word", text="字\x00字")
        assert (await hearing.phone.told("refused"))["code"]
        assert len(await _words(hearing.wang, path)) == 2
