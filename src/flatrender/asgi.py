"""The ASGI factory that servers load: ``flatrender.asgi:create``."""

import gc

from litestar import Litestar

from flatrender.app import create_app
from flatrender.http.drain import Drain
from flatrender.observability.logs import configure_logging
from flatrender.settings import load_settings


def create(drain: Drain | None = None) -> Litestar:
    """Return the app of this process, configured by its environment.

    ``drain`` is given by a server that tells live streams when it stops.
    """
    settings = load_settings()
    configure_logging(settings.observability)
    app = create_app(settings, drain=drain)
    # What start-up made lives as long as the process; collecting it again and again cost most
    # of the p99 latency when measured.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return app
