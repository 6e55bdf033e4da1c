"""How a hearing stands, as the day's list, its own page and the applicant's say it."""

from records.actors import system_actor
from sessions.absences import end_without_host
from tests.support.house import House


async def test_a_hearing_in_recess_is_listed_as_one(house: House) -> None:
    async with house.hearing() as hearing:
        pages = ("/today", hearing.path)
        for page in pages:
            assert "正在接访" in (await hearing.wang.get(page)).text
        await hearing.desk.say("pause", reason="歇十分钟")
        await hearing.phone.until(lambda message: message["type"] == "room" and message["recess"])
        for page in pages:
            text = (await hearing.wang.get(page)).text
            assert "休会中" in text, page
            assert "正在接访" not in text, page
        await hearing.desk.say("resume")
        await hearing.phone.until(lambda message: message["type"] == "room" and message["recess"] is None)
        for page in pages:
            assert "休会中" not in (await hearing.wang.get(page)).text
        await hearing.desk.say("pause")
        await hearing.phone.until(lambda message: message["type"] == "room" and message["recess"])
        await hearing.end()
        assert "休会中" not in (await hearing.wang.get("/today")).text


async def test_a_hearing_whose_host_never_came_back_says_so_and_what_comes_next(house: House) -> None:
    async with house.hearing() as hearing:
        pass
    async with house.database.begin() as db:
        await end_without_host(db, system_actor("hub"), house.session_id, elapsed_ms=1000, clock=house.clock)
    for page in ("/today", hearing.path):
        assert "主持人没有回来，已自动结束" in (await hearing.wang.get(page)).text
    assert "可以再约一场" in (await hearing.wang.get(hearing.path)).text
    after = (await (await house.gao_again()).get("/hearing/after")).text
    assert "今天的接访没有办完，先结束了" in after
    assert "检察院会和您另约时间" in after
    assert "主持人一直没有回来，接访自动结束" in (await (await house.staff("he")).get("/trail")).text
