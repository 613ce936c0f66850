"""What content adds to the command line: see `flatrender.cli.lazy`."""

from flatrender.cli.lazy import LazyCommand

COMMANDS = (
    LazyCommand(
        "catalogue",
        "flatrender_content.cli:catalogue",
        "Install and list the templates that customers pick from.",
    ),
    LazyCommand(
        "template",
        "flatrender_content.cli:template",
        "Pack, check and scan templates and print their format.",
    ),
)
