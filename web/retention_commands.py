"""Commands for how long things are kept: `jiefang retention`, `jiefang hold`."""

from pathlib import Path

import click

from records.clock import SystemClock
from records.database import Database
from records.signing import SigningKey
from sessions.holds import lift_hold, place_hold
from web.exports import command_line_actor
from web.keeping_commands import VAR, run_with_database, session_called, settings_for
from web.retention import KINDS, Due, delete_due, find_due


@click.command()
@VAR
@click.option("--delete", "deletes", is_flag=True, help="把列出的都删除；不给就只列出")
@click.option("--reason", help="删除的理由，永远留在审计链上，不要写个人信息")
def retention(var: Path | None, deletes: bool, reason: str | None) -> None:
    """列出保管期限已到、没有保全的材料；加 --delete 和 --reason 才删除，每一项都留下记录。"""
    if deletes != (reason is not None):
        raise click.UsageError("删除要同时给出 --delete 和 --reason。")
    settings = settings_for(var)

    async def job(database: Database) -> list[Due]:
        vault, clock = settings.vault(SigningKey.load(settings.signing_key_file)), SystemClock()
        async with database.read() as db:
            due = await find_due(db, settings, vault, clock=clock)
        if reason is not None:
            for one in due:
                await delete_due(database, settings, vault, command_line_actor(), one, reason, clock=clock)
        return due

    due = run_with_database(settings, job)
    for one in due:
        files = len(one.digests) + len(one.paths)
        click.echo(f"· {one.title} {KINDS[one.kind]}，{files} 个文件，接访结束于 {one.ended_at:%Y-%m-%d}")
    if not due:
        click.echo("没有到期的材料。")
    elif deletes:
        click.echo(f"以上 {len(due)} 项已删除，审计链上有记录。")
    else:
        click.echo(f"以上 {len(due)} 项已到期，没有删除。要删除，请加 --delete 和 --reason。")


@click.command()
@click.argument("session")
@VAR
@click.option("--lift", is_flag=True, help="解除保全")
@click.option("--reason", required=True, help="理由，永远留在审计链上，不要写个人信息")
def hold(session: str, var: Path | None, lift: bool, reason: str) -> None:
    """保全接访 SESSION（编号或内部标识）的全部材料：到期也不删除，直到解除。"""
    settings = settings_for(var)

    async def job(database: Database) -> None:
        found = await session_called(database, session)
        change = lift_hold if lift else place_hold
        async with database.begin() as db:
            await change(db, command_line_actor(), found, reason, clock=SystemClock())

    run_with_database(settings, job)
    click.echo("已解除保全。" if lift else "已保全，到期也不会删除。")
