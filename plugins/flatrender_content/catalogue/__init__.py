"""The demo catalogue: original templates, their pictures, music and sounds, built by code.

``build.py`` writes the packages. Nothing here serves requests; the content context imports what
is built like any designer's package.
"""
