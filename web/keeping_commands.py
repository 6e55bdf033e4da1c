"""Commands for those who keep the records: `jiefang export`, `jiefang rotate-keys`."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TypeVar

import click
from sqlalchemy import or_, select

from records.clock import SystemClock
from records.database import Database
from records.master_keys import MasterKeyMissing
from records.personal import PersonalData
from records.refusals import Refusal
from records.session_keys import SessionKeyUnreadable, rewrap_session_key
from records.signing import KeyUnreadable, SigningKey
from records.trail import record
from records.vault import VaultDamaged
from sessions.tables import Session
from web.exports import Exporter, command_line_actor
from web.findings import reason_of
from web.refusal_texts import sentence
from web.settings import Settings, SettingsIncomplete, demo_settings, read_settings

T = TypeVar("T")
_WRONG_MASTER = "有密钥是另一个主密钥包裹的，现有的打不开。请把那一个设为 JIEFANG_MASTER_KEY_BEFORE。"

VAR = click.option(
    "--var",
    "var",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="演示的数据目录；不给时按环境变量里的设置",
)


def settings_for(var: Path | None) -> Settings:
    """Return the settings of the demonstration below `var`, or those of the environment; leave with a word if none."""
    try:
        if var is None:
            return read_settings()
        if not (var / "secrets" / "office.pem").exists():
            raise SettingsIncomplete([f"{var} 里没有演示的密钥"])
        return demo_settings(var, port=0, media_port=0, addresses=("127.0.0.1",), tls=False)
    except SettingsIncomplete as error:
        click.echo("设置不完整：", err=True)
        for problem in error.problems:
            click.echo(f"  · {problem}", err=True)
        sys.exit(2)


def open_database(settings: Settings) -> Database:
    """Return the installation's database."""
    return Database(
        settings.database_url, personal=PersonalData(bytes.fromhex(settings.personal_key.get_secret_value()))
    )


def run_with_database(settings: Settings, job: Callable[[Database], Coroutine[object, object, T]]) -> T:
    """Run a job on the database and close it; a refusal is told and ends the command."""

    async def whole() -> T:
        database = open_database(settings)
        try:
            return await job(database)
        finally:
            await database.dispose()

    try:
        return asyncio.run(whole())
    except Refusal as refusal:
        click.echo(sentence(refusal), err=True)
    except VaultDamaged as damage:
        if damage.reason == "key_missing":
            click.echo(f"{_WRONG_MASTER}（文件摘要 {damage.digest}）", err=True)
            sys.exit(1)
        click.echo(f"存放的一份文件不见了或被改过，摘要 {damage.digest}。请先运行 jiefang verify。", err=True)
    except MasterKeyMissing as missing:
        click.echo(f"{_WRONG_MASTER}（主密钥 {missing}）", err=True)
    except SessionKeyUnreadable as unreadable:
        click.echo(f"录像 {unreadable} 的密钥文件读不出来。请先运行 jiefang verify。", err=True)
    except KeyUnreadable as unreadable:
        click.echo(f"没能完成：{unreadable} 不是签名密钥文件，或已损坏。", err=True)
    except OSError as error:
        place = f"（{error.filename}）" if error.filename else ""
        click.echo(f"没能完成：{reason_of(error)}{place}。", err=True)
    sys.exit(1)


@click.command()
@click.argument("session")
@VAR
@click.option(
    "--to", "target", type=click.Path(path_type=Path, dir_okay=False), required=True, help="证据包写到这个文件"
)
def export(session: str, var: Path | None, target: Path) -> None:
    """把接访 SESSION（编号或内部标识）的全部证据装进一个文件，别人用本院公钥就能核对。导出会留下记录。"""
    settings = settings_for(var)

    async def job(database: Database) -> None:
        found = await session_called(database, session)
        key = SigningKey.load(settings.signing_key_file)
        exporter = Exporter(database, settings.vault(key), key, settings, SystemClock())
        part = target.with_name(f"{target.name}.part")
        try:
            with part.open("w+b") as file:
                await exporter.export(command_line_actor(), found, file)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    run_with_database(settings, job)
    click.echo(f"证据包已写到 {target}。核对：jiefang verify {target} --key office-public.pem")


@click.command(name="rotate-keys")
@VAR
def rotate_keys(var: Path | None) -> None:
    """换主密钥：用新的主密钥重新包裹每一把密钥，录音录像和文书本身不动。换过多少会留下记录。"""
    settings = settings_for(var)

    async def job(database: Database) -> int:
        key = SigningKey.load(settings.signing_key_file)
        count = await asyncio.to_thread(rewrap_everything, settings, key)
        async with database.begin() as db:
            await record(
                db,
                command_line_actor(),
                "MasterKeyRotated",
                subject_kind="master_key",
                subject_id=settings.master_keys.current_id,
                details={"rewrapped": count},
                clock=SystemClock(),
            )
        return count

    count = run_with_database(settings, job)
    click.echo(f"{count} 把密钥已改由主密钥 {settings.master_keys.current_id} 包裹。")
    click.echo("核对 jiefang verify 无误后，可以去掉 JIEFANG_MASTER_KEY_BEFORE。")


def rewrap_everything(settings: Settings, key: SigningKey) -> int:
    """Wrap the keys of every recording and of every file in the vault anew; return how many. Blocking; may be repeated.

    Raises VaultDamaged, MasterKeyMissing, SessionKeyUnreadable, OSError; what was done until then stays done.
    """
    count = settings.vault(key).rewrap()
    journals = sorted(settings.journals.iterdir()) if settings.journals.exists() else []
    count += sum(rewrap_session_key(journal, settings.master_keys, key) for journal in journals)
    return count + settings.shelf.rewrap(key)


async def session_called(database: Database, name: str) -> str:
    """Return the id of the session with this number or id. Raises Refusal: session_unknown."""
    async with database.read() as db:
        found = await db.scalar(select(Session.id).where(or_(Session.id == name, Session.number == name)))
    if found is None:
        raise Refusal("session_unknown")
    return found
