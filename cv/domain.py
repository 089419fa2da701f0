"""Vision: its data sets, architectures per tier and the constants that all of its steps share."""

import torch
import torch.nn.functional as F  # the field's standard name

from cv import data
from cv.models import ARCHITECTURES
from fingerprinting.study.domain import Data, Domain, Inputs, Networks

# Of all models that are trained from scratch, but for the source; adversarial training, of whatever model, has the last
# two. Scripts import them; in a domain of your own, those that it has hold in place of these.
EPOCHS = dict(smoke=4, quick=2, cpu=3, paper=100)  # passes
LEARNING_RATE = dict(smoke=1e-2, quick=1e-2, cpu=1e-2, paper=1e-3)  # peak of the one-cycle schedule
EPSILON = 8 / 255  # adversarial perturbation, infinity norm, pixels in [0, 1]
PGD_STEPS = dict(smoke=1, quick=1, cpu=1, paper=7)  # 1: one step to the edge, its gradient at a random start

BOX = 0.7  # side of CutMix's box as a share of the image's: half of the area


def shifted_and_flipped(images: torch.Tensor) -> torch.Tensor:
    """The usual augmentation: one shift of up to 4 pixels for the batch, a flip of every second image by chance."""
    padded = F.pad(images, (4, 4, 4, 4))
    top, left = torch.randint(0, 9, (2,)).tolist()
    shifted = padded[..., top : top + images.shape[-2], left : left + images.shape[-1]]
    flipped = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    return torch.where(flipped, shifted.flip(-1), shifted)


def cutmix(first: torch.Tensor, second: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """CutMix (Yun et al. 2019) of images (N, channels, height, width): a box of `second` laid into `first`."""
    inside = torch.ones(len(first), 1, 1, 1, dtype=torch.bool)
    for axis, side in ((2, first.shape[2]), (3, first.shape[3])):
        box = round(BOX * side)
        start = torch.randint(0, side - box + 1, (len(first), 1), generator=generator)
        places = torch.arange(side) - start
        inside = inside & ((places >= 0) & (places < box)).view(-1, 1, *((side, 1) if axis == 2 else (1, side)))
    return torch.where(inside, second, first)


def show(axis, image: torch.Tensor) -> None:
    """Draw one image (channels, height, width) in [0, 1]."""
    if len(image) == 1:
        axis.imshow(image[0].numpy(), cmap="gray", vmin=0, vmax=1)
    else:
        axis.imshow(image.permute(1, 2, 0).numpy())


DOMAIN = Domain(
    name="cv",
    data=Data(
        load=data.load,
        prepare=data.prepare,
        datasets=dict(smoke="fashion_mnist", quick="fashion_mnist", cpu="fashion_mnist", paper="cifar10"),
        targets=dict(fashion_mnist="mnist_5k", cifar10="cifar10_c", cifar100="cifar10", digits="digits_corrupted"),
        pool_size=dict(smoke=2_500, quick=16_000, cpu=50_000, paper=None),
        published=data.PUBLISHED,
    ),
    networks=Networks(
        architectures=ARCHITECTURES,
        source=dict(smoke="conv3", quick="conv3", cpu="conv3", paper="vgg16_bn"),
        students=dict(
            smoke=("mlp", "separable"),
            quick=("mlp", "lenet", "separable"),
            cpu=("mlp", "lenet", "separable", "residual"),
            paper=("vgg13", "resnet18", "densenet121", "mobilenet_v2"),
        ),
    ),
    inputs=Inputs(
        input_range=(0.0, 1.0),
        augment=shifted_and_flipped,
        mix=cutmix,
        show=show,
    ),
    constants=dict(
        BATCH_SIZE=dict(smoke=32, quick=128, cpu=128, paper=128),  # examples per update
        WEIGHT_DECAY=0.01,  # decoupled (AdamW)
        MIN_UPDATES=dict(smoke=60, quick=120, cpu=150, paper=0),  # small data sets are passed more often
        AUGMENT=dict(smoke=False, quick=False, cpu=False, paper=True),  # of training examples, by the domain's augment=
    ),
)
