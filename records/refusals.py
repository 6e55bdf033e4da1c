"""The one error that a user is shown."""

from typing import TypeAlias

RefusalParam: TypeAlias = str | int


class Refusal(Exception):
    """A use case will not do what it was asked, for a reason its user can understand.

    `code` is stable and language-free; `params` fill the sentence that the page shows for it. A refused use case
    has changed nothing: whoever owns the transaction rolls it back.
    """

    def __init__(self, code: str, **params: RefusalParam) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params
