"""One office's files are nobody else's business."""

from records.actors import Actor
from records.refusals import Refusal


def require_office(actor: Actor, office_id: str) -> None:
    """Raise `Refusal("not_your_office")` unless the actor belongs to the office."""
    if actor.office_id != office_id:
        raise Refusal("not_your_office")
