"""Models on disk: weights in safetensors, and beside them all that is needed to rebuild and to judge them.

`check` finds what a network of somebody's own may do otherwise than is needed, before anything is trained.
"""

import contextlib
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from fingerprinting.core import places, runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples, handed_out
from fingerprinting.study import trace
from fingerprinting.study.domain import DOMAINS, Architecture, Domain
from fingerprinting.study.weights import filled
from fingerprinting.training import objectives, quantising
from fingerprinting.training.recipe import Recipe
from fingerprinting.training.trainer import fit

CPU = torch.device("cpu")
CLOSE = 1e-3  # of the largest logit: more than rounding changes in a response


def save(path: Path, model: nn.Module, metadata: dict) -> None:
    """metadata must hold what rebuilds the model: `architecture`, `classes` (count) and `shape` of an input."""
    storage.save_tensors(path, model.state_dict(), metadata)


def load(domain: Domain, path: Path) -> tuple[nn.Module, dict]:
    """Rebuild a model from its file's own metadata; every key must fit."""
    weights, metadata = storage.load_tensors(path)
    if not {"architecture", "classes", "domain", "shape"} <= set(metadata):
        raise UserError(f"{path} holds no model; give a model that a step wrote")
    if metadata["domain"] != domain.name:
        raise UserError(f"{path} holds a model of domain {metadata['domain']!r}, not of {domain.name}")
    model = build(domain, metadata["architecture"], metadata["classes"], tuple(metadata["shape"]))
    quantising.restore(model, weights)
    try:
        model.load_state_dict(weights)
    except RuntimeError:
        raise UserError(
            f"{path} does not fit architecture {metadata['architecture']!r} as it is now; delete the file and run the "
            "script that wrote it again"
        ) from None
    return model, metadata


def build(domain: Domain, architecture: str, classes: int, shape: tuple[int, ...]) -> nn.Module:
    """An untrained model, which writes to no input of its callers: of other domains' it gets copies.

    The project's own networks leave their inputs as they are (tests/repository/test_kept_data.py).
    """
    model = domain.architecture(architecture).build(classes, shape)
    if not isinstance(model, nn.Module):
        raise UserError(f"build= of {architecture!r} makes a {type(model).__name__}; it must make a torch.nn.Module")
    if domain.name not in DOMAINS:
        model.register_forward_pre_hook(_copies)
    return model


def exchange_head(model: nn.Module, path: str, classes: int) -> None:
    """A new last linear layer, of another task, in place of the one at that path."""
    old = model.get_submodule(path)
    assert isinstance(old, nn.Linear)  # stated heads were checked, others are found among linear layers
    model.set_submodule(path, nn.Linear(old.in_features, classes, dtype=old.weight.dtype))


def _copies(_model: nn.Module, given: tuple) -> tuple:
    return tuple(value.clone() if isinstance(value, torch.Tensor) else value for value in given)


def check(
    domain: Domain,
    name: str,
    classes: int,
    inputs: torch.Tensor,
    device: torch.device = CPU,
    weights: Path | None = None,
) -> None:
    """Two or more stored inputs (N, ...) go through all that a model does; what fails ends in a UserError.

    They are classified together and alone, trained on for one update, and classified again by a network that was built
    anew and given the weights as they were written to a file and read. weights: of a model that was trained elsewhere.
    """
    architecture = domain.architecture(name)
    model = _made(domain, name, classes, inputs, weights)
    _check_parts(name, architecture, model)
    _check_responses(name, model, classes, inputs, device)
    _check_head(domain, name, model, inputs)
    with said(f"{name!r} cannot be trained"):
        _train_once(name, model, classes, inputs, device)
    again = _made(domain, name, classes, inputs, weights)
    with said(f"{name!r} does not load what it saves"), tempfile.TemporaryDirectory() as folder:
        save(path := Path(folder) / "weights.safetensors", model, {})
        again.load_state_dict(storage.load_tensors(path)[0])
    if not _close(*(_asked(one, inputs, device) for one in (model, again))):
        raise UserError(
            f"{name!r} responds otherwise after it was saved and loaded; what responses depend on must be its "
            "parameters and buffers, and nothing that its constructor draws"
        )


def check_moved(domain: Domain, name: str, classes: int, inputs: torch.Tensor, device: torch.device = CPU) -> None:
    """Whether a new last layer is all that a network needs for another task, of one class more."""
    model = _made(domain, name, classes, inputs)
    head = trace.head(domain, name, model, inputs)
    exchange_head(model, head, classes + 1)
    with said(f"{name!r} cannot be transferred to another task"):
        logits = _asked(model, inputs, device)
    _check_logits(name, logits, (len(inputs), classes + 1), f" with {head!r} exchanged for one of {classes + 1}")


def check_pruned(domain: Domain, name: str, classes: int, inputs: torch.Tensor) -> None:
    """Whether it is known which modules make a network's last features: their units are what pruning masks."""
    trace.prunable(domain, name, _made(domain, name, classes, inputs), inputs)


def check_perturbed(domain: Domain, name: str, classes: int, inputs: torch.Tensor, device: torch.device = CPU) -> None:
    """Whether a network can be trained on perturbations where its domain adds them."""
    model = runtime.place(_made(domain, name, classes, inputs), device)
    objective = objectives.adversarial(domain.inputs.continuous, domain.inputs.input_range, CLOSE, 1)
    with said(f"{name!r} cannot be trained on adversarial perturbations"):
        objective(model, handed_out(inputs, device), (torch.arange(len(inputs)) % classes).to(device)).backward()


def _made(domain: Domain, name: str, classes: int, inputs: torch.Tensor, weights: Path | None = None) -> nn.Module:
    shape = tuple(inputs.shape[1:])
    with said(f"{name!r} cannot be built for {classes} classes and inputs {shape}"):
        model = build(domain, name, classes, shape)
    return filled(model, weights) if weights else model


def _check_parts(name: str, architecture: Architecture, model: nn.Module) -> None:
    modules, state = dict(model.named_modules()), model.state_dict()
    if lazy := [key for key, value in state.items() if nn.parameter.is_lazy(value)]:
        raise UserError(f"{lazy[0]} of {name!r} has no size yet; give it one: nn.Linear instead of nn.LazyLinear")
    if architecture.head is not None and not isinstance(modules.get(architecture.head), nn.Linear):
        raise UserError(f"{architecture.head!r} is no linear layer of {name!r}; head= must be the path of its last one")
    if wrong := [path for path in architecture.prunable or () if path not in modules]:
        raise UserError(f"{wrong[0]!r} is no part of {name!r}; prunable= must hold paths of its last features' modules")
    if other := [key for key, value in state.items() if not isinstance(value, torch.Tensor)]:
        raise UserError(f"{other[0]} of {name!r} is no tensor, and files of weights hold nothing else; use a buffer")
    if imaginary := [key for key, value in state.items() if value.is_complex()]:
        raise UserError(f"{imaginary[0]} of {name!r} is complex; keep real and imaginary parts as floats of their own")
    if not any(weight.requires_grad for weight in model.parameters()):
        raise UserError(f"{name!r} has no parameters that can be trained; build one with requires_grad=True")


def _check_responses(name: str, model: nn.Module, classes: int, inputs: torch.Tensor, device: torch.device) -> None:
    with said(f"{name!r} cannot be run on inputs {tuple(inputs.shape[1:])}"):
        together = _asked(model, inputs, device)
        alone = [_asked(model, one, device) for one in inputs.split(1)]
    _check_logits(name, together, (len(inputs), classes))
    if not all(isinstance(one, torch.Tensor) and one.shape == (1, classes) for one in alone) or not _close(
        together, torch.cat(alone)
    ):
        raise UserError(
            f"{name!r} responds to an input alone otherwise than beside others; in evaluation mode a response must "
            "depend on its input only: not on the batch (running statistics), not on chance"
        )


def _check_head(domain: Domain, name: str, model: nn.Module, inputs: torch.Tensor) -> None:
    """A stated head is one of the layers that a traced pass calls; one that is not stated is found among them."""
    stated = domain.architecture(name).head
    if stated is None:
        trace.head(domain, name, model, inputs)
    elif stated not in [call.path for call in trace.traced(model, inputs)[0]]:
        raise UserError(f"{stated!r} of {name!r} is never called; head= must be the path of its last layer")


def _check_logits(name: str, found, wanted: tuple[int, int], when: str = "") -> None:
    count, classes = wanted
    if not isinstance(found, torch.Tensor):
        raise UserError(
            f"{name!r} makes a {type(found).__name__}{when}; logits ({count}, {classes}) alone are wanted: no further "
            "outputs, also in training mode (aux_logits=False)"
        )
    if tuple(found.shape) != wanted:
        raise UserError(f"{name!r} makes {tuple(found.shape)} of {count} inputs{when}; logits {wanted} are wanted")
    if not found.is_floating_point():
        raise UserError(f"{name!r} makes {found.dtype}{when}; logits are floats, one for each class")
    if not found.isfinite().all():
        raise UserError(f"{name!r} makes NaN or infinity{when}; let its first layer scale inputs to about 1")


def _asked(model: nn.Module, inputs: torch.Tensor, device: torch.device):
    """What the model makes of inputs as all of them are asked, whatever that is."""
    runtime.place(model, device).eval()
    with torch.inference_mode():
        return model(handed_out(inputs, device))


def _train_once(name: str, model: nn.Module, classes: int, inputs: torch.Tensor, device: torch.device) -> None:
    def objective(model: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        logits = model(inputs)
        _check_logits(name, logits, (len(labels), classes), " in training mode")
        return F.cross_entropy(logits, labels)

    seen = Examples(inputs, torch.arange(len(inputs)) % classes)
    recipe = Recipe(1, CLOSE, len(inputs), weight_decay=0.0, min_updates=0, augment=False)
    fit(model, seen, seen, objective, recipe, name, device)


def _close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool((one - other).abs().max() <= CLOSE * one.abs().max())


@contextlib.contextmanager
def said(what: str) -> Iterator[None]:
    """Whatever somebody's own network raises, as one sentence that names its line."""
    try:
        yield
    except (UserError, MemoryError):
        raise
    except Exception as error:  # somebody's own code, and torch over what it is given, may raise anything
        words = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"{what}: {type(error).__name__}{_where(error)}: {words}") from error


def _where(error: Exception) -> str:
    """The line that raised, of the innermost file that is neither an installed package's nor this one's."""
    frames = traceback.extract_tb(error.__traceback__)
    elsewhere = (sys.prefix, sys.base_prefix, str(places.REPOSITORY / "fingerprinting"), "<")
    own = [frame for frame in frames if not frame.filename.startswith(elsewhere)]
    return f" in {own[-1].filename}, line {own[-1].lineno}" if own else ""
