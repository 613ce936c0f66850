"""What every template of the catalogue is designed with.

``design`` (stages, palettes, contrast), ``moves`` (how things come in and breathe), ``scene``
(layers and slots of one scene together, so that neither can be forgotten), ``package`` (manifest
and entries).
"""
