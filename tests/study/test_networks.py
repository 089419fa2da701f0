"""A network of an owner's own is tried before anything is trained: it works everywhere, or a sentence says why not.

What works is trained, saved, loaded, moved and pruned; what does not is told at once, by its own line.
"""

from functools import partial

import pytest
import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

import cv.domain
from fingerprinting.core import places, storage
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.models import build as zoo
from fingerprinting.models.kinds import Job
from fingerprinting.study import checkpoints
from fingerprinting.study.domain import Architecture
from fingerprinting.training.trainer import predict
from tests.domains import changed

CPU = torch.device("cpu")
SHAPE = (1, 8, 8)
INPUTS = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(0))


class Net(nn.Module):
    """The usual network of an owner; each kind below differs from it in one thing."""

    def __init__(self, classes: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.conv = nn.Conv2d(shape[0], 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, classes)

    def features(self, inputs):
        return torch.relu(self.bn(self.conv(inputs))).mean((2, 3))

    def forward(self, inputs):
        return self.fc(self.features(inputs))


def shared_module(classes, shape):
    class Shared(Net):
        def __init__(self):
            super().__init__(classes, shape)
            self.second = nn.Conv2d(8, 8, 3, padding=1)
            self.third = self.second

        def features(self, inputs):
            return self.third(torch.relu(self.second(torch.relu(self.conv(inputs))))).mean((2, 3))

    return Shared()


def tied_weights(classes, shape):
    class Tied(Net):
        def __init__(self):
            super().__init__(classes, shape)
            self.up, self.down = nn.Linear(8, 8), nn.Linear(8, 8)
            self.down.weight = self.up.weight

        def forward(self, inputs):
            return self.fc(self.down(torch.relu(self.up(self.features(inputs)))))

    return Tied()


def a_slice_as_buffer(classes, shape):
    class Sliced(Net):
        def __init__(self):
            super().__init__(classes, shape)
            self.register_buffer("first", self.bn.running_mean[:3])
            self.register_buffer("last", self.bn.running_mean[3:])

    return Sliced()


def buffers_of_all_types(classes, shape):
    class Buffers(Net):
        def __init__(self):
            super().__init__(classes, shape)
            for dtype in (torch.float16, torch.bfloat16, torch.float64, torch.int8, torch.int32, torch.bool):
                self.register_buffer(f"kept_as_{str(dtype)[6:]}", torch.ones(3).to(dtype))
            self.register_buffer("none", None)
            self.register_buffer("empty", torch.empty(0))
            self.register_buffer("empty_too", torch.empty(0))

    return Buffers()


def writes_to_its_input(classes, shape):
    class InPlace(Net):
        def forward(self, inputs):
            return super().forward(inputs.div_(20.0))

    return InPlace(classes, shape)


def extra_state_of_a_tensor(classes, shape):
    class Extra(Net):
        def get_extra_state(self):
            return torch.tensor(3)

        def set_extra_state(self, state):
            assert state == 3

    return Extra(classes, shape)


def computes_in_double(classes, shape):
    class Double(Net):
        def forward(self, inputs):
            return self.fc(self.features(inputs.double()))

    return Double(classes, shape).double()


WORKING = (
    Net,
    shared_module,
    tied_weights,
    a_slice_as_buffer,
    buffers_of_all_types,
    writes_to_its_input,
    extra_state_of_a_tensor,
    computes_in_double,
)


def domain_of(build, head: str = "fc", prunable: tuple[str, ...] = ("conv", "bn")):
    return changed(cv.domain.DOMAIN, name="mine", architectures={"net": Architecture(build, head, prunable)})


@pytest.mark.parametrize("build", WORKING, ids=lambda build: build.__name__)
def test_what_works_is_saved_once_and_responses_the_same_when_it_is_loaded(build, tmp_path):
    domain = domain_of(build)
    checkpoints.check(domain, "net", 4, INPUTS)
    checkpoints.check_moved(domain, "net", 4, INPUTS)
    model = checkpoints.build(domain, "net", 4, SHAPE)
    path = tmp_path / "net.safetensors"
    checkpoints.save(path, model, {"domain": "mine", "architecture": "net", "classes": 4, "shape": list(SHAPE)})
    loaded, metadata = checkpoints.load(domain, path)
    assert metadata["sha256"] == storage.digest(model.state_dict()) == storage.digest(loaded.state_dict())
    assert torch.equal(predict(model, INPUTS, CPU), predict(loaded, INPUTS, CPU))
    assert "shared_tensors" not in metadata
    for one, other in (("second", "third"), ("up", "down")):
        if hasattr(model, one):
            assert getattr(loaded, one).weight is getattr(loaded, other).weight


# What is refused -> what is said of it.


def method(name: str, function, base=Net):
    return lambda classes, shape: type("Odd", (base,), {name: function})(classes, shape)


def constructor(change):
    def build(classes, shape):
        net = Net(classes, shape)
        change(net)
        return net

    return build


def raising(classes, shape):
    raise KeyError("no such size")


class Noisy(Net):
    def forward(self, inputs):
        return super().forward(inputs) + torch.rand(())


class Drawn(Net):
    """What it draws is neither a weight nor a buffer."""

    def __init__(self, classes, shape):
        super().__init__(classes, shape)
        self.projection = torch.randn(8, 8)

    def forward(self, inputs):
        return self.fc(self.features(inputs) @ self.projection)


class Uncalled(Net):
    def forward(self, inputs):
        return F.linear(self.features(inputs), self.fc.weight, self.fc.bias)


class Flattening(Net):
    """What a convolution makes of channels last is no view of a vector."""

    def features(self, inputs):
        return self.conv(inputs).view(len(inputs), -1)[:, :8]


def training_only(outputs):
    return lambda self, inputs: outputs(Net.forward(self, inputs)) if self.training else Net.forward(self, inputs)


def complex_weight(net):
    net.register_parameter("phase", nn.Parameter(torch.zeros(2, dtype=torch.complex64)))


def unnormalised(net):
    net.bn = nn.BatchNorm2d(8, track_running_stats=False)


REFUSED = {
    "constructor": (raising, "'net' cannot be built for 4 classes and inputs (1, 8, 8): KeyError in "),
    "no module": (lambda classes, shape: print, "build= of 'net' makes a builtin_function_or_method"),
    "lazy": (constructor(lambda net: setattr(net, "fc", nn.LazyLinear(4))), "fc.weight of 'net' has no size yet"),
    "channels": (
        lambda classes, shape: Net(classes, (3, 8, 8)),
        "'net' cannot be run on inputs (1, 8, 8): RuntimeError",
    ),
    "flattening": (Flattening, "Use .reshape(...) instead"),
    "dict": (method("forward", lambda s, x: {"logits": Net.forward(s, x)}), "'net' makes a dict; logits (2, 4) alone"),
    "tuple": (method("forward", lambda s, x: (Net.forward(s, x), x)), "'net' makes a tuple; logits (2, 4) alone"),
    "auxiliary": (method("forward", training_only(lambda y: (y, y))), "makes a tuple in training mode; logits (2, 4)"),
    "shape in training": (method("forward", training_only(lambda y: y[:, :3])), "makes (2, 3) of 2 inputs in training"),
    "classes": (lambda classes, shape: Net(3, shape), "'net' makes (2, 3) of 2 inputs; logits (2, 4) are wanted"),
    "integers": (
        method("forward", lambda s, x: Net.forward(s, x).long()),
        "'net' makes torch.int64; logits",
    ),
    "infinite": (method("forward", lambda s, x: Net.forward(s, x) / 0), "'net' makes NaN or infinity; let its first"),
    "NaN in training": (method("forward", training_only(lambda y: y * torch.nan)), "NaN or infinity in training mode"),
    "extra state": (method("get_extra_state", lambda s: {"version": 3}), "_extra_state of 'net' is no tensor"),
    "complex": (constructor(complex_weight), "phase of 'net' is complex; keep real and imaginary parts"),
    "frozen": (constructor(lambda net: net.requires_grad_(False)), "'net' has no parameters that can be trained"),
    "batch statistics": (constructor(unnormalised), "'net' responds to an input alone otherwise than beside others"),
    "noise": (Noisy, "'net' responds to an input alone otherwise than beside others"),
    "softmax over the batch": (
        method("forward", lambda s, x: Net.forward(s, x).softmax(0)),
        "'net' responds to an input alone otherwise",
    ),
    "unsaved": (Drawn, "'net' responds otherwise after it was saved and loaded"),
    "head uncalled": (Uncalled, "'fc' of 'net' is never called; head= must be"),
    "half": (constructor(lambda net: net.half()), "'net' cannot be run on inputs (1, 8, 8): RuntimeError"),
    "backward": (
        method("forward", training_only(lambda y: y.detach())),
        "'net' cannot be trained: RuntimeError",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_does_not_work_is_one_sentence(kind):
    build, said = REFUSED[kind]
    with pytest.raises(UserError) as refused:
        checkpoints.check(domain_of(build), "net", 4, INPUTS)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_the_sentence_names_the_users_line():
    with pytest.raises(UserError) as refused:
        checkpoints.check(domain_of(raising), "net", 4, INPUTS)
    assert "test_networks.py, line " in str(refused.value) and "'no such size'" in str(refused.value)


def test_the_sentence_names_no_line_of_the_packages_own():
    """What fails on the way back through a network stands in the training loop, which is nobody's to mend."""
    with pytest.raises(UserError) as refused:
        checkpoints.check(domain_of(REFUSED["backward"][0]), "net", 4, INPUTS)
    assert str(REPOSITORY / "fingerprinting") not in str(refused.value)


def test_a_head_that_is_not_all_of_the_task_cannot_be_moved():
    fixed = method("forward", lambda self, inputs: Net.forward(self, inputs).reshape(-1, 4))
    checkpoints.check(domain_of(fixed), "net", 4, INPUTS)
    with pytest.raises(
        UserError, match="'net' cannot be transferred to another task: RuntimeError|exchanged for one of 5"
    ):
        checkpoints.check_moved(domain_of(fixed), "net", 4, INPUTS)


@pytest.mark.parametrize("kind", ["auxiliary", "tuple", "lazy"])
def test_a_network_is_refused_before_a_step_writes_anything(study, kind):
    own = changed(domain_of(REFUSED[kind][0]), load=study.domain.data.load)
    vars(study)["domain"] = own
    study.__dict__["address"] = "my_domain.py"
    jobs = [Job(study.model_id("irrelevant", "net", 0), study.recipe(1, 0.01), {"part": "attacker"})]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fingerprinting.study.loading.load_domain", lambda address: own)
        with pytest.raises(UserError):
            zoo.train(study, "irrelevant", jobs)
    assert not places.artifacts_dir().exists()


@pytest.mark.parametrize("build", [shared_module, tied_weights], ids=lambda build: build.__name__)
def test_tied_weights_stay_tied_when_they_are_trained_and_are_written_once(build, tmp_path):
    model = build(4, SHAPE)
    path, apart = tmp_path / "tied.safetensors", tmp_path / "apart.safetensors"
    storage.save_tensors(path, model.state_dict(), {"note": "tied"})
    copies = {name: value.clone() for name, value in model.state_dict().items()}
    storage.save_tensors(apart, copies, {"note": "tied"})
    assert path.stat().st_size < apart.stat().st_size
    (tied, said), (loose, said_too) = storage.load_tensors(path), storage.load_tensors(apart)
    assert said == said_too == storage.read_metadata(path)
    assert tied.keys() == loose.keys() and all(torch.equal(tied[name], loose[name]) for name in tied)


def test_a_file_that_ties_what_it_does_not_hold_is_damaged(tmp_path, monkeypatch):
    path = tmp_path / "tied.safetensors"
    weight = torch.ones(3)
    for names in ({"b": "absent"}, {"b": 3}, ["b"]):
        monkeypatch.setattr(storage, "_once", lambda tensors, names=names: ({"a": weight}, names))
        monkeypatch.setattr(storage, "_under_all_names", lambda stored, shared: {"a": weight, "b": weight})
        storage.save_tensors(path, {"a": weight, "b": weight}, {})
        with pytest.raises(UserError, match="is damaged or truncated"):
            storage.load_tensors(path)


@pytest.mark.parametrize("name", ["conv3", "mlp", "lenet", "separable", "residual"])
def test_the_projects_own_networks_pass(name):
    checkpoints.check(cv.domain.DOMAIN, name, 10, INPUTS)
    checkpoints.check_moved(cv.domain.DOMAIN, name, 10, INPUTS)


def test_partial_builders_are_builders():
    checkpoints.check(domain_of(partial(Net)), "net", 4, INPUTS)
