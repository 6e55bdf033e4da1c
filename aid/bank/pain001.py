"""Orders as an ISO 20022 file: pain.001.001.09, in CNY, names as people write them.

The result is validated against the official schema, and against what the schema does not know: a CNAPS number has
twelve digits.
"""

import functools
from decimal import Decimal
from pathlib import Path
from typing import Final

from lxml import etree
from pyiso20022.pain import pain_001_001_09 as iso
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.formats.dataclass.serializers.config import SerializerConfig
from xsdata.models.datatype import XmlDate, XmlDateTime

from aid.bank.gateway import Party, PaymentFile, Transfer
from aid.id_numbers import is_cnaps
from aid.money import check_amount, plain_yuan
from sessions.days import OFFICE_ZONE

NAMESPACE: Final = "urn:iso:std:iso:20022:tech:xsd:pain.001.001.09"
CURRENCY: Final = "CNY"
CLEARING_SYSTEM: Final = "CNAPS"
_SCHEMA: Final = Path(__file__).parent / "xsd" / "pain.001.001.09.xsd"


def build(file: PaymentFile) -> bytes:
    """Return the bytes of a file; the same file always gives the same bytes.

    Raises ValueError for what must not reach a bank: no orders, an amount or a bank number that cannot be, a reference
    used twice, anything the schema refuses. Everything in it was checked when it was entered, so that is a bug of ours.
    """
    references = [transfer.reference for transfer in file.transfers]
    if not references or len(set(references)) != len(references):
        raise ValueError("a file needs orders, each with its own reference")
    document = iso.Document(
        cstmr_cdt_trf_initn=iso.CustomerCreditTransferInitiationV09(
            grp_hdr=iso.GroupHeader85(
                msg_id=file.message_id,
                cre_dt_tm=XmlDateTime.from_datetime(file.made_at.astimezone(OFFICE_ZONE).replace(microsecond=0)),
                nb_of_txs=str(len(file.transfers)),
                ctrl_sum=Decimal(plain_yuan(file.total_fen)),
                initg_pty=iso.PartyIdentification135(nm=file.payer.name),
            ),
            pmt_inf=[_instruction(file)],
        )
    )
    serializer = XmlSerializer(config=SerializerConfig(indent="  ", encoding="UTF-8"))
    data = serializer.render(document, ns_map={"": NAMESPACE}).encode()
    validate(data)
    return data


def validate(data: bytes) -> None:
    """Raise ValueError unless `data` is a pain.001.001.09 by the official schema."""
    element = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    if not _schema().validate(element):
        # Without the schema's own words: they repeat the value, which may be somebody's name.
        raise ValueError("not a pain.001.001.09")


@functools.cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_SCHEMA)))


def _instruction(file: PaymentFile) -> iso.PaymentInstruction30:
    return iso.PaymentInstruction30(
        pmt_inf_id=file.message_id,
        pmt_mtd=iso.PaymentMethod3Code.TRF,
        nb_of_txs=str(len(file.transfers)),
        ctrl_sum=Decimal(plain_yuan(file.total_fen)),
        pmt_tp_inf=iso.PaymentTypeInformation26(ctgy_purp=iso.CategoryPurpose1Choice(cd="GOVT")),
        reqd_exctn_dt=iso.DateAndDateTime2Choice(dt=XmlDate.from_date(file.execute_on)),
        dbtr=iso.PartyIdentification135(nm=file.payer.name),
        dbtr_acct=_account(file.payer),
        dbtr_agt=_agent(file.payer),
        chrg_br=iso.ChargeBearerType1Code.DEBT,
        cdt_trf_tx_inf=[_transaction(transfer) for transfer in file.transfers],
    )


def _transaction(transfer: Transfer) -> iso.CreditTransferTransaction34:
    amount = Decimal(plain_yuan(check_amount(transfer.amount_fen)))
    return iso.CreditTransferTransaction34(
        pmt_id=iso.PaymentIdentification6(instr_id=transfer.reference, end_to_end_id=transfer.reference),
        amt=iso.AmountType4Choice(instd_amt=iso.ActiveOrHistoricCurrencyAndAmount(value=amount, ccy=CURRENCY)),
        cdtr_agt=_agent(transfer.payee),
        cdtr=iso.PartyIdentification135(nm=transfer.payee.name),
        cdtr_acct=_account(transfer.payee),
        rmt_inf=iso.RemittanceInformation16(ustrd=[transfer.purpose]),
    )


def _account(party: Party) -> iso.CashAccount38:
    return iso.CashAccount38(
        id=iso.AccountIdentification4Choice(othr=iso.GenericAccountIdentification1(id=party.account)),
        ccy=CURRENCY,
        nm=party.name[:70],
    )


def _agent(party: Party) -> iso.BranchAndFinancialInstitutionIdentification6:
    if not is_cnaps(party.bank_cnaps):
        raise ValueError(f"a CNAPS number has twelve digits: {party.bank_cnaps!r}")
    member = iso.ClearingSystemMemberIdentification2(
        clr_sys_id=iso.ClearingSystemIdentification2Choice(cd=CLEARING_SYSTEM), mmb_id=party.bank_cnaps
    )
    return iso.BranchAndFinancialInstitutionIdentification6(
        fin_instn_id=iso.FinancialInstitutionIdentification18(clr_sys_mmb_id=member, nm=party.bank_name)
    )
