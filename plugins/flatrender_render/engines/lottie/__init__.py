"""The embedded engine: Lottie animations drawn by Skia, on any machine.

``animation`` is the evaluator's door, ``engine`` the farm's.
"""

from flatrender_render.engines.lottie.engine import LottieEngine

__all__ = ["LottieEngine"]
