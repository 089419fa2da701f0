"""Vision's architectures: shapes, heads, what can be pruned, the fixed normalisation; augmentation; own domain files.

torchvision's networks take seconds to build and are marked slow.
"""

from itertools import combinations

import pytest
import torch
from torch import nn

from cv.domain import DOMAIN
from cv.inputs import shifted_and_flipped
from cv.models import ARCHITECTURES, Normalise
from fingerprinting.core.errors import UserError
from fingerprinting.core.runtime import seed_everything
from fingerprinting.study import checkpoints, trace
from fingerprinting.study.domain import TIERS, Domain, load_domain
from fingerprinting.study.study import Study
from fingerprinting.training import pruning
from tests.networks import output_of

SMALL = ("conv3", "mlp", "lenet", "separable", "residual")
LARGE = tuple(name for name in ARCHITECTURES if name not in SMALL)
ALL = [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
SHAPES = [(1, 28, 28), (3, 32, 32), (1, 8, 8)]
CLASSES = 7


def images(count: int, shape: tuple[int, ...]) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def built(name: str, shape: tuple[int, ...], classes: int = CLASSES) -> nn.Module:
    """In evaluation mode, its norms shifted and their statistics those of some images, as in a trained net."""
    seed_everything(name)
    model = checkpoints.build(DOMAIN, name, classes, shape)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.bias, 0.1, 0.5)
        norm.momentum = 1.0
    if norms:
        model.train()(images(8, shape))
    return model.eval()


@torch.no_grad()
def layer_after(model: nn.Module, path: str, inputs: torch.Tensor) -> type:
    order = []
    layers = [module for module in model.modules() if not list(module.children())]
    hooks = [layer.register_forward_hook(lambda module, _inputs, _outputs: order.append(module)) for layer in layers]
    model(inputs)
    for hook in hooks:
        hook.remove()
    return type(order[order.index(model.get_submodule(path)) + 1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_images_become_logits_and_the_head_is_the_last_linear_layer(name, shape):
    model, inputs = built(name, shape), images(3, shape)
    with torch.no_grad():
        logits = model(inputs)
    assert logits.shape == (3, CLASSES) and torch.isfinite(logits).all()
    assert not torch.allclose(logits[0], logits[1])
    path = trace.head(DOMAIN, name, model, inputs)
    last = [found for found, module in model.named_modules() if isinstance(module, nn.Linear)][-1]
    assert path == last and model.get_submodule(path).out_features == CLASSES
    assert torch.equal(output_of(model, path, inputs), logits)


@pytest.mark.parametrize("name", ALL)
def test_pruned_units_give_zero_features_and_the_others_do_not(name):
    shape = (1, 28, 28)
    model, inputs = built(name, shape), images(6, shape)
    paths = trace.prunable(DOMAIN, name, model, inputs)
    before = output_of(model, paths[-1], inputs).relu()
    count = before.shape[1]
    for path in paths:
        weights = list(model.get_submodule(path).parameters(recurse=False))
        assert weights and all(len(weight) == count for weight in weights)
    assert layer_after(model, paths[-1], inputs) in (nn.ReLU, nn.ReLU6, nn.Linear)  # Linear: DenseNet's is a function
    units = torch.randperm(count, generator=torch.Generator().manual_seed(0))[: count // 2]
    kept = torch.ones(count, dtype=torch.bool).index_fill(0, units, False)
    pruning.zeroing(paths, units)(model)
    after = output_of(model, paths[-1], inputs).relu()
    assert after[:, units].abs().max() == 0 and before[:, units].abs().max() > 0
    same = torch.equal(after[:, kept], before[:, kept]) or name.endswith("_gn")  # a group's statistics tie its units
    assert same and after[:, kept].abs().max() > 0
    in_training = output_of(model.train(), paths[-1], inputs).relu()
    assert in_training[:, units].abs().max() == 0 and in_training[:, kept].abs().max() > 0


@pytest.mark.parametrize("name", ALL)
def test_a_saved_model_responds_the_same(name, tmp_path):
    shape = (3, 32, 32)
    model, inputs = built(name, shape), images(4, shape)
    path = tmp_path / "model.safetensors"
    checkpoints.save(path, model, {"domain": "cv", "architecture": name, "classes": CLASSES, "shape": list(shape)})
    loaded, _ = checkpoints.load(DOMAIN, path)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(inputs), model(inputs))
    path.unlink()  # up to half a gigabyte, and pytest keeps its folders


@pytest.mark.parametrize("name", ALL)
def test_the_first_layer_normalises_and_carries_nobodys_data(name):
    model = built(name, (1, 28, 28))
    first = next(module for module in model.modules() if not list(module.children()))
    assert isinstance(first, Normalise) and not first.state_dict()
    assert first(torch.tensor([0.0, 0.5, 1.0])).tolist() == [-2.0, 0.0, 2.0]


@pytest.mark.parametrize("name", SMALL)
def test_a_batch_is_classified_like_its_images_alone(name):
    model, inputs = built(name, (1, 28, 28)), images(5, (1, 28, 28))
    with torch.no_grad():
        together, alone = model(inputs), torch.cat([model(image[None]) for image in inputs])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_every_weight_of_a_small_net_learns(name):
    model, inputs = built(name, (1, 8, 8)).train(), images(8, (1, 8, 8))
    nn.functional.cross_entropy(model(inputs), torch.arange(8) % CLASSES).backward()
    assert all(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in model.parameters())


def test_small_nets_differ_clearly_in_size_and_in_layers():
    nets = {name: built(name, (1, 28, 28), 10) for name in SMALL}
    counts = {name: sum(weight.numel() for weight in net.parameters()) for name, net in nets.items()}
    for one, other in combinations(SMALL, 2):
        assert max(counts[one], counts[other]) > 1.2 * min(counts[one], counts[other]), counts
        assert [type(layer) for layer in nets[one].modules()] != [type(layer) for layer in nets[other].modules()]


def test_every_tier_names_architectures_that_exist_and_students_unlike_the_source():
    for tier in TIERS:
        names = (DOMAIN.networks.source[tier], *DOMAIN.networks.students[tier])
        assert set(names) <= set(ARCHITECTURES) and len(set(names)) == len(names)


def test_an_unknown_architecture_is_refused():
    with pytest.raises(UserError, match="unknown architecture 'conv4'; cv has conv3"):
        DOMAIN.architecture("conv4")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_augmentation_keeps_shape_type_and_range_and_moves_no_other_value_in(shape):
    batch = images(40, shape)
    seed_everything("augmentation")
    moved = shifted_and_flipped(batch)
    assert moved.shape == batch.shape and moved.dtype == batch.dtype
    assert not torch.equal(moved, batch)
    for before, after in zip(batch, moved, strict=True):
        assert set(after.unique().tolist()) <= {0.0, *before.unique().tolist()}


def test_augmentation_flips_some_and_shifts_by_up_to_four():
    """One bright pixel in the left half of each image says where everything went."""
    batch = torch.zeros(64, 1, 28, 28)
    batch[:, :, 10, 8] = 1
    seed_everything("augmentation")
    places = set()
    for _ in range(60):
        rows, columns = shifted_and_flipped(batch).nonzero()[:, 2:].T
        assert len(rows) == 64 and len(rows.unique()) == 1
        flipped = columns > 13
        assert 10 < int(flipped.sum()) < 54
        column = int(columns[~flipped].unique())
        assert columns[flipped].unique().tolist() == [27 - column]
        places.add((int(rows[0]) - 10, column - 8))
    assert {row for row, _ in places} == {column for _, column in places} == set(range(-4, 5))


OWN = """
from dataclasses import replace
from cv.domain import DOMAIN as VISION
networks = replace(VISION.networks, source=dict(VISION.networks.source, smoke="lenet"))
DOMAIN = replace(VISION, name="mine", networks=networks)
"""


def test_a_users_own_domain_file_is_a_domain(tmp_path):
    path = tmp_path / "my_domain.py"
    path.write_text(OWN)
    assert isinstance(load_domain(str(path)), Domain)
    study = Study(str(path), "digits", "smoke")
    assert study.folder == "mine/digits/smoke" and study.source_id.name == "mine/digits/smoke/source/lenet-0"
    assert study.shape == (1, 8, 8)


def test_a_domain_by_name_is_the_repositorys():
    assert load_domain("cv") is DOMAIN


@pytest.mark.parametrize("content", ["", "DOMAIN = 'cv'\n", "domain = None\n"], ids=repr)
def test_a_file_without_domain_is_refused(tmp_path, content):
    path = tmp_path / "empty.py"
    path.write_text(content)
    with pytest.raises(UserError, match="empty.py defines no DOMAIN; see cv/domain.py"):
        load_domain(str(path))


@pytest.mark.parametrize("address", ["vision", "absent.py", "cv/domain", "", "README.md", "."])
def test_a_wrong_address_is_refused(address):
    with pytest.raises(UserError, match="unknown domain .*; take one of cv.* or the path of a domain.py"):
        load_domain(address)
