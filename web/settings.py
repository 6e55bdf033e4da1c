"""Everything that differs from one installation to the next, read from the environment and checked at start."""

import ipaddress
import re
import secrets
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, IPvAnyAddress, IPvAnyNetwork, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from records.master_keys import MasterKeys
from records.shelf import Shelf
from records.signing import SigningKey
from records.vault import Strongbox, Vault
from web.turn import IcePolicy

PREFIX = "JIEFANG_"
_KEY = re.compile(r"[0-9a-fA-F]{64}")
DEMO_MEDIA_WORKERS = 2
"""So that a hearing goes on at once when one dies. Each starts in 0.4 s, beside the other and the pages."""


class SettingsIncomplete(Exception):
    """The environment does not say enough to start; each problem is one sentence naming its variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class Settings(BaseSettings):
    """An installation's settings. Each field is read from `JIEFANG_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True)

    database_url: str = Field(
        description="SQLAlchemy 的数据库地址，例如 postgresql+asyncpg://user@host/jiefang 或 sqlite+aiosqlite:///路径",
        pattern=r"^(sqlite\+aiosqlite|postgresql\+asyncpg)://",
    )
    data_dir: Path = Field(description="录音录像、文书和审计链头存放的目录")
    public_origin: str = Field(
        description="当事人打开的网址，例如 https://12309.example.cn", pattern=r"^https?://[^/]+$"
    )
    login_secret: SecretStr = Field(description="登录与表单校验用的密钥，至少 32 个字符", min_length=32)
    personal_key: SecretStr = Field(description="加密个人信息的密钥，64 个十六进制字符")
    master_key: SecretStr = Field(description="加密录音录像和文书的主密钥，64 个十六进制字符")
    master_key_before: SecretStr | None = Field(
        default=None, description="换下来的主密钥；运行 jiefang rotate-keys 之后就不再需要"
    )
    signing_key_file: Path = Field(description="本院签名私钥的文件（PEM；Ed25519，或 SM2 配 SM3）")
    timestamp_url: str | None = Field(
        default=None, description="时间戳服务（RFC 3161）的网址；封存录像后请它盖时间戳", pattern=r"^https?://"
    )
    timestamp_authority_file: Path | None = Field(
        default=None, description="时间戳服务的证书（PEM，根证书和中间证书）；与网址一同给出"
    )
    host: str = Field(default="127.0.0.1", description="网页监听的地址")
    port: int = Field(default=8080, ge=0, le=65535, description="网页监听的端口")
    trusted_proxy: IPvAnyNetwork | None = Field(
        default=None,
        description="网页前面反向代理的地址或网段：它加的 X-Forwarded-For 才算数，没有就按直接来访的地址",
    )
    media_port: int = Field(
        default=8443,
        ge=0,
        le=65535,
        description="音视频的 UDP 端口：第一个音视频进程的，其余进程依次加一；0 表示任选",
    )
    media_workers: int = Field(default=0, ge=0, le=256, description="音视频进程的个数；0 表示与处理器核数相同")
    recorder_memory_mib: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="磁盘写不进去时，每场接访的录像最多在内存里等多少 MiB，每个音视频进程合计最多是它的八倍；"
        "两个人大约每分钟 20 MiB",
    )
    media_addresses: tuple[IPvAnyAddress, ...] = Field(
        default=(ipaddress.IPv4Address("127.0.0.1"),), description="告诉浏览器的音视频地址，JSON 数组"
    )
    turn_urls: tuple[Annotated[str, Field(pattern=r"^turns?:[^\s/]+$")], ...] = Field(
        default=(),
        description='TURN 中继的地址，JSON 数组，例如 ["turn:turn.example.cn:3478?transport=udp"]，见 docs/turn.md',
    )
    turn_secret: SecretStr | None = Field(
        default=None,
        description="与 TURN 中继共用的密钥（coturn 的 static-auth-secret），至少 32 个字符",
        min_length=32,
    )
    ice_policy: IcePolicy = Field(default=IcePolicy.ALL, description="浏览器走哪些路：all 都可以，relay 只经 TURN 中继")
    tls_certificate_file: Path | None = Field(default=None, description="TLS 证书（PEM）；与私钥一同给出")
    tls_key_file: Path | None = Field(default=None, description="TLS 私钥（PEM）")
    retention_recording_days: int = Field(
        default=10950, ge=0, description="录音录像原始记录在接访结束后保管的天数；0 表示永久"
    )
    retention_playback_days: int = Field(default=10950, ge=0, description="可播放的录像保管的天数；0 表示永久")
    retention_document_days: int = Field(default=10950, ge=0, description="截图和签名保管的天数；0 表示永久")
    retention_bank_days: int = Field(default=10950, ge=0, description="银行文件和回单保管的天数；0 表示永久")
    demo: bool = Field(default=False, description="演示：显示模拟申请人与银行桩")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError(f"{PREFIX}TLS_CERTIFICATE_FILE 与 {PREFIX}TLS_KEY_FILE 要么都给出，要么都不给")
        if self.media_port + max(self.media_workers, 1) - 1 > 65535:
            raise ValueError(f"{PREFIX}MEDIA_PORT 之后没有足够的端口给 {PREFIX}MEDIA_WORKERS 个进程")
        if bool(self.turn_urls) != (self.turn_secret is not None):
            raise ValueError(f"{PREFIX}TURN_URLS 与 {PREFIX}TURN_SECRET 要么都给出，要么都不给")
        if self.ice_policy is IcePolicy.RELAY and not self.turn_urls:
            raise ValueError(f"{PREFIX}ICE_POLICY 是 relay 时，要给出 {PREFIX}TURN_URLS")
        if (self.timestamp_url is None) != (self.timestamp_authority_file is None):
            raise ValueError(f"{PREFIX}TIMESTAMP_URL 与 {PREFIX}TIMESTAMP_AUTHORITY_FILE 要么都给出，要么都不给")
        keys = {"PERSONAL_KEY": self.personal_key, "MASTER_KEY": self.master_key}
        if self.master_key_before is not None:
            keys["MASTER_KEY_BEFORE"] = self.master_key_before
        for name, key in keys.items():
            if not _KEY.fullmatch(key.get_secret_value()):
                raise ValueError(f"{PREFIX}{name} 必须是 64 个十六进制字符（32 字节）")
        return self

    @property
    def master_keys(self) -> MasterKeys:
        """Return the key that wraps all others at rest, and the one before it while that is still needed."""
        before = self.master_key_before
        return MasterKeys(
            bytes.fromhex(self.master_key.get_secret_value()),
            [] if before is None else [bytes.fromhex(before.get_secret_value())],
        )

    def vault(self, key: SigningKey) -> Vault:
        """Return the vault, which encrypts."""
        return Vault(self.data_dir / "vault", Strongbox(self.master_keys, key))

    @property
    def secure(self) -> bool:
        """Tell whether browsers reach us over TLS, here or at a proxy in front."""
        return self.public_origin.startswith("https://")

    @property
    def journals(self) -> Path:
        """Return the directory that holds one journal a session."""
        return self.data_dir / "journals"

    @property
    def playback(self) -> Path:
        """Return the directory of playback files, which can always be made again from the journals."""
        return self.data_dir / "playback"

    @property
    def shelf(self) -> Shelf:
        """Return where playback files and pictures of everybody lie, encrypted."""
        return Shelf(self.playback, self.master_keys)

    @property
    def heads(self) -> Path:
        """Return the file of signed trail heads."""
        return self.data_dir / "heads.jsonl"


def read_settings() -> Settings:
    """Read the environment; raise `SettingsIncomplete` with one sentence a problem."""
    try:
        return Settings()  # type: ignore[call-arg]  # the fields come from the environment
    except ValidationError as error:
        raise SettingsIncomplete([_sentence(problem["loc"], problem["msg"]) for problem in error.errors()]) from None


def _sentence(where: tuple[int | str, ...], message: str) -> str:
    if not where:
        return message.removeprefix("Value error, ")
    field = str(where[0])
    described = Settings.model_fields[field].description
    return f"{PREFIX}{field.upper()}：{described}（{message}）"


def demo_settings(var: Path, *, port: int, media_port: int, addresses: tuple[str, ...], tls: bool) -> Settings:
    """Return the settings of the demonstration, whose secrets are made once and kept under `var`."""
    kept = var / "secrets"
    kept.mkdir(parents=True, exist_ok=True, mode=0o700)
    host = addresses[-1] if tls else "127.0.0.1"
    return Settings(
        database_url=f"sqlite+aiosqlite:///{(var / 'jiefang.sqlite').absolute()}",
        data_dir=(var / "data").absolute(),
        public_origin=f"{'https' if tls else 'http'}://{host}:{port}",
        login_secret=SecretStr(_kept_secret(kept / "login")),
        personal_key=SecretStr(_kept_secret(kept / "personal")),
        master_key=SecretStr(_kept_secret(kept / "master")),
        signing_key_file=kept / "office.pem",
        host="0.0.0.0" if tls else "127.0.0.1",  # noqa: S104  # a phone in the same network must reach the demo
        port=port,
        media_port=media_port,
        media_workers=DEMO_MEDIA_WORKERS,
        media_addresses=tuple(ipaddress.ip_address(address) for address in addresses),
        tls_certificate_file=kept / "certificate.pem" if tls else None,
        tls_key_file=kept / "certificate.key" if tls else None,
        demo=True,
    )


def _kept_secret(path: Path) -> str:
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32), "ascii")
    return path.read_text("ascii")
