"""The command line: ``flatrender COMMAND``. One file a family of commands; contexts add theirs."""

from flatrender.cli.main import main

__all__ = ["main"]
