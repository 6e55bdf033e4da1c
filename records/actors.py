"""Who acts, and the one table of what each role may do.

Least privilege (GB/T 22239-2019, 8.1.4.2): a role has only what is listed here. Which of two permitted people may
do *this* thing (never approve what one handled, never release what one drafted) is the ledger's question.
"""

from dataclasses import dataclass
from enum import StrEnum

from records.refusals import Refusal


class Role(StrEnum):
    """An office that somebody holds."""

    HOST = "host"
    FAR_END = "far_end"
    APPROVER = "approver"
    FINANCE = "finance"
    ADMINISTRATOR = "administrator"
    GUEST = "guest"
    """Somebody from outside who takes part in hearings, or watches: an interpreter, a people's supervisor."""
    APPLICANT = "applicant"
    SYSTEM = "system"


class Permission(StrEnum):
    """Something that can be done."""

    SEE_HEARINGS = "see_hearings"
    BOOK_HEARING = "book_hearing"
    HOST_HEARING = "host_hearing"
    JOIN_HEARING = "join_hearing"
    VERIFY_IDENTITY = "verify_identity"
    PLAY_RECORDING = "play_recording"
    SEE_CASES = "see_cases"
    HANDLE_CASE = "handle_case"
    APPROVE_AID = "approve_aid"
    SEE_PAYMENTS = "see_payments"
    DRAFT_BATCH = "draft_batch"
    RELEASE_BATCH = "release_batch"
    TAKE_BANK_ANSWER = "take_bank_answer"
    APPROPRIATE_FUND = "appropriate_fund"
    MANAGE_ACCOUNTS = "manage_accounts"
    READ_TRAIL = "read_trail"
    CONFIRM_AID = "confirm_aid"
    SEE_OWN_RECEIPT = "see_own_receipt"
    RUN_HOUSEKEEPING = "run_housekeeping"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.HOST: frozenset(
        {
            Permission.SEE_HEARINGS,
            Permission.BOOK_HEARING,
            Permission.HOST_HEARING,
            Permission.JOIN_HEARING,
            Permission.VERIFY_IDENTITY,
            Permission.PLAY_RECORDING,
            Permission.SEE_CASES,
            Permission.HANDLE_CASE,
            Permission.SEE_PAYMENTS,
        }
    ),
    Role.FAR_END: frozenset({Permission.SEE_HEARINGS, Permission.JOIN_HEARING, Permission.VERIFY_IDENTITY}),
    Role.GUEST: frozenset({Permission.JOIN_HEARING}),
    Role.APPROVER: frozenset(
        {
            Permission.SEE_HEARINGS,
            Permission.JOIN_HEARING,
            Permission.PLAY_RECORDING,
            Permission.SEE_CASES,
            Permission.APPROVE_AID,
            Permission.SEE_PAYMENTS,
        }
    ),
    Role.FINANCE: frozenset(
        {
            Permission.SEE_CASES,
            Permission.SEE_PAYMENTS,
            Permission.DRAFT_BATCH,
            Permission.RELEASE_BATCH,
            Permission.TAKE_BANK_ANSWER,
        }
    ),
    Role.ADMINISTRATOR: frozenset(
        {
            Permission.MANAGE_ACCOUNTS,
            Permission.APPROPRIATE_FUND,
            Permission.READ_TRAIL,
            Permission.SEE_PAYMENTS,
        }
    ),
    Role.APPLICANT: frozenset({Permission.JOIN_HEARING, Permission.CONFIRM_AID, Permission.SEE_OWN_RECEIPT}),
    Role.SYSTEM: frozenset({Permission.RUN_HOUSEKEEPING}),
}


class ActorKind(StrEnum):
    """Where an actor comes from."""

    STAFF = "staff"
    APPLICANT = "applicant"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever a use case acts for. `id` is a staff id, an applicant's seat id, or the name of a part of the system."""

    kind: ActorKind
    id: str
    name: str
    office_id: str | None
    roles: frozenset[Role]

    def may(self, permission: Permission) -> bool:
        """Tell whether any of the actor's roles carries `permission`."""
        return any(permission in PERMISSIONS[role] for role in self.roles)

    def require(self, permission: Permission) -> None:
        """Raise `Refusal("not_permitted")` unless the actor may."""
        if not self.may(permission):
            raise Refusal("not_permitted", permission=permission.value)


def system_actor(part: str) -> Actor:
    """Return the actor for something the system does by itself, e.g. sealing a recording."""
    return Actor(ActorKind.SYSTEM, part, part, None, frozenset({Role.SYSTEM}))
