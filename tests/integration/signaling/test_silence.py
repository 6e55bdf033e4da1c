"""A page knows that its line lives, because the server never says nothing for long."""

from signaling.ports import Ports
from signaling.settings import HubSettings
from tests.support.media_fake import FakeMediaPlane
from tests.support.room_page import serving


async def test_whoever_waits_is_shown_the_room_again_and_again_though_nothing_happens(
    media: FakeMediaPlane, ports: Ports
) -> None:
    async with serving(media, ports, HubSettings(silence_s=0.05, farewell_s=0.05)) as house:
        gao = await house.comes("gao")
        first = gao.room
        for _ in range(3):
            assert await gao.told("room") == first
        li = await house.comes("li")
        await li.say("admit", seat_id="gao")
        await gao.sees("gao", admitted=True)
        await gao.told("room", phase="in_session")
