"""Structural similarity of two pictures, for comparing frames with references.

Wang, Bovik, Sheikh, Simoncelli 2004: Gaussian window of 11 px with sigma 1.5, K1 = 0.01,
K2 = 0.03, only where the window lies wholly inside, mean over pixels and channels.
"""

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float64]

WINDOW = 11
SIGMA = 1.5


def _kernel() -> Plane:
    at = np.arange(WINDOW, dtype=np.float64) - WINDOW // 2
    weights = np.exp(-(at**2) / (2 * SIGMA**2))
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def _smooth(picture: Plane, kernel: Plane) -> Plane:
    """Filter along both axes, keeping only full windows."""
    for axis in (0, 1):
        count = picture.shape[axis] - WINDOW + 1
        picture = sum(
            (
                weight * np.take(picture, range(n, n + count), axis=axis)
                for n, weight in enumerate(kernel)
            ),
            start=np.zeros(()),
        )
    return picture


def ssim(one: Picture, other: Picture) -> float:
    """Return the similarity (1 is equal) of two 8-bit pictures, height x width x channels."""
    if one.shape != other.shape:
        raise ValueError(f"sizes differ: {one.shape} and {other.shape}")
    if min(one.shape[:2]) < WINDOW:
        raise ValueError(f"smaller than the window of {WINDOW} px")
    a, b = one.astype(np.float64), other.astype(np.float64)
    kernel = _kernel()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_a, mean_b = _smooth(a, kernel), _smooth(b, kernel)
    var_a = _smooth(a * a, kernel) - mean_a**2
    var_b = _smooth(b * b, kernel) - mean_b**2
    both = _smooth(a * b, kernel) - mean_a * mean_b
    score = ((2 * mean_a * mean_b + c1) * (2 * both + c2)) / (
        (mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)
    )
    return float(score.mean())


def over_grey(rgba: Picture, premultiplied: bool = False) -> Picture:
    """Return an RGBA picture composited over #808080, as 8-bit RGB."""
    color = rgba[..., :3].astype(np.float64)
    alpha = rgba[..., 3:4].astype(np.float64) / 255
    front = color if premultiplied else color * alpha
    return np.asarray(np.clip(np.rint(front + 128 * (1 - alpha)), 0, 255), dtype=np.uint8)
