"""How a channel says that a message did not go out."""


class SendFailed(Exception):
    """The provider refused or did not answer. ``permanent``: trying again is of no use."""

    def __init__(self, message: str, *, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent
