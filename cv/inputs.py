"""What can be done to images: augmentation, mixing, drawing."""

import torch
import torch.nn.functional as F  # the field's standard name

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
