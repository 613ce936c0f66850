"""What identity adds to the command line: see `flatrender.cli.lazy`."""

from flatrender.cli.lazy import LazyCommand

COMMANDS = (
    LazyCommand(
        "user",
        "flatrender_identity.cli:user",
        "Make users, find them, grant plans, ban and let in again.",
    ),
    LazyCommand(
        "signing-keys",
        "flatrender_identity.cli:signing_keys",
        "Show and change the keys that sign tokens.",
    ),
)
