"""The case and the money, as rows. What the database itself refuses is written here, beside the columns.

Personal data is concealed (`*_concealed`), compared by keyed fingerprint, shown masked (`*_masked`).
"""

from aid.tables import guards
from aid.tables.case import (
    AidCase,
    Approval,
    CaseSession,
    Check,
    Confirmation,
    PayeeAccount,
    SharedAccountDecision,
    Still,
    Verification,
    Wage,
)
from aid.tables.money import (
    Balance,
    BankAnswer,
    BankAnswerLine,
    Batch,
    Entry,
    Fund,
    Hold,
    Order,
)

__all__ = [
    "AidCase",
    "Approval",
    "Balance",
    "BankAnswer",
    "BankAnswerLine",
    "Batch",
    "CaseSession",
    "Check",
    "Confirmation",
    "Entry",
    "Fund",
    "Hold",
    "Order",
    "PayeeAccount",
    "SharedAccountDecision",
    "Still",
    "Verification",
    "Wage",
    "guards",
]
