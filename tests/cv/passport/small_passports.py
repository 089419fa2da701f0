"""A small network and passports made in it, for the tests of passports."""

import torch
from torch import nn

from cv.domain import DOMAIN
from cv.passport import passports

ABOUT = {"architecture": "conv3", "scheme": "v2", "model": "cv/digits/smoke/source/conv3-0", "domain": "cv"}
CONFIG = {"1.0": False, "1.3": True, "1.6": "my model"}


def net(name: str = "conv3") -> nn.Module:
    torch.manual_seed(0)
    built = DOMAIN.architecture(name).build(10, (1, 8, 8))
    with torch.no_grad():  # statistics and factors that are not those of a fresh layer
        built.train()(torch.rand(64, 1, 8, 8))
    return built.eval()


def made(plain: nn.Module, config: dict = CONFIG, **about) -> passports.Passports:
    images = torch.rand(50, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return passports.make(plain, config, images, 20, "test", {**ABOUT, **about})
