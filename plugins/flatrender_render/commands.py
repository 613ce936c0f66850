"""What render adds to the command line: see `flatrender.cli.lazy`."""

from flatrender.cli.lazy import LazyCommand

COMMANDS = (
    LazyCommand(
        "lottie",
        "flatrender_render.engines.lottie.cli:lottie",
        "Draw FILE (.json or .lottie): a PNG of one frame, or an MP4 of all.",
    ),
    LazyCommand(
        "template",
        "flatrender_render.engines.cli:template",
        "Pack and check template packages and print their format.",
    ),
    LazyCommand("node", "flatrender_render.node.cli:node", "Render for a farm from this machine."),
    LazyCommand(
        "farm",
        "flatrender_render.operator_commands:farm",
        "See the render farm and act on its nodes.",
    ),
    LazyCommand(
        "simulate",
        "flatrender_render.simulation.cli:simulate",
        "Run the farm's real SQL against nodes and jobs in simulated time.",
    ),
)
