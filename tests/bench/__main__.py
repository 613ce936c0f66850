"""``python -m tests.bench [--only PART] [--quick]``: prints ratios."""

import importlib
import os
import signal
import sys
import time

import click

from flatrender.observability.logs import configure_logging
from flatrender.settings import ObservabilitySettings

PARTS = ("api", "cache", "claims", "farm", "peers", "render", "snapshot", "watchers")


@click.command()
@click.option("--only", multiple=True, type=click.Choice(PARTS), help="Just these parts.")
@click.option("--quick", is_flag=True, help="Fewer and shorter rounds.")
@click.option("--waiting", type=click.IntRange(1_000), default=300_000, show_default=True,
              help="The longest queue that claims are measured with, up to 1,000,000.")  # fmt: skip
def main(only: tuple[str, ...], quick: bool, waiting: int) -> None:
    """Measure against bare yardsticks, in interleaved rounds, and print medians."""
    # Asked to end, it ends its servers as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    configure_logging(ObservabilitySettings(log_level="warning", log_format="console"))
    begun = time.monotonic()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start", flush=True)
    for part in PARTS:
        if not only or part in only:
            more = {"most": waiting} if part == "claims" else {}
            importlib.import_module(f"tests.bench.{part}").run(quick=quick, **more)
    print(f"\nload {os.getloadavg()[0]:.1f} at the end; {time.monotonic() - begun:.0f} s in all")


if __name__ == "__main__":
    main()
