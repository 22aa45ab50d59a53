"""Images to arrays, as the papers did it: short side scaled, random crop and flip to train, centre crop to test.

The elastic paper (papers.md 3.3): pixels in [0, 1]; CIFAR 28x28 crops and flips of 32x32; ImageNet short side 256, 221x221
crops and flips; the centre patch at test. Which filter scaled the images is not stated there; bilinear is used here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Crop:
    top: int
    left: int
    side: int
    flip: bool

    def of(self, pixels: Pixels) -> Pixels:
        cut = pixels[self.top : self.top + self.side, self.left : self.left + self.side]
        return cut[:, ::-1] if self.flip else cut


def centre_crop(height: int, width: int, side: int) -> Crop:
    _check_fits(height, width, side)
    return Crop((height - side) // 2, (width - side) // 2, side, flip=False)


def random_crop(height: int, width: int, side: int, draw: NDArray[np.float64]) -> Crop:
    """Out of three numbers in [0, 1): drawn before the image is known, so that a skipped image moves no other's crop."""
    _check_fits(height, width, side)
    top = int(draw[0] * (height - side + 1))
    left = int(draw[1] * (width - side + 1))
    return Crop(top, left, side, flip=bool(draw[2] < 0.5))


def scale_short_side(image: Image.Image, side: int) -> Image.Image:
    width, height = image.size
    short = min(width, height)
    if short == side:
        return image
    size = (max(side, round(width * side / short)), max(side, round(height * side / short)))
    return image.resize(size, Image.Resampling.BILINEAR)


def normalised(pixels: Pixels, mean: Colour, deviation: Colour) -> NDArray[np.float32]:
    """Bytes to [0, 1], less `mean`, over `deviation`, per channel."""
    values = pixels.astype(np.float32) / np.float32(255)
    if mean != (0.0, 0.0, 0.0):
        values -= np.asarray(mean, dtype=np.float32)
    if deviation != (1.0, 1.0, 1.0):
        values /= np.asarray(deviation, dtype=np.float32)
    return values


def _check_fits(height: int, width: int, side: int) -> None:
    if not 1 <= side <= min(height, width):
        raise ValueError(
            f"crop of side {side} out of an image of {height} x {width}: 1 <= side <= {min(height, width)}"
        )
