"""The embedded engine: Lottie animations drawn by Skia, on any machine.

``animation`` is the evaluator's door, ``engine`` the farm's.
"""

from flatrender.syslibs import preload

preload()  # skia binds its system libraries the moment it is imported

from flatrender_render.engines.lottie.engine import LottieEngine  # noqa: E402 - after preload

__all__ = ["LottieEngine"]
