"""What passports cost: ratios within one run of inference and of training, with passports and without.

    python benchmarks/passports.py                   # DOMAIN=cv, cpu tier
    python benchmarks/passports.py TIER=smoke

Needs data/prepare.py; nothing is trained to the end. Scheme 1 computes γ and β from its passports in every batch here,
though they could be kept; the public branch of schemes 2 and 3 is asked as it stands beside the private one. Procedures
alternate after a warm-up; a ratio is the median of repeats [lowest, highest]. First with one thread, then with as many
as torch takes by itself; a record for each.
"""

import copy
from collections.abc import Callable

import torch

from cv.passport import passports, protected_study, training
from fingerprinting import cli
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.core.timing import in_turns, ratio, shown, thread_counts
from fingerprinting.reports.sections import passport_pages
from fingerprinting.study import checkpoints
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training import objectives
from fingerprinting.training.trainer import predictions

DOMAIN = "cv"
ARCHITECTURE = dict(smoke="conv3", quick="conv3", cpu="conv3", paper="small_resnet18")
NORM = "batch"  # or group
REPEATS = dict(smoke=3, quick=15, cpu=15, paper=15)  # paired repeats
INFERENCE_INPUTS = dict(smoke=500, quick=4_000, cpu=4_000, paper=4_000)  # per turn
TRAINING_BATCHES = dict(smoke=3, quick=20, cpu=20, paper=20)  # per turn, of BATCH_SIZE examples
SIGN_WEIGHT = 0.1  # the rest as in cv/passport/train.py
PASSPORT_IMAGES = 20
TRIGGERS = 100
TRIGGERS_PER_BATCH = 3


def measure(
    study: Study,
    *,
    architecture: str,
    norm: str,
    repeats: int,
    inference_inputs: int,
    training_batches: int,
    sign_weight: float,
    passport_images: int,
    triggers: int,
    triggers_per_batch: int,
) -> None:
    """Time the plain network, scheme 1's, and scheme 2's with its public branch open."""
    plain_study = protected_study.of(study, architecture, norm, protected_study.PLAIN)
    if study.numerics:
        raise UserError(f"passports are timed in float32; leave out PRECISION={study.precision}")
    training.check_counts(passport_images, triggers)
    owner, device = study.parts["owner"], study.device
    plain = checkpoints.build(study.domain, plain_study.architecture, len(study.classes), study.shape)
    config = passports.read_config("", plain_study.architecture)
    about = {"architecture": plain_study.architecture}
    made = passports.make(plain, config, owner.inputs, passport_images, study.folder, about)
    nets = {"plain": plain}
    nets |= {
        name: passports.install(copy.deepcopy(plain), made, public) for name, public in (("v1", False), ("v2", True))
    }
    nets = {name: runtime.place(net, device) for name, net in nets.items()}
    one = training.protected_loss(made.signs, sign_weight, device)
    two = training.both_branches(one)
    three = training.with_triggers(two, training.trigger_images(study, triggers), triggers_per_batch, device)
    part = owner.take(torch.arange(min(training_batches * study.batch_size, len(owner))))
    batches = list(part.batches(study.batch_size, device))
    asked = owner.inputs[:inference_inputs]

    def inference(net: torch.nn.Module) -> Callable[[], None]:
        return lambda: [None for _ in predictions(net, asked, device)]

    def updates(net: torch.nn.Module, objective) -> Callable[[], None]:
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, fused=True)

        def update() -> None:
            net.train()
            for inputs, labels in batches:
                loss = objective(net, inputs, labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

        return update

    ways = {f"inference_{name}": inference(net) for name, net in nets.items()}
    trained = (("plain", objectives.cross_entropy), ("v1", one), ("v2", two), ("v3", three))
    ways |= {f"training_{name}": updates(nets["v2" if name == "v3" else name], loss) for name, loss in trained}
    for threads in thread_counts():
        seconds = in_turns(device, repeats, ways)
        pairs = zip(
            passport_pages.RATIOS,
            ("inference_v1", "inference_v2", "training_v1", "training_v2", "training_v3"),
            strict=True,
        )
        row = {
            "key": f"{study.folder}/passports/{plain_study.architecture}/{threads}_threads",
            "architecture": plain_study.architecture,
            "seconds": seconds,
            "batch_size": study.batch_size,
            **{name: ratio(seconds, way, f"{way.split('_')[0]}_plain") for name, way in pairs},
            "provenance": runtime.provenance(device),
        }
        Records.of(study, "benchmarks").put([row])
        print(f"{threads} threads, {row['architecture']}, {row['provenance']['device']}:")
        for name, words in passport_pages.RATIOS.items():
            print(f"  {words}: {shown(row[name])}")


if __name__ == "__main__":
    cli.run(measure, globals())
