"""``python -m tests.bench [--only PART] [--quick]``: prints ratios."""

import importlib
import os
import signal
import sys
import time

import click

from flatrender.observability.logs import configure_logging
from flatrender.settings import ObservabilitySettings

PARTS = ("api", "cache", "claims", "render", "snapshot", "watchers")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Just these parts.")
@click.option("--quick", is_flag=True, help="Fewer and shorter rounds.")
def main(only: tuple[str, ...], quick: bool) -> None:
    """Measure against bare yardsticks, in interleaved rounds, and print medians."""
    # Asked to end, it ends its servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    configure_logging(ObservabilitySettings(log_level="warning", log_format="console"))
    begun = time.monotonic()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    for part in PARTS:
        if not only or part in only:
            importlib.import_module(f"tests.bench.{part}").run(quick=quick)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end; {time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
