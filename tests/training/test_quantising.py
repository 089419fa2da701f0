"""Simulated int8: the grids are those of torch's own quantisation, and so are the labels."""

import copy
import warnings

import pytest
import torch
from torch import nn

from fingerprinting.training import quantising
from fingerprinting.training.trainer import predict

CPU = torch.device("cpu")


def small_net() -> nn.Sequential:
    """A convolution with a norm, one with a bias, and a linear layer, trained a little to tell four quadrants apart."""
    torch.manual_seed(0)
    body = [nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU()]
    net = nn.Sequential(*body, nn.Flatten(), nn.Linear(72, 4))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for seed in range(60):
        inputs, labels = quadrants(64, seed)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(inputs), labels).backward()
        optimiser.step()
    return net.eval()


def quadrants(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise (count, 1, 8, 8), brighter in the quadrant that is the label."""
    draw = torch.Generator().manual_seed(seed)
    labels = torch.randint(4, (count,), generator=draw)
    inputs = torch.randn(count, 1, 8, 8, generator=draw)
    for image, label in zip(inputs, labels.tolist(), strict=True):
        image[0, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 0.7
    return inputs, labels


def by_torch(net: nn.Sequential, shown: torch.Tensor, inputs: torch.Tensor) -> tuple[torch.Tensor, float]:
    """Logits of torch's int8 kernels, the norm folded in, and the step of their grid; grids by torch's observers."""
    from torch.ao import quantization  # slow to import

    weights = quantization.PerChannelMinMaxObserver.with_args(
        dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127
    )
    about = quantization.QConfig(quantization.MinMaxObserver.with_args(dtype=torch.quint8), weights)
    whole = nn.Sequential(quantization.QuantStub(), *copy.deepcopy(net), quantization.DeQuantStub())
    engine = torch.backends.quantized.engine
    torch.backends.quantized.engine = "qnnpack"  # whose sums do not saturate
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # it moves to another package
            whole = quantization.fuse_modules(whole.eval(), [["1", "2", "3"], ["4", "5"]])
            whole.qconfig = about
            quantization.prepare(whole, inplace=True)
            whole(shown)
            whole = quantization.convert(whole)
            return whole(inputs), whole[-2].scale
    finally:
        torch.backends.quantized.engine = engine


@pytest.mark.skipif(
    "qnnpack" not in torch.backends.quantized.supported_engines, reason="torch has no such kernels here"
)
def test_labels_are_those_of_torchs_int8():
    net, shown, (inputs, truth) = small_net(), quadrants(200, 1000)[0], quadrants(2000, 1001)
    plain, (real, step) = predict(net, inputs, CPU), by_torch(net, shown, inputs)
    quantising.quantise(net, shown, CPU)
    simulated = predict(net, inputs, CPU)
    assert (simulated.argmax(1) == real.argmax(1)).double().mean() >= 0.99
    inside = (real > real.min()) & (real < real.max())  # torch's logits lie on a grid as well, which ends
    apart = [((logits - real)[inside].abs() / step) for logits in (simulated, plain)]
    assert (apart[0] < 0.52).double().mean() > 0.99 > (apart[1] < 0.52).double().mean() + 0.1
    assert (plain.argmax(1) == truth).double().mean() > 0.8, "so that labels are no chance"


def test_weights_are_the_nearest_of_255_values_of_their_channel():
    weight = torch.randn(3, 2, 5, generator=torch.Generator().manual_seed(0))
    weight[1] *= 100
    for channel, found in zip(weight, quantising.rounded(weight), strict=True):
        grid = torch.arange(-127, 128) * channel.abs().max() / 127
        nearest = grid[(channel[..., None] - grid).abs().argmin(-1)]
        assert torch.allclose(found, nearest, rtol=1e-5)
    assert not quantising.rounded(torch.zeros(2, 3)).any()


def test_inputs_of_a_layer_are_at_most_256_values_within_their_range_and_zero_is_one():
    net, (inputs, _) = small_net(), quadrants(300, 2000)
    quantising.quantise(net, inputs[:100] + 3, CPU)
    seen: list[torch.Tensor] = []
    net[3].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        net(10 * inputs)
    values = seen[0].unique()
    step = net[3].get_buffer(quantising.SCALE)
    assert 100 < len(values) <= 256 and (values == 0).any() and values.max() <= 255.5 * step


def test_what_is_saved_is_restored(tmp_path):
    net, (inputs, _) = small_net(), quadrants(100, 3000)
    quantising.quantise(net, inputs, CPU)
    again = small_net()
    quantising.restore(again, net.state_dict())
    again.load_state_dict(net.state_dict())
    assert torch.equal(predict(net, inputs, CPU), predict(again, inputs, CPU))
