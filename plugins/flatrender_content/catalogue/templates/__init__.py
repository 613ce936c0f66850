"""The templates of the catalogue, a module (or a few) each, gathered in ``TEMPLATES``."""

from flatrender_content.catalogue.kit.package import Template
from flatrender_content.catalogue.templates import persian_promo

TEMPLATES: tuple[Template, ...] = (persian_promo.TEMPLATE,)
