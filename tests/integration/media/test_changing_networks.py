"""A phone leaves the Wi-Fi in mid-call: the call goes on over mobile data, without a new offer."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from records.journal import Packet, Source, read_journal
from signaling.media.events import LinkLost, OfferReady
from signaling.media.rtp import is_rtcp
from tests.browser.namespaces import (
    MOBILE_ADDRESS,
    OFFICE_ADDRESS,
    WIFI_ADDRESS,
    Networks,
    office_and_phone,
    program_in,
)
from tests.integration.media.peers import HEARING, Plane, open_plane
from tests.integration.media.test_chromium import CHROMIUM, BrowserPerson, until_all_see

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONGEST_GAP_S = 5.0
"""Chromium notices after 2.5 s and moves 1 s later. A page is patient for so long: it must not even begin to repair."""
ARGUMENTS = (
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
)
OWN_ADDRESS = """
async () => {
  const reports = [...(await connection.getStats()).values()];
  const byId = new Map(reports.map((report) => [report.id, report]));
  const transport = reports.find((report) => report.type === "transport");
  const pair = byId.get(transport?.selectedCandidatePairId);
  return byId.get(pair?.localCandidateId)?.address ?? "";
}
"""
# Notes from now on how long the connection goes without a packet at most.
WATCH_SILENCE = """
() => {
  window.longestSilenceMs = 0;
  let packets = 0, at = performance.now();
  const look = async () => {
    const now = performance.now();
    let count = 0;
    for (const report of (await connection.getStats()).values())
      if (report.type === "inbound-rtp") count += report.packetsReceived;
    if (count > packets) [packets, at] = [count, now];
    window.longestSilenceMs = Math.max(window.longestSilenceMs, now - at);
    setTimeout(look, 20);
  };
  look();
}
"""


@pytest.fixture
def networks() -> Iterator[Networks]:
    """An office, and a phone with Wi-Fi and mobile data."""
    with office_and_phone() as networks:
        yield networks


@pytest.fixture
async def plane(networks: Networks, tmp_path: Path) -> AsyncIterator[Plane]:
    """The media plane, at an address that both networks lead to."""
    with networks.from_the_office():
        plane = await open_plane(tmp_path / "journal", (OFFICE_ADDRESS,))
    yield plane
    await plane.worker.stop()


@pytest.fixture
async def people(networks: Networks, plane: Plane, tmp_path: Path) -> AsyncIterator[list[BrowserPerson]]:
    """The host at the office, and the applicant, whose Chromium runs on the phone."""
    assert CHROMIUM is not None, "chromium is missing: tools/setup test installs it"
    async with async_playwright() as playwright:
        at_the_office, on_the_phone = [
            await playwright.chromium.launch(executable_path=program_in(namespace, tmp_path, CHROMIUM), args=ARGUMENTS)
            for namespace in (networks.office, networks.phone)
        ]
        yield [
            await BrowserPerson.come(plane, at_the_office, "host"),
            await BrowserPerson.come(plane, on_the_phone, "applicant"),
        ]
        await on_the_phone.close()
        await at_the_office.close()


async def test_a_call_outlives_the_wifi_without_a_new_offer(
    networks: Networks, plane: Plane, people: list[BrowserPerson]
) -> None:
    _, applicant = people
    await until_all_see(people, 30)
    assert await applicant.page.evaluate(OWN_ADDRESS) == WIFI_ADDRESS
    offers = len(plane.of_kind(OfferReady))
    await applicant.page.evaluate(WATCH_SILENCE)

    networks.phone_loses_wifi()

    await until_all_see(people, 60)
    await applicant.page.wait_for_function(f"async address => await ({OWN_ADDRESS})() === address", arg=MOBILE_ADDRESS)
    assert len(plane.of_kind(OfferReady)) == offers, "no renegotiation"
    assert not plane.of_kind(LinkLost)
    assert await applicant.page.evaluate("longestSilenceMs") < LONGEST_GAP_S * 1000
    await plane.worker.close_hearing(HEARING)
    for seat_id in ("applicant", "host"):
        assert longest_gap_s(plane.directory, seat_id) < LONGEST_GAP_S, seat_id


def longest_gap_s(directory: Path, seat_id: str) -> float:
    """Return the longest time in the journal without a packet of a seat's sound or picture."""
    seats: dict[int, str] = {}
    before: int | None = None
    longest = 0
    for record in read_journal(directory):
        if isinstance(record, Source):
            seats[record.number] = record.seat_id
        elif isinstance(record, Packet) and seats[record.source] == seat_id and not is_rtcp(record.data):
            longest = max(longest, record.arrival_us - (record.arrival_us if before is None else before))
            before = record.arrival_us
    assert before is not None, f"{seat_id} is not in the journal"
    return longest / 1e6
