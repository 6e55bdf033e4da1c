"""The trail's page: whoever may read it reads their own office's, and what happened in its hearings."""

from records.actors import Role
from tests.support.house import House


async def test_an_office_reads_its_own_trail_and_no_other(house: House) -> None:
    await house.employ("stranger", Role.ADMINISTRATOR, elsewhere=True)
    ours = (await (await house.staff("he")).get("/trail")).text
    theirs = (await (await house.staff("stranger")).get("/trail")).text
    assert "立案" in ours
    assert "拨入预算" in ours
    assert "立案" not in theirs
    assert "拨入预算" not in theirs
    assert "登录" in theirs, "their own signing in"


async def test_the_trail_goes_back_page_by_page_and_refuses_what_is_no_number(house: House) -> None:
    he = await house.staff("he")
    assert "还没有记录" in (await he.get("/trail?before=1")).text
    for wrong in ("x", "-1", "9" * 30):
        assert (await he.get(f"/trail?before={wrong}")).status == 404
