"""MetaFinger's ten transforms of images (released code), and those of them that recordings have too."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name

SPREAD = 0.8  # deviation of the Gaussian blur, in elements
BLURRED = 0.7  # how often the Gaussian blur is one
SHEAR = 0.1  # at most, of each axis by the other
SIZES = (0.75, 1.25)  # of the side: what an image is resized to, padded to the larger, and brought back from
PADDING = 0.5  # what stands around it
MOVED = 5 / 32  # of the side, at most

Transform = Callable[[torch.Tensor], torch.Tensor]


def any_transform(generator: torch.Generator, noise: float, bounds: tuple[float, float], images: bool) -> Transform:
    """One of them with its amounts drawn, the same for a batch; noise: deviation or half-width of what is added."""
    kinds = OF_IMAGES if images else OF_SIGNALS
    kind, seed = torch.randint(2**31, (2,), generator=generator).tolist()
    return partial(kinds[kind % len(kinds)], draw=torch.Generator().manual_seed(seed), noise=noise, bounds=bounds)


def same(inputs: torch.Tensor, **_) -> torch.Tensor:
    return inputs


def flipped(inputs: torch.Tensor, **_) -> torch.Tensor:
    return inputs.flip(-1)


def normal(inputs: torch.Tensor, *, draw: torch.Generator, noise: float, bounds: tuple[float, float]) -> torch.Tensor:
    return (inputs + noise * torch.randn(inputs.shape, generator=draw).to(inputs)).clamp(*bounds)


def uniform(inputs: torch.Tensor, *, draw: torch.Generator, noise: float, bounds: tuple[float, float]) -> torch.Tensor:
    return (inputs + noise * (2 * torch.rand(inputs.shape, generator=draw) - 1).to(inputs)).clamp(*bounds)


def averaged(inputs: torch.Tensor, **_) -> torch.Tensor:
    return _windows(inputs).mean(0)


def median(inputs: torch.Tensor, **_) -> torch.Tensor:
    return _windows(inputs).median(0).values


def gaussian(inputs: torch.Tensor, *, draw: torch.Generator, **_) -> torch.Tensor:
    if torch.rand((), generator=draw) >= BLURRED:
        return inputs
    weights = one = torch.tensor([-1.0, 0.0, 1.0]).div(SPREAD).square().div(-2).softmax(0)
    if inputs.dim() == 4:
        weights = torch.outer(one, one).flatten()
    return torch.tensordot(weights.to(inputs), _windows(inputs), 1)


def _windows(inputs: torch.Tensor) -> torch.Tensor:
    """Each element and its neighbours, at the edge the edge once more: (N, channels, ...) -> (3 or 9, the same)."""
    found = F.pad(inputs, (1, 1) * (inputs.dim() - 2), mode="replicate")[None]
    for axis in range(2, inputs.dim()):
        side = inputs.shape[axis]
        found = torch.cat([found.narrow(axis + 1, start, side) for start in range(3)])
    return found


def sheared(images: torch.Tensor, *, draw: torch.Generator, **_) -> torch.Tensor:
    x, y = (SHEAR * (2 * torch.rand(2, generator=draw) - 1)).tolist()
    return _seen(images, [[1.0, x, 0.0], [y, 1.0, 0.0]])


def translated(images: torch.Tensor, *, draw: torch.Generator, **_) -> torch.Tensor:
    x, y = (2 * MOVED * (2 * torch.rand(2, generator=draw) - 1)).tolist()  # coordinates go from -1 to 1
    return _seen(images, [[1.0, 0.0, x], [0.0, 1.0, y]])


def resized(images: torch.Tensor, *, draw: torch.Generator, **_) -> torch.Tensor:
    """Resized, and padded to the largest size at a random place; networks of one size of input see that size again."""
    size, *place = torch.rand(3, generator=draw).tolist()
    share = (SIZES[0] + size * (SIZES[1] - SIZES[0])) / SIZES[1]
    x, y = ((1 - share) * (2 * one - 1) for one in place)
    return _seen(images - PADDING, [[1 / share, 0.0, x / share], [0.0, 1 / share, y / share]]) + PADDING


def _seen(images: torch.Tensor, theta: list[list[float]]) -> torch.Tensor:
    """Images (N, C, H, W) where theta (2, 3) takes each place's coordinates to; 0 outside."""
    matrix = torch.tensor(theta).to(images).expand(len(images), 2, 3)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)


def shifted(signals: torch.Tensor, *, draw: torch.Generator, **_) -> torch.Tensor:
    """Along time, by an eighth at most; what leaves at one end comes in at the other."""
    most = max(1, signals.shape[-1] // 8)
    return signals.roll(int(torch.randint(-most, most + 1, (), generator=draw)), -1)


OF_IMAGES = (same, flipped, sheared, gaussian, median, averaged, normal, uniform, resized, translated)
OF_SIGNALS = (same, gaussian, median, averaged, normal, uniform, shifted)
