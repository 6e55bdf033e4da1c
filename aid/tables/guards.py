"""What the database itself refuses to change, whoever asks: triggers on both databases."""

from sqlalchemy import Table

from aid.tables.case import PayeeAccount, SharedAccountDecision, Still
from aid.tables.money import PEOPLE, BankAnswer, BankAnswerLine, Entry
from records.database import Base, attach_ddl, forbid_changes


def _freeze(table: Table, when: str, message: str, *, verbs: tuple[str, ...] = ("UPDATE", "DELETE")) -> None:
    """Let the database refuse to change rows of `table` for which `when` (about OLD and NEW) holds."""
    name = f"{table.name}_{message.replace(' ', '_')}"
    sqlite = []
    postgresql = [
        f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{message}' USING ERRCODE = 'integrity_constraint_violation'; END $$"
    ]
    for verb in verbs:
        condition = when if verb == "UPDATE" else when.split(" AND NEW", 1)[0]
        sqlite.append(
            f"CREATE TRIGGER {name}_{verb.lower()} BEFORE {verb} ON {table.name} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
        postgresql.append(
            f"CREATE TRIGGER {name}_{verb.lower()} BEFORE {verb} ON {table.name} FOR EACH ROW WHEN ({condition}) "
            f"EXECUTE FUNCTION {name}()"
        )
    attach_ddl(table, sqlite=sqlite, postgresql=postgresql)


def _keep(*columns: str) -> str:
    """Return the condition that one of `columns`, once set, would be changed."""
    return (
        "(" + " OR ".join(f"(OLD.{c} IS NOT NULL AND (NEW.{c} IS NULL OR NEW.{c} <> OLD.{c}))" for c in columns) + ")"
    )


for _model in (Entry, PayeeAccount, Still, BankAnswer, BankAnswerLine, SharedAccountDecision):
    forbid_changes(Base.metadata.tables[_model.__tablename__])

_tables = Base.metadata.tables
_freeze(_tables["aid_holds"], "OLD.outcome IS NOT NULL", "hold already resolved")
_freeze(
    _tables["aid_orders"],
    _keep("case_id", "batch_id", "attempt", "reference", "amount_fen", *PEOPLE, "session_id", "account_id"),
    "order is fixed",
    verbs=("UPDATE",),
)
_freeze(
    _tables["aid_orders"],
    "OLD.state IN ('paid', 'returned', 'cancelled', 'held_back') AND NEW.state <> OLD.state",
    "order is final",
    verbs=("UPDATE",),
)
_freeze(_tables["aid_orders"], "OLD.state IS NOT NULL", "order stays", verbs=("DELETE",))
_freeze(_tables["aid_batches"], _keep("file_digest", "releaser_id", "drafter_id"), "file is fixed", verbs=("UPDATE",))
_freeze(_tables["aid_confirmations"], "OLD.state = 'signed' AND NEW.state <> OLD.state", "signed is signed")
_freeze(_tables["aid_approvals"], "OLD.voided_at IS NOT NULL", "voided approval stays")
