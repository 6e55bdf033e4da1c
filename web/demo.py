"""The demonstration's people, fund, case and hearing. All names and numbers are made up; all are valid in form."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from aid.cases import OpenCase, case_of_session, link_session, open_case
from aid.ledger import EnterWage, OpenFund, appropriate, enter_wage, open_fund
from aid.tables import AidCase
from records.actors import Actor, ActorKind, Role
from records.clock import Clock
from records.database import Database
from records.ids import new_id
from records.personal import PersonalData
from records.refusals import Refusal
from sessions.admission import find_invitation
from sessions.booking import Attendee, BookSession, book, invite
from sessions.days import office_date
from sessions.seats import SeatRole
from sessions.states import SessionState
from sessions.tables import Office, Seat, Session
from web.accounts.logins import hash_password
from web.accounts.tables import Staff
from web.settings import Settings
from web.simulator.person import DEMO_APPLICANT

PASSWORD = "jiefang-demo"  # noqa: S105  # the demonstration's, printed at its start
HEARING_LASTS = timedelta(hours=6)
BUDGET_FEN = 1_200_000_00
AID_FEN = 20_000_00


@dataclass(frozen=True, slots=True)
class DemoOffice:
    """A procuratorate of the demonstration."""

    name: str
    short_name: str
    region: str


HOME = DemoOffice("东营区人民检察院", "东营区检", "山东省")
FAR = DemoOffice("梁山县人民检察院", "梁山县检", "山东省")


@dataclass(frozen=True, slots=True)
class DemoPerson:
    """A member of staff of the demonstration; `task` says what they do in it."""

    user_name: str
    name: str
    title: str
    office: DemoOffice
    role: Role
    task: str


PEOPLE = (
    DemoPerson("wang", "王志远", "检察官", HOME, Role.HOST, "主持接访、核验身份、宣读决定"),
    DemoPerson("liu", "刘敏", "检察官助理", FAR, Role.FAR_END, "在申请人所在地协助"),
    DemoPerson("qian", "钱芳", "人民监督员", HOME, Role.GUEST, "旁听：看得到、听得到，不出镜"),
    DemoPerson("chen", "陈立", "副检察长", HOME, Role.APPROVER, "审批救助"),
    DemoPerson("sun", "孙悦", "财务", HOME, Role.FINANCE, "制单、收银行回单"),
    DemoPerson("zhou", "周海", "财务", HOME, Role.FINANCE, "复核放行"),
    DemoPerson("he", "何静", "管理员", HOME, Role.ADMINISTRATOR, "拨入预算、查看记录"),
)


async def prepare_demo(settings: Settings, *, clock: Clock) -> bool:
    """Lay in what is missing: people, fund and case once, and a hearing that can be held today. Tell whether it wrote.

    Running it again keeps everything that was done.
    """
    database = Database(
        settings.database_url, personal=PersonalData(bytes.fromhex(settings.personal_key.get_secret_value()))
    )
    try:
        async with database.begin() as db:
            is_new = await db.scalar(select(Staff.id).limit(1)) is None
            if is_new:
                await _lay_in(db, clock)
        async with database.begin() as db:
            await _ensure_hearing(db, settings, clock)
    finally:
        await database.dispose()
    return is_new


async def _lay_in(db: AsyncSession, clock: Clock) -> None:
    offices = {office: Office(id=new_id(), **_fields(office)) for office in (HOME, FAR)}
    db.add_all(offices.values())
    await db.flush()
    password_hash = hash_password(PASSWORD)
    db.add_all(
        Staff(
            id=new_id(),
            office_id=offices[person.office].id,
            user_name=person.user_name,
            name=person.name,
            title=person.title,
            roles=person.role.value,
            password_hash=password_hash,
        )
        for person in PEOPLE
    )
    await db.flush()
    administrator, host = await _actor(db, "he"), await _actor(db, "wang")
    home = offices[HOME]
    year = office_date(clock.now()).year
    await enter_wage(db, administrator, EnterWage(home.region, year - 1, 8_500_00, "演示数据，非公布数据"), clock=clock)
    fund = await open_fund(
        db,
        administrator,
        OpenFund(
            office_id=home.id,
            year=year,
            name=f"{year}年国家司法救助资金",
            payer_name=HOME.name,
            payer_account="3700165640800000008",
            bank_name="演示银行东营分行",
            bank_cnaps="102455001019",
        ),
        clock=clock,
    )
    await appropriate(db, administrator, fund.id, BUDGET_FEN, document=f"演示财预〔{year}〕1号", clock=clock)
    await open_case(db, host, _case(home.id, year), clock=clock)


def _fields(office: DemoOffice) -> dict[str, str]:
    return {"name": office.name, "short_name": office.short_name, "region": office.region}


def _case(office_id: str, year: int) -> OpenCase:
    number = f"{HOME.short_name}救助〔{year}〕17号"
    return OpenCase(
        number=number,
        office_id=office_id,
        applicant_name=DEMO_APPLICANT.name,
        id_number=DEMO_APPLICANT.id_number,
        phone="13800000000",
        address=DEMO_APPLICANT.address,
        category="injured_victim",
        reason="被害人重伤致残，加害人无赔偿能力，丧失主要生活来源。",
        amount_fen=AID_FEN,
        bank_name="梁山县农村商业银行",
        cnaps="402468001230",
        account_name=DEMO_APPLICANT.name,
        account_number="6217002370000023456",
        decision_text=(
            f"{number}。经审查，{DEMO_APPLICANT.name}符合国家司法救助条件，"
            "决定给予一次性国家司法救助金人民币贰万元整，汇入其本人银行账户。"
        ),
    )


async def _actor(db: AsyncSession, user_name: str) -> Actor:
    staff = (await db.scalars(select(Staff).where(Staff.user_name == user_name))).one()
    roles = frozenset(Role(role) for role in staff.roles.split())
    return Actor(ActorKind.STAFF, staff.id, staff.name, staff.office_id, roles)


async def _ensure_hearing(db: AsyncSession, settings: Settings, clock: Clock) -> None:
    """See to it that the newest hearing, unless it was held, is one of today, with a link that opens."""
    newest = (await db.scalars(select(Session).order_by(Session.booked_at.desc()).limit(1))).first()
    if newest is not None and newest.state not in (SessionState.BOOKED, SessionState.IN_SESSION):
        return
    if newest is not None and await _link_opens(db, settings, clock):
        return
    host = await _actor(db, "wang")
    if newest is not None and newest.state is SessionState.IN_SESSION:
        session = newest
    else:
        session = await _book_hearing(db, host, clock)
    seat_id = await db.scalar(select(Seat.id).where(Seat.session_id == session.id, Seat.role == SeatRole.APPLICANT))
    if seat_id is None:
        raise LookupError("a hearing without an applicant's seat")
    _link_file(settings).write_text(await invite(db, host, seat_id, clock=clock), "ascii")


async def _book_hearing(db: AsyncSession, host: Actor, clock: Clock) -> Session:
    far = (await db.scalars(select(Staff).where(Staff.user_name == "liu"))).one()
    # Data laid in by an earlier release has nobody who watches.
    watching = await db.scalars(select(Staff).where(Staff.user_name == "qian"))
    held_for = (await db.scalars(select(Session).order_by(Session.booked_at.desc()).limit(1))).first()
    case_id = (await case_of_session(db, held_for.id)).id if held_for else await _only_case(db)
    starts_at = _half_hour_before(clock.now())
    session = await book(
        db,
        host,
        BookSession(
            office_id=host.office_id or "",
            subject="国家司法救助",
            applicant_name=DEMO_APPLICANT.name,
            applicant_id_tail=DEMO_APPLICANT.id_tail,
            starts_at=starts_at,
            ends_at=starts_at + HEARING_LASTS,
            host=Attendee(host.id, host.name, "检察官"),
            far_office_id=far.office_id,
            far_end=[Attendee(far.id, far.name, far.title)],
            observers=[Attendee(person.id, person.name, person.title) for person in watching],
        ),
        clock=clock,
    )
    await link_session(db, host, case_id, session.id, clock=clock)
    return session


async def _only_case(db: AsyncSession) -> str:
    return (await db.scalars(select(AidCase.id).limit(1))).one()


def _half_hour_before(now: datetime) -> datetime:
    return now.replace(minute=now.minute - now.minute % 30, second=0, microsecond=0)


def _link_file(settings: Settings) -> Path:
    return settings.signing_key_file.parent / "invitation"


async def _link_opens(db: AsyncSession, settings: Settings, clock: Clock) -> bool:
    try:
        await find_invitation(db, _token(settings), clock=clock)
    except Refusal:
        return False
    return True


def _token(settings: Settings) -> str:
    path = _link_file(settings)
    return path.read_text("ascii") if path.exists() else ""


def invitation_url(settings: Settings) -> str:
    """Return the link that the demonstration's applicant received."""
    return f"{settings.public_origin}/i/{_token(settings)}"


def say_who_signs_in(settings: Settings) -> None:
    """Print who signs in where."""
    table = Table(title="演示：人名、机构、数字都是编的", title_justify="left", show_edge=False, pad_edge=False)
    for column in ("谁", "做什么", "从哪里进", "用户名", "密码"):
        table.add_column(column)
    for person in PEOPLE:
        table.add_row(f"{person.name} {person.title}", person.task, "/sign-in", person.user_name, PASSWORD)
    table.add_row(
        f"{DEMO_APPLICANT.name} 申请人", "在手机或另一个窗口进入", "邀请链接", "后四位", DEMO_APPLICANT.id_tail
    )
    console = Console()
    console.print(table)
    console.print("邀请链接：", invitation_url(settings), sep="", soft_wrap=True)
