"""Small classifiers of clearly different architectures for one CPU core, and torchvision's for the paper tier.

All take images (N, channels, height, width) in [0, 1]; the first layer normalises. The small ones take any shape.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.study.domain import Architecture

Shape = tuple[int, ...]


class Normalise(nn.Module):
    """Maps [0, 1] to [-2, 2]; the same for every model, so that it carries nobody's data."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return (images - 0.5) * 4


class ToColour(nn.Module):
    """Grey images become three equal channels, and small ones are padded to the 32 x 32 that five poolings need."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        missing = [max(0, 32 - side) for side in images.shape[-2:]]
        padding = (missing[1] // 2, -(-missing[1] // 2), missing[0] // 2, -(-missing[0] // 2))
        return F.pad(images.expand(-1, 3, -1, -1), padding)


class Residual(nn.Module):
    """Two 3 x 3 convolutions around which the input is added (He et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_convolution(channels, channels), *_convolution(channels, channels)[:-1])

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return F.relu(features + self.body(features))


def _convolution(inputs: int, outputs: int, stride: int = 1, groups: int = 1, size: int = 3) -> list[nn.Module]:
    layer = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(outputs), nn.ReLU()]


def _classifier(body: list[nn.Module], classes: int, shape: Shape) -> nn.Sequential:
    features = nn.Sequential(*body, nn.Flatten())
    with torch.no_grad():
        width = features.eval()(torch.zeros(1, *shape)).shape[1]
    features.train()
    return nn.Sequential(Normalise(), features, nn.Linear(width, classes))


def conv3(classes: int, shape: Shape) -> nn.Module:
    """Three strided convolutions with batch norm, 16-32-64 channels: the cpu tier's source."""
    body = [*_convolution(shape[0], 16, 2), *_convolution(16, 32, 2), *_convolution(32, 64, 2)]
    return _classifier(body, classes, shape)


def mlp(classes: int, shape: Shape) -> nn.Module:
    """No convolution: two hidden layers of 128."""
    width = shape[0] * shape[1] * shape[2]
    body: list[nn.Module] = [nn.Flatten()]
    for inputs in (width, 128):
        body += [nn.Linear(inputs, 128), nn.BatchNorm1d(128), nn.ReLU()]
    return _classifier(body, classes, shape)


def lenet(classes: int, shape: Shape) -> nn.Module:
    """Convolution and max pooling without batch norm, then a hidden layer (LeCun et al. 1998, with rectifiers)."""
    body = [nn.Conv2d(shape[0], 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    body += [nn.Conv2d(6, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    body += [nn.Linear(16 * (shape[1] // 4) * (shape[2] // 4), 64), nn.ReLU()]
    return _classifier(body, classes, shape)


def separable(classes: int, shape: Shape) -> nn.Module:
    """Depthwise-separable convolutions (Howard et al. 2017)."""
    body = _convolution(shape[0], 16, 2)
    for inputs, outputs in ((16, 32), (32, 64)):
        body += [*_convolution(inputs, inputs, 2, groups=inputs), *_convolution(inputs, outputs, size=1)]
    return _classifier(body, classes, shape)


def residual(classes: int, shape: Shape) -> nn.Module:
    """A strided stem and two residual blocks of 16 channels."""
    return _classifier([*_convolution(shape[0], 16, 2), nn.MaxPool2d(2), Residual(16), Residual(16)], classes, shape)


def alexnet(classes: int, shape: Shape) -> nn.Module:
    """AlexNet for small images, with batch norm, as DeepIPR's authors cut it (Fan et al. 2019)."""
    pool = nn.MaxPool2d(2, 2)
    body = [*_convolution(shape[0], 64, size=5), pool, *_convolution(64, 192, size=5), pool]
    body += [*_convolution(192, 384), *_convolution(384, 256), *_convolution(256, 256), pool]
    return _classifier(body, classes, shape)


def small_resnet18(classes: int, _shape: Shape) -> nn.Module:
    """torchvision's ResNet18 with the stem for small images: one 3 x 3 convolution, no pooling (He et al. 2016)."""
    from torchvision import models  # slow to import, and needed for the paper tier only

    net = models.resnet18(num_classes=classes)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return nn.Sequential(nn.Sequential(Normalise(), ToColour()), net)


def group_norm(build):
    """The same network with group norm, 16 channels to a group, instead of batch norm."""

    def built(classes: int, shape: Shape) -> nn.Module:
        net = build(classes, shape)
        for path, module in list(net.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                net.set_submodule(path, nn.GroupNorm(max(1, module.num_features // 16), module.num_features))
        return net

    return built


def torchvision_model(name: str):
    """torchvision's network, unchanged but for the layers before it and the size of its head."""

    def build(classes: int, _shape: Shape) -> nn.Module:
        from torchvision import models  # slow to import, and needed for the paper tier only

        return nn.Sequential(nn.Sequential(Normalise(), ToColour()), getattr(models, name)(num_classes=classes))

    return build


# Of residual networks, pruning masks units that no shortcut brings back: the stem's, or those inside the last block.
INSIDE_LAST_BLOCK = ("1.layer4.1.conv1", "1.layer4.1.bn1")
ARCHITECTURES = {
    "conv3": Architecture(conv3),
    "mlp": Architecture(mlp),
    "lenet": Architecture(lenet),
    "separable": Architecture(separable),
    "residual": Architecture(residual, prunable=("1.0", "1.1")),
    "vgg16_bn": Architecture(torchvision_model("vgg16_bn")),
    "vgg13": Architecture(torchvision_model("vgg13")),
    "resnet18": Architecture(torchvision_model("resnet18"), prunable=INSIDE_LAST_BLOCK),
    "densenet121": Architecture(torchvision_model("densenet121")),
    "mobilenet_v2": Architecture(torchvision_model("mobilenet_v2")),
}

# What passports are put into (cv/passport), besides the small nets above.
ARCHITECTURES |= {
    "alexnet": Architecture(alexnet),
    "small_resnet18": Architecture(small_resnet18, prunable=INSIDE_LAST_BLOCK),
}
ARCHITECTURES |= {
    f"{name}_gn": replace(ARCHITECTURES[name], build=group_norm(ARCHITECTURES[name].build))
    for name in ("conv3", "alexnet", "small_resnet18")
}
