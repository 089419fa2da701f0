"""What mixed precision is worth on this device: seconds of an update in float32 and in bfloat16, in one run.

    python benchmarks/precision.py                          # DOMAIN=cv, cpu tier, three sizes of network
    python benchmarks/precision.py ARCHITECTURES=vgg16_bn   # another
    python benchmarks/precision.py COMPILED=True            # torch.compile too, which wants a C++ compiler

Needs data/prepare.py; nothing is trained to the end. The ways alternate after a warm-up; a ratio is the median over
repeats [lowest, highest]. First with one thread, then with as many as torch takes by itself; a record for each.
"""

import copy
import time
from collections.abc import Callable

import torch

from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio, shown, thread_counts
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training import objectives, recipe

DOMAIN = "cv"
ARCHITECTURES = dict(
    smoke=("conv3",),
    quick=("conv3", "alexnet", "small_resnet18"),
    cpu=("conv3", "alexnet", "small_resnet18"),
    paper=("vgg16_bn", "small_resnet18"),
)
REPEATS = 5  # paired repeats
BATCHES = 2  # per turn, of BATCH_SIZE examples
COMPILED = False  # whether float32 is timed with torch.compile too


def measure(study: Study, *, architectures: tuple[str, ...], repeats: int, batches: int, compiled: bool) -> None:
    """Time updates of a fresh network of each architecture."""
    device, owner = study.device, study.parts["owner"]
    part = owner.take(torch.arange(min(batches * study.batch_size, len(owner))))
    pairs = list(part.batches(study.batch_size, device))

    def updates(net: torch.nn.Module, precision: str) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

        def update() -> None:
            for inputs, labels in pairs:
                with runtime.mixed_precision(net, device, precision):
                    loss = objectives.cross_entropy(net, inputs, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return update

    for name in architectures:
        net = runtime.place(checkpoints.build(study.domain, name, len(study.classes), study.shape), device).train()
        for threads in thread_counts():
            ways = {precision: updates(copy.deepcopy(net), precision) for precision in recipe.PRECISIONS}
            compiling = 0.0
            if compiled:
                torch.compiler.reset()  # its code is made for a number of threads
                ways["compiled"] = updates(torch.compile(copy.deepcopy(net)), "float32")
                begun = time.perf_counter()
                ways["compiled"]()
                compiling = time.perf_counter() - begun
            seconds = in_turns(device, repeats, ways)
            row = {
                "key": f"{study.folder}/precision/{name}/{threads}_threads",
                "architecture": name,
                "batch_size": study.batch_size,
                "seconds": seconds,
                "training_float32_to_bfloat16": ratio(seconds, "float32", "bfloat16"),
                "provenance": runtime.provenance(device),
            }
            if compiled:
                row["training_eager_to_compiled"] = ratio(seconds, "float32", "compiled")
                row["compiling_to_update"] = compiling * batches / min(seconds["float32"])
            Records.of(study, "benchmarks").put([row])
            print(f"{threads} threads, {name}, {row['provenance']['device']}:", end=" ")
            print(f"float32 / bfloat16 {shown(row['training_float32_to_bfloat16'])}")
            if compiled:
                print(f"  float32 / compiled {shown(row['training_eager_to_compiled'])}", end=", ")
                print(f"compiling takes as long as {row['compiling_to_update']:.0f} updates")


if __name__ == "__main__":
    cli.run(measure, globals())
