"""The command `jiefang`."""

import asyncio
import logging
import secrets
import ssl
import sys
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import click
from aiohttp import web

from records.clock import SystemClock
from records.migrations import migrate, pending
from records.signing import Algorithm, SigningKey
from records.timestamps import Authority, AuthorityUnreadable
from signaling.media.crew import MediaUnavailable
from web.addresses import own_addresses
from web.app import make_app
from web.certificates import ensure_certificate
from web.demo import prepare_demo, say_who_signs_in
from web.keeping_commands import export, rotate_keys
from web.retention_commands import hold, retention
from web.settings import Settings, SettingsIncomplete, demo_settings, read_settings
from web.simulator.applicant import Options, Outcome, run
from web.verify import verify_evidence, verify_installation

T = TypeVar("T")

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("jiefang"), prog_name="jiefang")
def main() -> None:
    """接访：检察机关远程视频接访与国家司法救助。"""


@main.command()
def serve() -> None:
    """按环境变量（JIEFANG_…）里的设置提供服务。"""
    settings = _settings()
    if asyncio.run(pending(settings.database_url)):
        click.echo("数据库的结构不是当前版本，没有启动。请先运行 jiefang migrate。", err=True)
        sys.exit(2)
    _run_server(settings, said=f"服务已启动：{settings.public_origin}")


@main.command(name="make-keys")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--algorithm",
    type=click.Choice([algorithm.value for algorithm in Algorithm]),
    default=Algorithm.ED25519.value,
    show_default=True,
    help="签名算法：ed25519，或国密 sm2（配 SM3）",
)
def make_keys(directory: Path, algorithm: str) -> None:
    """在 DIRECTORY 里生成本院的签名密钥，并给出另外三个密钥的值。已有的不覆盖。"""
    key_file = directory / "office.pem"
    if key_file.exists():
        click.echo(f"{key_file} 已经有了，没有覆盖。", err=True)
        sys.exit(1)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = SigningKey.generate(Algorithm(algorithm))
    key.save(key_file)
    key.public.save(directory / "office-public.pem")
    click.echo(f"JIEFANG_SIGNING_KEY_FILE={key_file.absolute()}")
    click.echo(f"JIEFANG_LOGIN_SECRET={secrets.token_hex(32)}")
    click.echo(f"JIEFANG_PERSONAL_KEY={secrets.token_hex(32)}")
    click.echo(f"JIEFANG_MASTER_KEY={secrets.token_hex(32)}")
    click.echo(f"# 公钥编号 {key.key_id}；请把公钥公布，把私钥和上面的值另存一份。")


@main.command(name="migrate")
def migrate_command() -> None:
    """把数据库升级到当前版本的结构。"""
    settings = _settings()
    asyncio.run(migrate(settings.database_url))
    click.echo("数据库结构已是最新。")


@main.command()
@click.option("--var", "var", type=click.Path(path_type=Path), default=Path("var"), show_default=True, help="数据目录")
@click.option("--port", default=8080, show_default=True, help="网页端口")
@click.option("--media-port", default=8443, show_default=True, help="音视频 UDP 端口")
@click.option("--https", is_flag=True, help="用自签名证书在所有地址上提供服务，供同一网络里的手机进入")
def demo(var: Path, port: int, media_port: int, https: bool) -> None:
    """在本机演示：自带数据库和演示数据，一个人就能走完全程。"""
    addresses = own_addresses()
    settings = demo_settings(var, port=port, media_port=media_port, addresses=addresses, tls=https)
    if settings.tls_certificate_file and settings.tls_key_file:
        ensure_certificate(settings.tls_certificate_file, settings.tls_key_file, addresses)
    if not settings.signing_key_file.exists():
        click.echo("· 生成本院演示用的签名密钥")
        SigningKey.generate().save(settings.signing_key_file)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    click.echo("· 准备数据库")
    asyncio.run(migrate(settings.database_url))
    if asyncio.run(prepare_demo(settings, clock=SystemClock())):
        click.echo("· 写入演示数据")
    say_who_signs_in(settings)
    _run_server(settings, said=f"已就绪：{settings.public_origin}  （按 Ctrl-C 停止，数据会保留）")


@main.command(name="simulate-applicant")
@click.argument("url")
@click.option("--id-tail", required=True, help="证件号码最后四位")
@click.option("--refuse", is_flag=True, help="不同意数额或账号，提出异议")
@click.option("--insecure", is_flag=True, help="接受自签名证书（演示）")
def simulate_applicant(url: str, id_tail: str, refuse: bool, insecure: bool) -> None:
    """用邀请链接 URL 进入接访，扮演申请人：出示证件、回答、确认、签名。"""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    report = _run_until_stopped(run(url, id_tail, options=Options(refuse=refuse, insecure=insecure)))
    if report is not None:
        click.echo(report.sentence)
        sys.exit(0 if report.outcome in (Outcome.ENDED, Outcome.LEFT) else 1)


@main.command()
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--var", "var", type=click.Path(path_type=Path), default=Path("var"), show_default=True, help="数据目录")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help="本院公钥（PEM）；缺省用数据目录里的")
@click.option("--rebuild", type=click.Path(path_type=Path), help="在这个目录里由证据包的原始记录重新生成录像，并对照")
@click.option(
    "--authority",
    "authority_file",
    type=click.Path(path_type=Path),
    help="时间戳服务的证书（PEM），用来核对时间戳",
)
def verify(
    bundle: Path | None, var: Path, key_file: Path | None, rebuild: Path | None, authority_file: Path | None
) -> None:
    """离线核对证据包 BUNDLE；不给 BUNDLE 时，核对本机的审计链、录音录像、文书和账目。用人话说出结果。"""
    if bundle is not None and key_file is None:
        raise click.UsageError("核对证据包要用 --key 给出从别的途径取得的本院公钥。")
    if bundle is None and rebuild is not None:
        raise click.UsageError("--rebuild 要和证据包一起用。")
    for path in (bundle, key_file, authority_file):
        if path is not None and not path.exists():
            raise click.UsageError(f"没有这个文件：{path}。")
    try:
        authority = None if authority_file is None else Authority.load(authority_file)
    except AuthorityUnreadable:
        raise click.UsageError(f"{authority_file} 里没有证书。") from None
    if bundle is not None and key_file is not None:
        report = verify_evidence(bundle, key_file, rebuild, authority)
    elif var.exists():
        report = asyncio.run(verify_installation(var, key_file, authority))
    else:
        raise click.UsageError(f"没有数据目录 {var}。")
    for line in report.lines:
        click.echo(line)
    sys.exit(0 if report.whole else 1)


main.add_command(export)
main.add_command(rotate_keys)
main.add_command(retention)
main.add_command(hold)


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsIncomplete as error:
        click.echo("设置不完整，没有启动：", err=True)
        for problem in error.problems:
            click.echo(f"  · {problem}", err=True)
        sys.exit(2)


def _run_server(settings: Settings, *, said: str) -> None:
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    for chatty in ("aiohttp.access", "aioice", "aiortc"):
        # They log every request and every candidate's address, which nobody needs and which is personal data.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    tls = None
    if settings.tls_certificate_file and settings.tls_key_file:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file)
    try:
        web.run_app(
            make_app(settings, clock=SystemClock()),
            host=settings.host,
            port=settings.port,
            ssl_context=tls,
            print=lambda *_: click.echo(said),
            shutdown_timeout=5,
        )
        click.echo("已停止，数据都在。")
    except MediaUnavailable as error:
        why = "已被别的程序占用" if error.code == "port_taken" else f"打不开（{error.code}），日志里有原因"
        said = f"没能启动：音视频的 UDP 端口 {error.port} {why}。"
        click.echo(f"{said}可以换一个（JIEFANG_MEDIA_PORT；演示用 --media-port）。", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"没能启动：{error.strerror or error}（端口 {settings.port} 可能被占用）", err=True)
        sys.exit(1)


def _run_until_stopped(job: Coroutine[object, object, T]) -> T | None:
    try:
        return asyncio.run(job)
    except KeyboardInterrupt:
        return None


if __name__ == "__main__":
    main()
