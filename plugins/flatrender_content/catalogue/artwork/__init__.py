"""Original placeholder pictures of the catalogue, painted by code.

``canvas`` (Skia surface, gradients, grain, encoding), ``places`` and ``things``
(photograph-like pictures), ``marks`` (a logo, soft light). A picture is the same bytes for the same
source.
"""
