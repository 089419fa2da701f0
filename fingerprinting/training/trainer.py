"""The one training loop and the one prediction loop."""

import io
import pickle
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from fingerprinting.core import runtime, storage
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples, handed_out
from fingerprinting.training.recipe import FEWEST, Recipe

PREDICTION_BATCH = 256  # on a CPU larger batches leave the cache and are slower
SIGNALS_BATCH = 64  # of recordings, which bci's nets keep in dozens of maps (benchmarks/layouts.py)
LARGEST_SEED = 2**31  # what torch, NumPy and Python's random all take
RESUME_EVERY = 30.0  # seconds of training between two resumable states

Objective = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
Descent = tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]


def predictions(
    model: nn.Module, inputs: torch.Tensor, device: torch.device, batch_size: int | None = None
) -> Iterator[torch.Tensor]:
    """Logits of stored or physical inputs (N, ...), a batch at a time, on `device`."""
    runtime.place(model, device).eval()
    for piece in inputs.split(batch_size or (SIGNALS_BATCH if inputs.dim() == 3 else PREDICTION_BATCH)):
        with torch.inference_mode():  # not around the yield, which would leave it on in the caller
            logits = model(handed_out(piece, device))
        yield logits


def predict(model: nn.Module, inputs: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Logits (N, C) of inputs (N, ...), on the CPU."""
    return torch.cat([logits.cpu() for logits in predictions(model, inputs, device)])


def accuracy(logits: torch.Tensor, labels: torch.Tensor) -> float:
    return (logits.argmax(1) == labels).double().mean().item()


def one_cycle(weights: list[nn.Parameter], recipe: Recipe, steps: int) -> Descent:
    """AdamW on one cycle of the learning rate: how all models here are trained."""
    optimizer = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps)


def fit(
    model: nn.Module,
    train: Examples,
    dev: Examples,
    objective: Objective,
    recipe: Recipe,
    name: str,
    device: torch.device,
    after_step: Callable[[nn.Module], None] = lambda model: None,
    augment: Callable[[torch.Tensor], torch.Tensor] = lambda inputs: inputs,
    resume: Path | None = None,
    keep_last: bool = False,
    precision: str = "float32",
    before_step: Callable[[nn.Module], None] = lambda model: None,
    descent: Callable[[list[nn.Parameter], Recipe, int], Descent] = one_cycle,
) -> dict:
    """Train `model` in place and leave it with the weights of the epoch that did best on dev, or of the last.

    before_step stands between the gradients and the update. descent(weights, recipe, updates) makes what updates.
    Every epoch draws from generators named after the model and the epoch, so a run that is killed and resumed at an
    epoch's end reaches the same bits as one that was not.
    """
    if len(train) < FEWEST:
        raise UserError(f"{name} is to be trained on {len(train)} examples; give its part or share {FEWEST} or more")
    runtime.place(model, device)
    train = train.on(device)
    updates, passes = recipe.updates(len(train)), recipe.passes(len(train))
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer, schedule = descent(trained, recipe, updates * passes)
    progress = {"epoch": 0, "best_epoch": 0, "dev_accuracy": -1.0, "seconds": 0.0}
    best: dict[str, torch.Tensor] = {}  # of the first epoch at the latest
    if state := _resumable(resume, model, device):
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        progress, best = state["progress"], state["best"]
    saved = time.monotonic()
    while progress["epoch"] < passes:
        started = time.perf_counter()
        epoch_name = f"{name}/epoch {progress['epoch']}"
        runtime.seed_everything(epoch_name)
        order = torch.randperm(len(train), generator=runtime.generator(epoch_name))[: updates * recipe.batch_size]
        _training_mode(model)
        for inputs, targets in train.batches(recipe.batch_size, device, order):
            with runtime.mixed_precision(model, device, precision):
                loss = objective(model, augment(inputs) if recipe.augment else inputs, targets)
            update(model, loss, optimizer, before_step)
            schedule.step()
            after_step(model)
        if not torch.isfinite(loss):
            raise UserError(f"training of {name} diverged (loss {loss.item()}); lower LEARNING_RATE")
        progress["epoch"] += 1
        dev_accuracy = accuracy(predict(model, dev.inputs, device), dev.targets)
        if keep_last or dev_accuracy > progress["dev_accuracy"]:
            progress.update(dev_accuracy=dev_accuracy, best_epoch=progress["epoch"])
            best = {key: value.clone() for key, value in model.state_dict().items()}
        progress["seconds"] += time.perf_counter() - started
        if resume and progress["epoch"] < passes and time.monotonic() - saved > RESUME_EVERY:
            with storage.atomic(resume) as temporary:
                state = {"model": model.state_dict(), "best": best, "progress": progress}
                state.update(optimizer=optimizer.state_dict(), schedule=schedule.state_dict())
                buffer = io.BytesIO()  # torch's own writer hides a full disk behind a RuntimeError
                torch.save(state, buffer)
                temporary.write_bytes(buffer.getbuffer())
            saved = time.monotonic()
    model.load_state_dict(best)
    return progress


def update(
    model: nn.Module,
    loss: torch.Tensor,
    optimizer: torch.optim.Optimizer,
    before_step: Callable[[nn.Module], None] = lambda model: None,
) -> None:
    """Move the model's weights down the loss's gradient."""
    optimizer.zero_grad()
    loss.backward()
    before_step(model)
    optimizer.step()


def fit_by(recipe: Callable, model: nn.Module, train: Examples, dev: Examples, name: str, device: torch.device) -> dict:
    """Train `model` in place by somebody's own recipe(model, inputs, labels, seed) -> model; what `fit` would say.

    It gets physical inputs (N, ...) and labels (N,) in memory of their own. What it returns, or the model that it was
    given where it returns none, must have the model's weights.
    """
    started = time.perf_counter()
    inputs, labels = handed_out(train.inputs, device), train.targets.to(device, copy=True)
    made = recipe(runtime.place(model, device), inputs, labels, runtime.seed_from(name) % LARGEST_SEED)
    if made is not None and not isinstance(made, nn.Module):
        raise UserError(f"train(model, inputs, labels, seed) returned a {type(made).__name__}, not the model")
    if made is not None and made is not model:
        model.load_state_dict(made.state_dict())
    if not all(weight.isfinite().all() for weight in model.parameters()):
        raise UserError(f"train(model, inputs, labels, seed) left NaN or infinity in {name}; lower its learning rate")
    dev_accuracy = accuracy(predict(model, dev.inputs, device), dev.targets)
    return {"epoch": 0, "best_epoch": 0, "dev_accuracy": dev_accuracy, "seconds": time.perf_counter() - started}


def taken_as_it_is(model: nn.Module, dev: Examples, device: torch.device) -> dict:
    """What `fit` would say of no training at all."""
    dev_accuracy = accuracy(predict(model, dev.inputs, device), dev.targets)
    return {"epoch": 0, "best_epoch": 0, "dev_accuracy": dev_accuracy, "seconds": 0.0}


def _resumable(resume: Path | None, model: nn.Module, device: torch.device) -> dict | None:
    if not (resume and resume.is_file()):
        return None
    try:
        state = torch.load(resume, weights_only=True, map_location=device)
    except (RuntimeError, EOFError, OSError, ValueError, pickle.UnpicklingError):
        print(f"{resume} is damaged: training from the start", flush=True)
        return None
    now, then = ({name: value.shape for name, value in of.items()} for of in (model.state_dict(), state["model"]))
    if now != then:  # the code was changed since
        print(f"{resume} is of another network: training from the start", flush=True)
        return None
    return state


def _training_mode(model: nn.Module) -> None:
    """Training mode, except in frozen modules: their running statistics must stay as they were stolen."""
    model.train()
    for module in model.modules():
        weights = list(module.parameters(recurse=False))
        if weights and not any(weight.requires_grad for weight in weights):
            module.eval()
