"""One hearing held, paid and exported; what is checked happens to copies of its bundle."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer

from records.clock import FixedClock
from tests.support.authority import TimeAuthority
from tests.support.database import sqlite_url
from tests.support.house import House, open_house
from tests.support.sealed import write_journal
from web.settings import Settings


@dataclass(frozen=True, slots=True)
class Evidence:
    """A bundle as somebody got it, and the public key as he got it elsewhere."""

    bundle: Path
    key: Path
    authority: Path
    data_dir: Path
    session_id: str
    environment: dict[str, str]


async def hold_and_export(database: Path, home: Path) -> Evidence:
    """Hold a hearing with sound and picture, pay, and fetch the bundle as a prosecutor does."""
    authority = TimeAuthority(home.parent / "authority")
    async with (
        TestServer(authority.app()) as stamping,
        open_house(
            sqlite_url(database),
            home,
            timestamp_url=str(stamping.make_url("/")),
            timestamp_authority_file=authority.certificate,
        ) as house,
    ):
        journal = house.settings.journals / house.session_id
        write_journal(journal, house.session_id, await house.applicants_seat(), FixedClock(datetime.now(UTC)))
        await house.paid()
        wang = await house.staff("wang")
        await played(house)
        await on_the_trail(house, "RecordingStamped")
        await on_the_trail(house, "CompositeMade")
        answer = await wang.submit(f"/sessions/{house.session_id}/evidence")
        assert answer.status == 200, answer.text
        bundle = home / "evidence.zip"
        bundle.write_bytes(answer.body)
        key = home / "key.pem"
        shutil.copyfile(house.settings.data_dir / "office-public.pem", key)
        return Evidence(
            bundle,
            key,
            authority.certificate,
            house.settings.data_dir,
            house.session_id,
            environment_of(house.settings),
        )


def environment_of(settings: Settings) -> dict[str, str]:
    """Return the environment variables that say the same as these settings."""
    return {
        "JIEFANG_DATABASE_URL": settings.database_url,
        "JIEFANG_DATA_DIR": str(settings.data_dir),
        "JIEFANG_PUBLIC_ORIGIN": settings.public_origin,
        "JIEFANG_LOGIN_SECRET": settings.login_secret.get_secret_value(),
        "JIEFANG_PERSONAL_KEY": settings.personal_key.get_secret_value(),
        "JIEFANG_MASTER_KEY": settings.master_key.get_secret_value(),
        "JIEFANG_SIGNING_KEY_FILE": str(settings.signing_key_file),
    }


async def played(house: House) -> None:
    """Wait until the recording can be played."""
    wang = await house.staff("wang")
    async with asyncio.timeout(60):
        while not (await wang.get(f"/sessions/{house.session_id}/progress")).json["progress"].endswith("/1"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def on_the_trail(house: House, event: str) -> None:
    """Wait until something stands on the trail."""
    async with asyncio.timeout(60):
        while event not in await house.events():  # noqa: ASYNC110  # the outbox tells nobody
            await asyncio.sleep(0.05)


@pytest.fixture(scope="package")
def evidence(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The bundle of a hearing that was held and paid."""
    home = tmp_path_factory.mktemp("evidence")
    database = home / "jiefang.db"
    shutil.copyfile(sqlite_template, database)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(hold_and_export(database, home / "house"))).result()
