"""A bank to practise with: reads the real order file, writes the real answer. It keeps no accounts and moves nothing.

It is named a stub wherever it is offered, and only the demonstration and the tests offer it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal

from pyiso20022.pain import pain_001_001_09 as sent
from pyiso20022.pain import pain_002_001_10 as iso
from xsdata.formats.dataclass.parsers import XmlParser
from xsdata.formats.dataclass.parsers.handlers import LxmlEventHandler
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDateTime

from aid.bank.gateway import read_xml
from aid.bank.pain002 import NAMESPACE

TAKES = timedelta(hours=1)
"""How long after the order file the stub says it answered."""


def answer(
    pain001: bytes,
    *,
    returned: Mapping[str, str] | None = None,
    pending: Sequence[str] = (),
    bank_cnaps: str | None = None,
) -> bytes:
    """Answer an order file: every order settled, but those in `returned` (reference to reason code) and `pending`.

    `bank_cnaps` is who answers, by default the payer's bank. The same question gets the same answer, byte for byte.
    """
    element = read_xml(pain001, root="Document")
    orders = XmlParser(handler=LxmlEventHandler).parse(element, sent.Document).cstmr_cdt_trf_initn
    block = orders.pmt_inf[0]
    reasons = dict(returned or {})
    lines = [_line(block, order, _status(order, reasons, pending), reasons) for order in block.cdt_trf_tx_inf]
    counted: dict[str, int] = {}
    for line in lines:
        counted[line.tx_sts or ""] = counted.get(line.tx_sts or "", 0) + 1
    heart = hashlib.sha256(pain001 + repr((sorted(reasons.items()), sorted(pending), bank_cnaps)).encode()).hexdigest()
    answered = orders.grp_hdr.cre_dt_tm.to_datetime() + TAKES
    agent = _agent(block, bank_cnaps)
    report = iso.CustomerPaymentStatusReportV10(
        grp_hdr=iso.GroupHeader86(
            msg_id=f"HD{answered:%Y%m%d}{heart[:12].upper()}",
            cre_dt_tm=XmlDateTime.from_datetime(answered),
            dbtr_agt=agent,
        ),
        orgnl_grp_inf_and_sts=iso.OriginalGroupHeader17(
            orgnl_msg_id=orders.grp_hdr.msg_id,
            orgnl_msg_nm_id="pain.001.001.09",
            orgnl_nb_of_txs=orders.grp_hdr.nb_of_txs,
            orgnl_ctrl_sum=orders.grp_hdr.ctrl_sum,
            grp_sts="ACSC" if set(counted) == {"ACSC"} else "PART",
        ),
        orgnl_pmt_inf_and_sts=[
            iso.OriginalPaymentInstruction32(
                orgnl_pmt_inf_id=block.pmt_inf_id,
                nb_of_txs_per_sts=[
                    iso.NumberOfTransactionsPerStatus5(dtld_nb_of_txs=str(number), dtld_sts=status)
                    for status, number in sorted(counted.items())
                ],
                tx_inf_and_sts=lines,
            )
        ],
    )
    serializer = XmlSerializer(config=SerializerConfig(indent="  ", encoding="UTF-8"))
    return serializer.render(iso.Document(cstmr_pmt_sts_rpt=report), ns_map={"": NAMESPACE}).encode()


def _status(order: sent.CreditTransferTransaction34, reasons: Mapping[str, str], pending: Sequence[str]) -> str:
    if order.pmt_id.end_to_end_id in reasons:
        return "RJCT"
    return "PDNG" if order.pmt_id.end_to_end_id in pending else "ACSC"


def _line(
    block: sent.PaymentInstruction30, order: sent.CreditTransferTransaction34, status: str, reasons: Mapping[str, str]
) -> iso.PaymentTransaction105:
    reference = order.pmt_id.end_to_end_id
    account = order.cdtr_acct.id.othr if order.cdtr_acct else None
    amount = order.amt.instd_amt
    if account is None or amount is None:
        raise ValueError("the stub reads only what aid.bank.pain001 writes")
    why = (
        [iso.StatusReasonInformation12(rsn=iso.StatusReason6Choice(cd=reasons[reference]))] if status == "RJCT" else []
    )
    return iso.PaymentTransaction105(
        orgnl_instr_id=reference,
        orgnl_end_to_end_id=reference,
        tx_sts=status,
        sts_rsn_inf=why,
        acct_svcr_ref=_bank_reference(reference) if status == "ACSC" else None,
        orgnl_tx_ref=iso.OriginalTransactionReference28(
            amt=iso.AmountType4Choice(
                instd_amt=iso.ActiveOrHistoricCurrencyAndAmount(value=Decimal(amount.value), ccy=amount.ccy)
            ),
            reqd_exctn_dt=iso.DateAndDateTime2Choice(dt=block.reqd_exctn_dt.dt),
            cdtr_acct=iso.CashAccount38(
                id=iso.AccountIdentification4Choice(othr=iso.GenericAccountIdentification1(id=account.id))
            ),
        ),
    )


def _bank_reference(reference: str) -> str:
    return str(int(hashlib.sha256(reference.encode()).hexdigest()[:12], 16)).zfill(15)


def _agent(
    block: sent.PaymentInstruction30, bank_cnaps: str | None
) -> iso.BranchAndFinancialInstitutionIdentification6:
    member = block.dbtr_agt.fin_instn_id.clr_sys_mmb_id
    number = bank_cnaps or (member.mmb_id if member else "")
    return iso.BranchAndFinancialInstitutionIdentification6(
        fin_instn_id=iso.FinancialInstitutionIdentification18(
            clr_sys_mmb_id=iso.ClearingSystemMemberIdentification2(
                clr_sys_id=iso.ClearingSystemIdentification2Choice(cd="CNAPS"), mmb_id=number
            )
        )
    )
