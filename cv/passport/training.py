"""Training with passports: the schemes' losses, trigger images, and what the owner releases and keeps."""

from dataclasses import replace
from functools import partial

import torch
import torch.nn.functional as F  # the field's standard name
from torch import nn

from cv.passport import passports, protected_study
from cv.passport.layers import branch_norms, private_branch, sign_loss
from cv.passport.passports import Passports
from cv.passport.protected_study import PLAIN, ProtectedStudy
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import Examples, physical
from fingerprinting.models import build, stealing, trained
from fingerprinting.models.kinds import Job, Training
from fingerprinting.study import checkpoints
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.training import objectives
from fingerprinting.training.trainer import Objective

GRAIN = 4  # blobs of a trigger image along each side


def train(
    study: Study,
    *,
    scheme: str,
    architecture: str,
    norm: str,
    config: str,
    epochs: int,
    learning_rate: float,
    sign_weight: float,
    passport_images: int,
    triggers: int,
    triggers_per_batch: int,
) -> str | None:
    """The network without passports, then with them under each scheme asked for, all on the owner's part."""
    plain = protected_study.of(study, architecture, norm, PLAIN)
    layers = passports.read_config(config, plain.architecture)
    check_counts(passport_images, triggers)
    net = checkpoints.build(study.domain, plain.architecture, len(study.classes), study.shape)
    passports.signatures(net, layers, runtime.generator("check"))  # what cannot be put in is said before training
    schemes = [protected_study.of(study, architecture, norm, name) for name in protected_study.chosen(scheme)]
    recipe, owner = study.recipe(epochs, learning_rate), {"part": "owner"}
    skipped = [
        build.train(plain, "source", [Job(plain.source_id, recipe, owner)]),
        build.train(plain, "longer", [Job(plain.longer_id, recipe, owner, plain.source_id)], stealing.fine_tune_all),
    ]
    options = {"config": layers, "sign_weight": sign_weight, "passport_images": passport_images, "start": "aligned"}
    for protected in schemes:
        if not protected.passport_path.is_file():
            protected = replace(protected, force=True)  # trained again, since its passports are lost
        own = {"triggers": triggers, "triggers_per_batch": triggers_per_batch} if protected.scheme == "v3" else {}
        job = Job(protected.source_id, recipe, {**owner, **options, **own}, plain.source_id)
        skipped.append(build.train(protected, "source", [job], protect))
        print(f"released network: {protected.source_id.path}\npassports: {protected.passport_path}", flush=True)
    return SKIPPED if any(skipped) else None


def check_counts(passport_images: int, triggers: int) -> None:
    if passport_images < 1 or triggers < 1:
        raise UserError(f"PASSPORT_IMAGES={passport_images} and TRIGGERS={triggers} must be 1 or more")


def protect(study: Study, job: Job) -> Training:
    """The network that was trained without passports goes on with those that the owner's images make in it.

    From fresh weights scheme 1 stays further below it: one step of W moves γ by the sum over a whole passport. Left
    as they were, the signs of the public γ would put the private branches of schemes 2 and 3 points below.
    """
    assert isinstance(study, ProtectedStudy)
    options, owner = job.options, study.parts["owner"]
    pretrained = trained.open_model(study, job.made_from)
    metadata = {
        "domain": study.domain.name,
        "dataset": study.dataset,
        "architecture": study.architecture,
        "scheme": study.scheme,
        "model": job.model.name,
    }
    shown = trigger_images(study, options["triggers"]) if study.scheme == "v3" else None
    made = passports.make(
        pretrained, options["config"], owner.inputs, options["passport_images"], study.folder, metadata, shown
    )
    net = passports.install(passports.align(pretrained, made), made, public=study.scheme != "v1")
    bound = protected_loss(made.signs, options["sign_weight"], study.device)
    if study.scheme != "v1":
        bound = both_branches(bound)
    if shown is not None:
        bound = with_triggers(bound, shown, options["triggers_per_batch"], study.device)
    return Training(net, owner, bound, release=partial(_release, study, made))


def _release(study: ProtectedStudy, made: Passports, net: nn.Module) -> nn.Module:
    """Write the owner's passports, with the private branch's statistics; what is left is an ordinary network."""
    passports.save(study.passport_path, replace(made, statistics=passports.statistics(net)))
    return passports.released(net)


def protected_loss(signs: dict[str, torch.Tensor], weight: float, device: torch.device) -> Objective:
    """Scheme 1 (V1): cross-entropy under the passports plus `weight` times the sign loss of every signed layer."""
    return partial(_protected, {path: bits.to(device) for path, bits in signs.items()}, weight)


def _protected(
    signs: dict[str, torch.Tensor], weight: float, net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    norms = branch_norms(net)
    signed = sum(sign_loss(norms[path].affine()[0], bits) for path, bits in signs.items())
    return F.cross_entropy(net(inputs), labels) + weight * signed


def both_branches(private: Objective) -> Objective:
    """Scheme 2 (V2): cross-entropy of the public branch plus scheme 1's loss of the private one, W shared."""
    return partial(_both_branches, private)


def _both_branches(private: Objective, net: nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    public = objectives.cross_entropy(net, inputs, labels)
    with private_branch(net):
        return public + private(net, inputs, labels)


def with_triggers(objective: Objective, shown: Examples, per_batch: int, device: torch.device) -> Objective:
    """Scheme 3 (V3): some trigger images in every batch, with the labels that the owner gave them."""
    inputs = runtime.place(physical(shown.inputs.to(device)), device)
    return partial(_with_triggers, objective, inputs, shown.targets.to(device), per_batch)


def _with_triggers(
    objective: Objective,
    shown: torch.Tensor,
    responses: torch.Tensor,
    per_batch: int,
    net: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> torch.Tensor:
    drawn = torch.randint(len(shown), (per_batch,), device=inputs.device)
    return objective(net, torch.cat([inputs, shown[drawn]]), torch.cat([labels, responses[drawn]]))


def trigger_images(study: Study, count: int) -> Examples:
    """Abstract images (count, C, H, W), soft random blobs, each with a class drawn at random (Adi et al. 2018)."""
    draw = runtime.generator(f"triggers/{study.folder}")
    blobs = torch.rand(count, study.shape[0], GRAIN, GRAIN, generator=draw)
    images = F.interpolate(blobs, study.shape[1:], mode="bicubic").clamp(0, 1)
    return Examples((255 * images).to(torch.uint8), torch.randint(len(study.classes), (count,), generator=draw))
