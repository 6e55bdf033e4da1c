"""The receipt of a paid order."""

import io
import subprocess
from pathlib import Path

import pikepdf
import pytest
from sqlalchemy import select

from aid.receipts import receipt_pdf
from aid.timeline import order_timeline
from records.actors import Actor, ActorKind, Role
from records.refusals import Refusal
from sessions.seats import SeatRole
from sessions.tables import PresenceSpan, Seat
from tests.integration.aid.world import World, applicant_of


def text_of(pdf: bytes, folder: Path) -> str:
    """Return the text of a PDF, as any reader would extract it."""
    path = folder / "receipt.pdf"
    path.write_bytes(pdf)
    read = subprocess.run(["pdftotext", "-layout", str(path), "-"], check=True, capture_output=True)
    return read.stdout.decode()


async def test_a_receipt_says_who_got_how_much_and_when_she_confirmed(world: World, tmp_path: Path) -> None:
    order = await world.paid_order()
    async with world.database.read() as db:
        pdf = await receipt_pdf(db, world.releaser, order.id, vault=world.vault)
    text = text_of(pdf, tmp_path)
    for expected in (
        "国家司法救助金领款凭证",
        "东营区检救助〔2026〕1号",
        "¥20,000.00",
        "人民币贰万元整",
        "6217 **** **** 3456",
        "12:41",
        "13:55",
        "王志远",
        "陈立",
        "周海",
        order.recording_digest or "",
    ):
        assert expected in text
    assert "62170012345" not in text
    assert len(pikepdf.open(io.BytesIO(pdf)).pages) == 1


async def test_only_those_who_came_are_named_as_present(world: World, tmp_path: Path) -> None:
    absent = await world.paid_order()
    order = await world.paid_order()
    async with world.begin() as db:
        seat_id = (
            await db.scalars(select(Seat.id).where(Seat.session_id == order.session_id, Seat.role == SeatRole.FAR_END))
        ).one()
        db.add(PresenceSpan(session_id=order.session_id, seat_id=seat_id, entered_at=world.clock.now()))
    async with world.database.read() as db:
        without = text_of(await receipt_pdf(db, world.releaser, absent.id, vault=world.vault), tmp_path)
        with_her = text_of(await receipt_pdf(db, world.releaser, order.id, vault=world.vault), tmp_path)
        told = [step.detail for step in await order_timeline(db, absent.id)]
    assert "刘敏" not in without
    assert not any("刘敏" in detail for detail in told)
    assert "刘敏在场" in with_her


async def test_the_same_receipt_is_the_same_to_the_byte(world: World) -> None:
    order = await world.paid_order()
    async with world.database.read() as db:
        first = await receipt_pdf(db, world.releaser, order.id, vault=world.vault)
        world.clock.advance(3600)
        assert await receipt_pdf(db, world.releaser, order.id, vault=world.vault) == first


async def test_the_payee_reads_her_own_receipt_and_nobody_elses(world: World) -> None:
    order = await world.paid_order()
    other = await world.signed_case()
    async with world.database.read() as db:
        herself = await applicant_of(db, order.session_id or "")
        assert await receipt_pdf(db, herself, order.id, vault=world.vault)
        somebody = await applicant_of(db, other.session_id or "")
        with pytest.raises(Refusal, match="not_your_receipt"):
            await receipt_pdf(db, somebody, order.id, vault=world.vault)
        elsewhere = Actor(ActorKind.STAFF, "elsewhere", "外院", "another office", frozenset({Role.FINANCE}))
        with pytest.raises(Refusal, match="not_your_office"):
            await receipt_pdf(db, elsewhere, order.id, vault=world.vault)


async def test_there_is_no_receipt_before_the_bank_has_paid(world: World) -> None:
    batch = await world.released(await world.approved_case())
    order = (await world.orders(batch))[0]
    async with world.database.read() as db:
        with pytest.raises(Refusal, match="receipt_not_ready"):
            await receipt_pdf(db, world.releaser, order.id, vault=world.vault)
