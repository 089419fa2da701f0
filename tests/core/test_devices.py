"""Step functions on an accelerator that is not there: torch's fake tensors know devices and shapes, and no content.

Gradients of fake tensors on "cuda" need CUDA's streams, which torch asks the machine for; where there are none they are
taken on "lazy", another device that is not the CPU. All else is on "cuda".

A tensor that was left on the CPU is found, as on a real accelerator. What reads content cannot be run so, and is left
out by name: LEFT_OUT. Bits are compared between runs of the same device alone, and promised on CPUs of one kind
(BITS_HOLD_ON of conftest.py); on accelerators cuDNN's convolutions are deterministic, and other kernels may not be.
"""

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from cv.domain import DOMAIN as VISION
from cv.passport import passports, training
from cv.passport.layers import private_branch
from fingerprinting.core import runtime
from fingerprinting.data.datasets import Examples
from fingerprinting.deepcore import core_points
from fingerprinting.fingerprints import representations
from fingerprinting.fingerprints.queries import evolved
from fingerprinting.study.domain import load_domain
from fingerprinting.training import objectives, trainer

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
MOVED = CUDA if torch.cuda.is_available() else torch.device("lazy")  # where gradients are taken
N, CLASSES = 8, 10
SHAPES = {"cv": (3, 32, 32), "bci": (32, 128)}
LEFT_OUT = {
    "trainer.fit": "its epochs end by whether the loss is finite and which is best; its update is here",
    "trainer.accuracy": "gives a number",
    "primary.extremes": "how many examples the source gets right is content",
    "evolved.evolve": "whether a rule has samples is content; both rules are here",
    "core_points.core_points": "who has settled leaves the batch; its gradient is here",
    "plausible.evolve": "as evolved.evolve; what it moves through is here",
    "objectives.removal": "the logits of other classes are taken by a mask",
    "networks of texts": "a batch is as long as its longest text",
    "evolve of texts": "characters are compared one by one",
    "representations by content": "labels are counted on the CPU, whatever the suspect's device",
    "augment": "how far a batch is shifted is drawn, and content",
    "runtime.mixed_precision": "torch asks the machine for CUDA, and leaves the precision as it is without",
    "gradients of passports": "torch.autocast, off for them, knows no device that is not there",
}


@pytest.fixture
def fake(monkeypatch) -> Iterator[FakeTensorMode]:
    with FakeTensorMode() as mode:
        monkeypatch.setattr(nn.Module, "to", lambda model, device, **_: moved(mode, model, device))
        yield mode


def moved(mode: FakeTensorMode, model: nn.Module, device: torch.device) -> nn.Module:
    """What model.to(device) does, which exchanges tensors in place, as fake ones cannot be; real ones become fake."""
    there: dict[nn.Parameter, nn.Parameter] = {}

    def placed(value: torch.Tensor) -> torch.Tensor:
        return (value if isinstance(value, FakeTensor) else mode.from_tensor(value)).to(device)

    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                there.setdefault(weight, nn.Parameter(placed(weight.detach()), weight.requires_grad))
                module._parameters[name] = there[weight]
        for name, value in module._buffers.items():
            module._buffers[name] = None if value is None else placed(value)
    return model


def inputs_of(domain: str, device: torch.device = CUDA) -> torch.Tensor:
    return torch.rand(N, *SHAPES[domain], device=device)


def labels_of(device: torch.device = CUDA) -> torch.Tensor:
    return torch.randint(0, CLASSES, (N,), device=device)


def network(domain: str, name: str, device: torch.device = CUDA) -> nn.Module:
    return runtime.place(load_domain(domain).architecture(name).build(CLASSES, SHAPES[domain]), device)


ARCHITECTURES = [
    (domain, name) for domain in SHAPES for name in load_domain(domain).networks.architectures if name not in LEFT_OUT
]


@pytest.mark.parametrize(("domain", "name"), ARCHITECTURES)
def test_every_architecture_takes_a_training_step(fake, domain, name):
    model = network(domain, name, MOVED).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=MOVED == CUDA)
    part = Examples(inputs_of(domain, CPU), labels_of(CPU))
    for inputs, labels in part.batches(N, MOVED):
        assert inputs.device.type == labels.device.type == MOVED.type
        trainer.update(model, objectives.cross_entropy(model, inputs, labels), optimizer)
    assert {weight.device.type for weight in model.parameters()} == {MOVED.type}


SMALL = {"cv": "conv3", "bci": "ccnn_small"}
EVERYWHERE = pytest.mark.parametrize("domain", SHAPES)


@EVERYWHERE
def test_every_objective_gives_a_gradient(fake, domain):
    model, inputs, labels = network(domain, SMALL[domain], MOVED), inputs_of(domain, MOVED), labels_of(MOVED)
    chosen = load_domain(domain).inputs
    targets = torch.softmax(torch.rand(N, CLASSES, device=MOVED), 1)
    losses = {
        objectives.cross_entropy: labels,
        objectives.distillation(2.0): targets,
        objectives.adversarial(chosen.continuous, chosen.input_range, 0.1, 2): labels,
    }
    for objective, wanted in losses.items():
        loss = objective(model, inputs, wanted)
        loss.backward()
        assert loss.device.type == MOVED.type and loss.dtype == torch.float32


@EVERYWHERE
def test_a_model_is_asked(fake, domain):
    (logits,) = trainer.predictions(network(domain, SMALL[domain]), inputs_of(domain, CPU), CUDA, N)
    assert logits.device.type == "cuda" and logits.shape == (N, CLASSES)


@pytest.mark.parametrize("domain", ["cv", "bci"])
def test_queries_are_moved(fake, domain):
    model, inputs, bounds = network(domain, SMALL[domain], MOVED).eval(), inputs_of(domain, MOVED), (0.0, 1.0)
    moved = [
        evolved.evolve_confident(model, inputs, 2, 1e-3, 1e-5, bounds),
        evolved.evolve_uncertain(model, inputs, 2, 1e-3, 2.0, bounds),
        core_points.gradient(model, inputs, labels_of(MOVED))[0],
    ]
    assert {found.device.type for found in moved} == {MOVED.type}


def test_an_eeg_query_stays_plausible(fake):
    from bci.plausible import Plausible

    recordings = inputs_of("bci")
    assert Plausible(recordings, (-1.0, 1.0))(torch.zeros_like(recordings)).device.type == "cuda"


@pytest.mark.parametrize("read", [representations.cosines, representations.decision_distances])
def test_responses_are_compared(fake, read):
    assert read(torch.rand(N, CLASSES, device=CUDA), None).device.type == "cuda"


@pytest.fixture(scope="module")
def held() -> passports.Passports:
    plain = VISION.architecture("conv3").build(CLASSES, SHAPES["cv"])
    return passports.make(plain, passports.read_config("", "conv3"), inputs_of("cv", CPU), 2, "fake", {})


@pytest.mark.parametrize("scheme", ["v1", "v2", "v3"])
def test_passports_are_trained(held, scheme, monkeypatch):
    """The network is real until it is moved: layers with passports are copies, which fake tensors have none of."""
    net = passports.install(VISION.architecture("conv3").build(CLASSES, SHAPES["cv"]), held, public=scheme != "v1")
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        monkeypatch.setattr(nn.Module, "to", lambda model, device, **_: moved(mode, model, device))
        _trained(runtime.place(net, CUDA), held, scheme)


def _trained(net: nn.Module, held: passports.Passports, scheme: str) -> None:
    objective = training.protected_loss(held.signs, 0.1, CUDA)
    if scheme != "v1":
        objective = training.both_branches(objective)
    if scheme == "v3":
        shown = Examples(inputs_of("cv", CPU), labels_of(CPU))
        objective = training.with_triggers(objective, shown, 2, CUDA)
    loss = objective(net.train(), inputs_of("cv", CUDA), labels_of(CUDA))
    if torch.cuda.is_available():
        loss.backward()
    with private_branch(net):
        assert net(inputs_of("cv", CUDA)).device.type == loss.device.type == "cuda"


def test_a_forgotten_move_is_found(fake):
    model = network("cv", "conv3")
    with pytest.raises(RuntimeError, match="device"):
        objectives.cross_entropy(model, inputs_of("cv"), labels_of(CPU))


def test_what_is_left_out_says_why():
    assert all(len(reason) > 10 for reason in LEFT_OUT.values())
