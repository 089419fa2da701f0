"""MODEL= builds the network for a suspect's weights; TRUST=True runs TorchScript and exported programs."""

import textwrap

import pytest
import torch

from fingerprinting.asking.files import trusted_model, weights_model
from fingerprinting.core.errors import UserError
from tests.asking.files.opening import CLASSES, SHAPE, network, queries

MODULE = """
    import torch

    A_NUMBER = 3

    def classes_and_shape(num_classes, input_shape):
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(torch.Size(input_shape).numel(), num_classes))

    def nothing():
        return torch.nn.Identity()

    def more(width):
        return torch.nn.Identity()

    def words():
        return "network"
"""


@pytest.fixture
def spec(tmp_path):
    (tmp_path / "their_package.py").write_text(textwrap.dedent(MODULE))
    about = {"domain": "cv", "classes": CLASSES, "shape": SHAPE, "modules": str(tmp_path)}
    return lambda model: {**about, "model": model}


def test_what_builds_the_network(spec):
    made = weights_model.builder(spec("their_package:classes_and_shape"))(7)
    assert made(torch.zeros(2, *SHAPE)).shape == (2, 7)
    assert isinstance(weights_model.builder(spec("their_package:nothing"))(7), torch.nn.Identity)
    assert weights_model.builder(spec("torchvision:squeezenet1_0"))(7)(torch.zeros(1, 3, 64, 64)).shape == (1, 7)
    assert weights_model.builder(spec("conv3"))(7)(torch.zeros(2, *SHAPE)).shape == (2, 7)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("resnet", r"is neither an architecture of cv \(.*\), torchvision:name nor module:function"),
        ("torchvision:evil", "torchvision has no classifier 'evil'; give one such as MODEL=torchvision:resnet18"),
        ("no_such_package:build", "needs no_such_package, not there; run where it lies, or install it"),
        ("their_package:absent", "names no function of their_package; give MODEL=module:function"),
        ("their_package:A_NUMBER", "names no function of their_package"),
        ("their_package:more", "asks for 'width'; let the function take classes and shape, or nothing"),
        ("their_package:words", "makes a str; it must make a torch.nn.Module"),
    ],
)
def test_what_builds_no_network_is_refused(spec, model, sentence):
    with pytest.raises(UserError, match=sentence):
        weights_model.builder(spec(model))(CLASSES)


@pytest.mark.parametrize("kind", ["torchscript", "pt2"])
def test_what_is_trusted_says_what_it_says_here(tmp_path, kind):
    path, x = tmp_path / "net.pt2", torch.from_numpy(queries())
    if kind == "torchscript":
        torch.jit.trace(network(), x).save(str(path))
    else:
        torch.export.save(torch.export.export(network(), (x,)), path)
    _, run = trusted_model.opened({"format": kind, "path": str(path), "name": "net.pt2"})
    with torch.inference_mode():
        assert torch.equal(torch.from_numpy(run(queries())), network()(x))


def test_what_is_trusted_gives_a_tensor(tmp_path):
    class Two(torch.nn.Module):
        def forward(self, x):
            return x, x

    torch.jit.trace(Two(), torch.zeros(1, 2)).save(str(tmp_path / "net.pt"))
    about = {"format": "torchscript", "path": str(tmp_path / "net.pt"), "name": "net.pt"}
    _, run = trusted_model.opened(about)
    with pytest.raises(UserError, match="net.pt gives a tuple, no tensor; save it so that it gives logits"):
        run(queries())
