"""The templates of the catalogue, one module each, found by ``all_templates``."""
