"""The templates of the catalogue, a module (or a few) each, gathered in ``TEMPLATES``."""

from flatrender_content.catalogue.kit.package import Template
from flatrender_content.catalogue.templates import (
    explainer_charts,
    logo_reveal,
    persian_promo,
    story_vertical,
)

TEMPLATES: tuple[Template, ...] = (
    persian_promo.TEMPLATE,
    logo_reveal.TEMPLATE,
    story_vertical.TEMPLATE,
    explainer_charts.TEMPLATE,
)
