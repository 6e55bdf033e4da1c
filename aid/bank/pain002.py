"""The bank's answer as an ISO 20022 file: pain.002.001.10."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

from pyiso20022.pain import pain_002_001_10 as iso
from xsdata.exceptions import ConverterWarning, ParserError
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.config import ParserConfig
from xsdata.formats.dataclass.parsers.handlers import LxmlEventHandler

from aid.bank.gateway import Answer, AnswerLine, LineStatus, read_xml
from aid.money import MAX_FEN
from records.refusals import Refusal
from sessions.days import OFFICE_ZONE

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.002.001.10"

STATUSES: Final = {
    # ISO 20022 external code set ExternalPaymentTransactionStatus1Code.
    "ACSC": LineStatus.PAID,  # settled on the debtor's account
    "ACCC": LineStatus.PAID,  # settled on the creditor's account
    "RJCT": LineStatus.RETURNED,
    "RCVD": LineStatus.PENDING,
    "PDNG": LineStatus.PENDING,
    "ACTC": LineStatus.PENDING,
    "ACCP": LineStatus.PENDING,
    "ACSP": LineStatus.PENDING,
    "ACWC": LineStatus.PENDING,
}

RETURN_REASONS: Final = {
    # ISO 20022 external code set ExternalStatusReason1Code.
    "AC01": "收款账号不正确",
    "AC04": "收款账户已销户",
    "AC06": "收款账户被冻结或止付",
    "AC07": "收款账户已停用",
    "AM02": "金额超过银行单笔限额",
    "AM04": "付款账户余额不足",
    "BE01": "收款人户名与账号不符",
    "RC01": "收款行行号不正确",
    "RR01": "收款账户信息不全",
    "MS03": "银行未说明原因",
    "NARR": "见银行附言",
}


def read(data: bytes) -> Answer:
    """Read an answer.

    Refusals: answer_unreadable, answer_cut, answer_too_large, answer_unknown_status(line, status),
    answer_amount_differs(line, reference) for another currency.
    """
    element = read_xml(data, root="Document")
    if element.tag != f"{{{NAMESPACE}}}Document":
        raise Refusal("answer_unreadable")
    config = ParserConfig(fail_on_unknown_properties=True, fail_on_converter_warnings=True)
    try:
        document = XmlParser(config=config, handler=LxmlEventHandler).parse(element, iso.Document)
        return _answer(document.cstmr_pmt_sts_rpt)
    except (ParserError, ConverterWarning, ValueError, TypeError, AttributeError) as error:
        # Well-formed, but not what the message's definition asks for.
        raise Refusal("answer_unreadable") from error


def _answer(report: iso.CustomerPaymentStatusReportV10) -> Answer:
    group = report.orgnl_grp_inf_and_sts
    transactions = [item for block in report.orgnl_pmt_inf_and_sts for item in block.tx_inf_and_sts]
    lines = tuple(_line(number, item) for number, item in enumerate(transactions, start=1))
    counted = [entry for block in report.orgnl_pmt_inf_and_sts for entry in block.nb_of_txs_per_sts]
    if not lines or (counted and sum(int(entry.dtld_nb_of_txs) for entry in counted) != len(lines)):
        # The file counts its own lines: fewer than that, and some were lost on the way.
        raise Refusal("answer_cut")
    return Answer(
        message_id=report.grp_hdr.msg_id,
        answered_at=_instant(report.grp_hdr.cre_dt_tm.to_datetime()),
        bank_cnaps=_bank(report),
        original_message_id=group.orgnl_msg_id,
        original_count=int(group.orgnl_nb_of_txs) if group.orgnl_nb_of_txs else None,
        original_total_fen=_fen(group.orgnl_ctrl_sum) if group.orgnl_ctrl_sum is not None else None,
        lines=lines,
    )


def _bank(report: iso.CustomerPaymentStatusReportV10) -> str:
    agent = report.grp_hdr.dbtr_agt
    member = agent.fin_instn_id.clr_sys_mmb_id if agent else None
    return member.mmb_id if member else ""


def _line(number: int, item: iso.PaymentTransaction105) -> AnswerLine:
    status = STATUSES.get(item.tx_sts or "")
    if status is None:
        raise Refusal("answer_unknown_status", line=number, status=(item.tx_sts or "")[:10])
    original = item.orgnl_tx_ref
    amount = original.amt.instd_amt if original and original.amt else None
    if original is None or amount is None or not item.orgnl_end_to_end_id:
        raise ValueError("a line names its order and the amount")
    if amount.ccy != "CNY":
        raise Refusal("answer_amount_differs", line=number, reference=item.orgnl_end_to_end_id[:35])
    reason_code, reason = _reason(item)
    return AnswerLine(
        line=number,
        reference=item.orgnl_end_to_end_id,
        status=status,
        code=item.tx_sts or "",
        amount_fen=_fen(amount.value),
        account=_account(original),
        execute_on=_day(original),
        reason_code=reason_code,
        reason=reason,
        bank_reference=item.acct_svcr_ref,
    )


def _account(original: iso.OriginalTransactionReference28) -> str | None:
    other = original.cdtr_acct.id.othr if original.cdtr_acct else None
    return other.id if other else None


def _day(original: iso.OriginalTransactionReference28) -> date | None:
    day = original.reqd_exctn_dt.dt if original.reqd_exctn_dt else None
    return day.to_date() if day else None


def _reason(item: iso.PaymentTransaction105) -> tuple[str | None, str]:
    for information in item.sts_rsn_inf:
        code = (information.rsn.cd or information.rsn.prtry) if information.rsn else None
        words = [RETURN_REASONS[code]] if code in RETURN_REASONS else []
        return code, "；".join([*words, *information.addtl_inf])[:500]
    return None, ""


def _fen(amount: Decimal) -> int:
    fen = amount * 100
    if fen != fen.to_integral_value() or not 0 < fen <= MAX_FEN:
        raise ValueError(f"not an amount in whole fen: {amount}")
    return int(fen)


def _instant(at: datetime) -> datetime:
    # Banks here write Beijing time, with or without saying so.
    return (at if at.tzinfo else at.replace(tzinfo=OFFICE_ZONE)).astimezone(UTC)
