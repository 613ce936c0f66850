"""A small language for building Lottie files by hand, as After Effects' Bodymovin would write them.

Modules: ``easing`` (named curves), ``values`` (properties, keyframes, slots), ``shapes``,
``effects``, ``text``, ``layers``, ``comp``. It only builds JSON; it never draws and never reads.
"""
