"""Why a journey ends early. Light: the command line imports it for every command."""


class JourneyError(Exception):
    """The journey cannot go on; one line says why."""


class ChoiceError(JourneyError):
    """The server does not have what the command line asks for; one line says what it has."""
