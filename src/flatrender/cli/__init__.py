"""The command line: ``flatrender COMMAND``. One file a family of commands; contexts add theirs."""

import sys


def main() -> None:
    """Run the command line.

    Imports it only now, so that Ctrl-C while it loads is no traceback either.
    """
    try:
        from flatrender.cli.root import main as run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


__all__ = ["main"]
