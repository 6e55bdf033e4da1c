"""Hearings over the networks and browsers that people really have: relays, Firefox, a change of address."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect

from tests.browser.conftest import CHROMIUM, QUIET
from tests.browser.coturn import TRANSPORTS, Coturn, running_coturn
from tests.browser.firefox import (
    FirefoxPage,
    come_in_by_firefox,
    hears_somebody_in_firefox,
    host_comes_by_firefox,
    running_firefox,
    sees_movement_in_firefox,
)
from tests.browser.namespaces import (
    MOBILE_ADDRESS,
    OFFICE_ADDRESS,
    WIFI_ADDRESS,
    Networks,
    office_and_phone,
    program_in,
)
from tests.browser.people import (
    DESK,
    FAR_FACE,
    PHONE,
    come_in,
    comes_true,
    let_in,
    open_context,
    sees_and_hears,
    sign_in,
    take_still,
)
from tests.browser.server import DemoProcess, Server
from tests.support.clips import Clip, applicant_clip, prosecutor_clip
from web.addresses import own_addresses

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

# Keeps every connection that a page makes, so that a test can ask it how it goes, and leaves it one way of the relay's.
KEEP_CONNECTIONS = """
window.connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(how = {}) {
    const iceServers = (how.iceServers ?? []).map((server) => {
      const urls = [server.urls].flat().filter((url) => !window.theOneWay || url === window.theOneWay);
      return { ...server, urls };
    });
    super({ ...how, iceServers: iceServers.filter(({ urls }) => urls.length > 0) });
    window.connections.push(this);
  }
};
"""
ONE_WAY = "window.theOneWay = '%s';"
# The pair of addresses that the newest connection uses, as [address, type and way to the relay here, type there].
CHOSEN_PAIR = """
async () => {
  const reports = [...(await window.connections.at(-1).getStats()).values()];
  const byId = new Map(reports.map((report) => [report.id, report]));
  const transport = reports.find((report) => report.type === "transport");
  const pair = byId.get(transport.selectedCandidatePairId);
  const here = byId.get(pair.localCandidateId);
  return [here.address, here.candidateType, here.relayProtocol ?? "", byId.get(pair.remoteCandidateId).candidateType];
}
"""

# Notes from now on how long the page goes without a packet of media at most, over all its connections.
WATCH_SILENCE = """
() => {
  window.longestSilenceMs = 0;
  const seen = new Map();
  let at = performance.now();
  const look = async () => {
    for (const connection of window.connections) {
      let count = 0;
      for (const report of (await connection.getStats()).values())
        if (report.type === "inbound-rtp") count += report.packetsReceived;
      if (count > (seen.get(connection) ?? 0)) at = performance.now();
      seen.set(connection, count);
    }
    window.longestSilenceMs = Math.max(window.longestSilenceMs, performance.now() - at);
    setTimeout(look, 20);
  };
  look();
}
"""

# Notes from now on when the media takes another way, and when a socket is opened.
WATCH_MOVES = """
() => {
  window.movedAt = [];
  window.socketsAt = [];
  window.connections.at(-1).getTransceivers()[0].sender.transport.iceTransport
    .addEventListener("selectedcandidatepairchange", () => window.movedAt.push(performance.now()));
  window.WebSocket = class extends WebSocket {
    constructor(...how) { super(...how); window.socketsAt.push(performance.now()); }
  };
}
"""
SOCKET_FOLLOWS_MS = 2500


@contextmanager
def chromium(playwright: Playwright, clip: Clip, *arguments: str, program: str = CHROMIUM) -> Iterator[Browser]:
    """Run a Chromium whose camera shows a clip."""
    with playwright.chromium.launch(
        executable_path=program, args=[*QUIET, *clip.chromium_arguments, *arguments]
    ) as browser:
        yield browser


def own_page(browser: Browser, *, phone: bool = False) -> Page:
    """Open a page that keeps its connections, as somebody's own."""
    context = open_context(browser, PHONE if phone else DESK, phone=phone, trusting=True)
    context.add_init_script(KEEP_CONNECTIONS)
    return context.new_page()


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Coturn]:
    """A TURN relay."""
    with running_coturn(tmp_path, own_addresses()[-1]) as coturn:
        yield coturn


def test_a_hearing_is_held_through_a_relay_and_nothing_else(
    relay: Coturn, tmp_path: Path, playwright: Playwright
) -> None:
    process = DemoProcess(tmp_path / "var", environment=relay.environment())
    process.start()
    trust = f"--ignore-certificate-errors-spki-list={relay.key_digest}"
    try:
        with (
            chromium(playwright, applicant_clip(), trust) as applicants,
            chromium(playwright, prosecutor_clip(), trust) as prosecutors,
        ):
            phone, desk = own_page(applicants, phone=True), own_page(prosecutors)
            for page in (phone, desk):
                page.add_init_script(ONE_WAY % relay.url("udp"))
            come_in(phone, process.server)
            sign_in(desk, process.server, "wang")
            let_in(desk, process.server)
            for transport in TRANSPORTS:
                for page in (phone, desk):
                    page.add_init_script(ONE_WAY % relay.url(transport))
                    page.reload()
                for page in (phone, desk):
                    sees_and_hears(page)
                    assert cast(list[str], page.evaluate(CHOSEN_PAIR))[1:] == ["relay", transport, "host"]
    finally:
        process.stop()
    for transport in TRANSPORTS:
        assert relay.url(transport) not in process.log()
    assert ":" + process.server.id_tail not in process.log()


@pytest.fixture(scope="module")
def firefox() -> Iterator[FirefoxPage]:
    """A Firefox, which has a made-up camera of its own and no preference that lets it use loopback."""
    assert len(own_addresses()) > 1, "this machine has no address but loopback, which Firefox does not use"
    with running_firefox() as page:
        yield page


def firefox_sees_and_hears(page: FirefoxPage) -> None:
    """The far person's picture moves and their sound has energy, as Firefox shows it."""
    page.wait_for(FAR_FACE)
    assert sees_movement_in_firefox(page, FAR_FACE)
    assert hears_somebody_in_firefox(page)


def test_an_applicant_with_firefox_and_a_host_with_chromium_see_and_hear_each_other(
    shared_server: Server, firefox: FirefoxPage, prosecutors_browser: Browser
) -> None:
    assert "firefox" in firefox.version().lower()
    come_in_by_firefox(firefox, shared_server)
    desk = own_page(prosecutors_browser)
    sign_in(desk, shared_server, "wang")
    let_in(desk, shared_server)
    firefox.wait_for("[data-step=room]")
    firefox_sees_and_hears(firefox)
    sees_and_hears(desk)
    take_still(desk, 1)


def test_a_host_with_firefox_and_an_applicant_with_chromium_see_and_hear_each_other(
    shared_server: Server, firefox: FirefoxPage, applicants_browser: Browser
) -> None:
    phone = own_page(applicants_browser, phone=True)
    come_in(phone, shared_server)
    host_comes_by_firefox(firefox, shared_server)
    firefox.click("#stage-admit")
    expect(phone.locator("[data-step=room]")).to_be_visible()
    firefox_sees_and_hears(firefox)
    sees_and_hears(phone)


@pytest.fixture
def networks() -> Iterator[Networks]:
    """An office, and a phone with Wi-Fi and mobile data."""
    with office_and_phone() as networks:
        yield networks


def test_an_applicant_who_leaves_the_wifi_stays_in_the_hearing(
    networks: Networks, tmp_path: Path, playwright: Playwright
) -> None:
    at_office, on_phone = (program_in(name, tmp_path, CHROMIUM) for name in (networks.office, networks.phone))
    process = DemoProcess(tmp_path / "var", address=OFFICE_ADDRESS, namespace=networks.office)
    process.start()
    try:
        with (
            chromium(playwright, applicant_clip(), program=on_phone) as applicants,
            chromium(playwright, prosecutor_clip(), program=at_office) as prosecutors,
        ):
            phone, desk = own_page(applicants, phone=True), own_page(prosecutors)
            come_in(phone, process.server)
            sign_in(desk, process.server, "wang")
            let_in(desk, process.server)
            for page in (phone, desk):
                sees_and_hears(page)
                page.evaluate(WATCH_SILENCE)
            assert cast(list[str], phone.evaluate(CHOSEN_PAIR))[0] == WIFI_ADDRESS
            phone.evaluate(WATCH_MOVES)

            with phone.expect_websocket(timeout=60_000):
                networks.phone_loses_wifi()

            # The picture moved by itself, and the page's socket did not wait for its own silence to be noticed.
            assert cast(float, phone.evaluate("window.socketsAt[0] - window.movedAt[0]")) < SOCKET_FOLLOWS_MS
            comes_true(phone, f"async () => (await ({CHOSEN_PAIR})().catch(() => []))[0] === '{MOBILE_ADDRESS}'")
            for page in (phone, desk):
                sees_and_hears(page)
            expect(phone.locator("[data-step=room]")).to_be_visible()
            phone.locator("#call-hand").click()
            expect(desk.locator(".person--stage .person__hand")).to_be_visible()
    finally:
        process.stop()
