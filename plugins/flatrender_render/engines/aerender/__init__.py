"""The After Effects engine: see ``engine``; ``docs/farm-aerender.md`` for its use."""

from flatrender_render.engines.aerender.engine import AerenderEngine

__all__ = ["AerenderEngine"]
