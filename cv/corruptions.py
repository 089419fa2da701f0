"""Corruptions of CIFAR-10-C (Hendrycks and Dietterich 2019) that numpy, scipy and pillow can make.

Severities 1 to 5 have the strengths published for 32 x 32 images. For an attacker's transfer target where the published
files are not at hand; weather, glass, zoom and elastic corruptions are left to those files.
"""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

from fingerprinting.core import storage

Strengths = tuple[float, float, float, float, float]


def _gaussian_noise(images: np.ndarray, scale: float, draw: np.random.Generator) -> np.ndarray:
    return images + draw.normal(0, scale, images.shape)


def _shot_noise(images: np.ndarray, photons: float, draw: np.random.Generator) -> np.ndarray:
    return draw.poisson(images * photons) / photons


def _impulse_noise(images: np.ndarray, share: float, draw: np.random.Generator) -> np.ndarray:
    hit = draw.random(images.shape)
    return np.where(hit < share / 2, 0.0, np.where(hit < share, 1.0, images))


def _speckle_noise(images: np.ndarray, scale: float, draw: np.random.Generator) -> np.ndarray:
    return images + images * draw.normal(0, scale, images.shape)


def _gaussian_blur(images: np.ndarray, sigma: float, _draw: np.random.Generator) -> np.ndarray:
    return gaussian_filter(images, (0, sigma, sigma, 0))


def _contrast(images: np.ndarray, factor: float, _draw: np.random.Generator) -> np.ndarray:
    mean = images.mean((1, 2), keepdims=True)
    return (images - mean) * factor + mean


def _brightness(images: np.ndarray, amount: float, _draw: np.random.Generator) -> np.ndarray:
    """Adds to the value of HSV: every channel is scaled by the same factor, so that hue and saturation stay."""
    value = images.max(3, keepdims=True)
    brighter = np.clip(value + amount, 0, 1)
    return np.where(value > 0, images * brighter / np.maximum(value, 1e-9), brighter)


def _jpeg_compression(images: np.ndarray, quality: float, _draw: np.random.Generator) -> np.ndarray:
    from PIL import Image

    def packed(image: np.ndarray) -> np.ndarray:
        buffer = io.BytesIO()
        Image.fromarray(np.rint(image * 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(quality))
        return np.asarray(Image.open(buffer))

    return np.stack([packed(image) for image in images]) / 255


CORRUPTIONS: dict[str, tuple[Callable, Strengths]] = {
    "brightness": (_brightness, (0.05, 0.1, 0.15, 0.2, 0.3)),
    "contrast": (_contrast, (0.75, 0.5, 0.4, 0.3, 0.15)),
    "gaussian_blur": (_gaussian_blur, (0.4, 0.6, 0.7, 0.8, 1.0)),
    "gaussian_noise": (_gaussian_noise, (0.04, 0.06, 0.08, 0.09, 0.1)),
    "impulse_noise": (_impulse_noise, (0.01, 0.02, 0.03, 0.05, 0.07)),
    "jpeg_compression": (_jpeg_compression, (80, 65, 58, 50, 40)),
    "shot_noise": (_shot_noise, (500, 250, 100, 75, 50)),
    "speckle_noise": (_speckle_noise, (0.06, 0.1, 0.12, 0.16, 0.2)),
}


def apply(name: str, images: np.ndarray, severity: int, seed: int) -> np.ndarray:
    """images (N, height, width, channels) uint8 -> the same, corrupted; reproducible by seed."""
    corrupt, strengths = CORRUPTIONS[name]
    corrupted = corrupt(images / 255, strengths[severity - 1], np.random.default_rng([seed, severity]))
    return np.rint(np.clip(corrupted, 0, 1) * 255).astype(np.uint8)


def write(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    """CIFAR-10-C's layout: a file per corruption, (5 N, 32, 32, 3), severities one after another; labels.npy last.

    Nothing comes to the folder before all is made, and nothing that lies there is replaced.
    """
    with storage.together(folder, [*(f"{name}.npy" for name in CORRUPTIONS), "labels.npy"]) as place:
        for name in CORRUPTIONS:
            severities = [apply(name, images, severity, seed=0) for severity in range(1, 6)]
            np.save(place / f"{name}.npy", np.concatenate(severities))
        np.save(place / "labels.npy", np.tile(labels, 5))
