"""Which layout and how many examples at a time suit a domain's nets: ratios of seconds on one thread of a CPU.

    python benchmarks/layouts.py                            # DOMAIN=bci, cpu tier, its small nets
    python benchmarks/layouts.py DOMAIN=cv

Needs data/prepare.py; nothing is trained to the end. All ways alternate after a warm-up; a ratio is the median over
repeats [lowest, highest].
"""

import copy
from collections.abc import Callable

import torch
from torch import nn

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio, shown
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training import objectives, trainer

DOMAIN = "bci"
REPEATS = 5  # paired repeats
ASKED = 512  # examples that a net is asked about in one turn; drawn with replacement


def measure(study: Study, *, repeats: int, asked: int) -> None:
    """Time inference and updates of a fresh network of each architecture."""
    layouts = {"first": torch.contiguous_format, "last": torch.channels_last}  # where channels stand
    small, large = trainer.SIGNALS_BATCH, trainer.PREDICTION_BATCH
    runtime.one_thread()
    part = study.parts["owner"]
    drawn = torch.randint(len(part), (asked,), generator=runtime.generator("asked"))
    inputs = physical(part.inputs[drawn])
    few = part.take(torch.arange(min(study.batch_size, len(part))))
    for name in (study.source_architecture, *study.students):
        net = checkpoints.build(study.domain, name, len(study.classes), study.shape)
        ways = {}
        for layout, memory_format in layouts.items():
            for size in (small, large):
                ways[f"{layout} {size}"] = responses(net, memory_format, inputs, size)
            ways[f"{layout} update"] = updates(net, memory_format, few)
        seconds = in_turns(torch.device("cpu"), repeats, ways)
        placed = next(layout for layout, memory_format in layouts.items() if memory_format == runtime.layout(net))
        row = {
            "key": f"{study.folder}/layouts/{name}",
            "architecture": name,
            "layout": placed,
            "seconds": seconds,
            "asking_prediction_batch_to_signals_batch": ratio(seconds, f"{placed} {large}", f"{placed} {small}"),
            "asking_first_to_last": ratio(seconds, f"first {small}", f"last {small}"),
            "training_first_to_last": ratio(seconds, "first update", "last update"),
            "provenance": runtime.provenance(torch.device("cpu")),
        }
        Records.of(study, "benchmarks").put([row])
        told = (f"{key} {shown(value)}" for key, value in row.items() if "_to_" in key)
        print(name, row["provenance"]["device"], *told, sep=", ")


def responses(
    net: nn.Module, memory_format: torch.memory_format, inputs: torch.Tensor, size: int
) -> Callable[[], None]:
    """Ask about inputs (N, ...), `size` at a time."""
    placed, asked = laid(net, memory_format).eval(), laid(inputs, memory_format)

    def ask() -> None:
        with torch.inference_mode():
            for piece in asked.split(size):
                placed(piece)

    return ask


def updates(net: nn.Module, memory_format: torch.memory_format, part: Examples) -> Callable[[], None]:
    """One update on the examples of `part`."""
    placed = laid(net, memory_format).train()
    optimizer = torch.optim.AdamW(placed.parameters(), lr=1e-3, fused=True)
    inputs, labels = laid(physical(part.inputs), memory_format), part.targets

    def update() -> None:
        loss = objectives.cross_entropy(placed, inputs, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return update


def laid(value: nn.Module | torch.Tensor, memory_format: torch.memory_format) -> nn.Module | torch.Tensor:
    """A copy of a net, or of inputs, in that layout; what is no image has but one."""
    if isinstance(value, nn.Module):
        return copy.deepcopy(value).to(memory_format=memory_format)
    return value.to(memory_format=memory_format) if value.dim() == 4 else value


if __name__ == "__main__":
    cli.run(measure, globals())
