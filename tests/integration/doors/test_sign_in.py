"""Signing in as staff: wrong, too often, dismissed, ended."""

from datetime import timedelta

from yarl import URL

from tests.support.house import TEN, House
from web.demo import PASSWORD


async def test_a_wrong_name_and_a_wrong_password_are_told_apart_by_nobody(house: House) -> None:
    visitor = house.visitor()
    stranger = await visitor.submit("/sign-in", as_json=False, user_name="nobody", password=PASSWORD)
    wrong = await visitor.submit("/sign-in", as_json=False, user_name="wang", password="wrong")
    assert stranger.status == wrong.status == 403
    assert "用户名或密码不对" in stranger.text
    assert "用户名或密码不对" in wrong.text
    assert 'value="wang"' in wrong.text, "what was typed is kept"
    assert "wrong" not in wrong.text.partition("<form")[2].partition("</form>")[0], "but not the password"
    assert (await house.events()).count("SignInRefused") == 1, "only where there is somebody to warn"


async def test_the_ninth_try_on_a_name_waits_and_other_names_do_not(house: House) -> None:
    visitor = house.visitor()
    for _ in range(8):
        assert (await visitor.submit("/sign-in", user_name="wang", password="wrong")).status == 403
    ninth = await visitor.submit("/sign-in", as_json=False, user_name="wang", password=PASSWORD)
    assert ninth.status == 429
    assert "操作太频繁了，请过几分钟再试" in ninth.text
    assert (await house.visitor().submit("/sign-in", user_name="wang", password=PASSWORD)).status == 429
    assert (await visitor.signs_in("chen")).location == "/"


async def test_whoever_was_dismissed_is_out_at_once_and_comes_in_no_more(house: House) -> None:
    wang = await house.staff("wang")
    assert (await wang.get("/today")).status == 200
    await house.dismiss("wang")
    assert (await wang.get("/today")).location == "/sign-in"
    assert (await wang.get("/today", as_json=True)).refused == "sign_in_needed"
    assert (await wang.signs_in("wang")).status == 403


async def test_a_login_ends_by_signing_out_everywhere_its_token_is_used(house: House) -> None:
    wang, thief = await house.staff("wang"), house.visitor()
    thief.http.cookie_jar.update_cookies(wang.http.cookie_jar.filter_cookies(URL(wang.origin)))
    assert (await thief.get("/today")).status == 200
    assert (await wang.submit("/sign-out")).location == "/sign-in"
    for visitor in (wang, thief):
        assert (await visitor.get("/today")).location == "/sign-in"


async def test_a_login_ends_by_itself_after_a_working_day(house: House) -> None:
    wang = await house.staff("wang")
    house.clock.at = TEN + timedelta(hours=9, minutes=59)
    assert (await wang.get("/today")).status == 200
    house.clock.at = TEN + timedelta(hours=10)
    assert (await wang.get("/today")).location == "/sign-in"
    refused = await wang.submit(f"/cases/{house.case_id}/approve", opinion="好", version="1")
    assert refused.status == 401
    assert refused.json["text"] == "您还没有登录，或登录已过期。请重新登录。"


async def test_a_made_up_cookie_opens_nothing(house: House) -> None:
    visitor = house.visitor()
    for cookie in ("x" * 43, "", "é" * 20, "a;b"):
        visitor.http.cookie_jar.update_cookies({"jiefang_staff": cookie, "jiefang_applicant": cookie})
        assert (await visitor.get("/today")).location == "/sign-in"
        assert (await visitor.get("/hearing", as_json=True)).refused == "invitation_needed"


async def test_cookies_are_out_of_reach_of_scripts_and_other_sites(house: House) -> None:
    wang, gao = await house.staff("wang"), await house.gao()
    for visitor in (wang, gao):
        cookies = list(visitor.http.cookie_jar)
        assert {cookie.key for cookie in cookies} > {"jiefang_device"}
        for cookie in cookies:
            assert cookie["httponly"], cookie.key
            assert cookie["samesite"] == "Lax", cookie.key
