"""What can go wrong with fonts."""

from flatrender_render.engines.lottie.errors import LottieAssetError


class BadFontError(LottieAssetError):
    """Font data that is no font, is too large, or is of a kind that cannot be drawn."""

    code = "lottie_font"
