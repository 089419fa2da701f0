"""Making fingerprints: what primary.py and evolved.py do, from constants to file and records."""

import time
from collections.abc import Callable, Sequence

import torch

from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.data.datasets import physical
from fingerprinting.fingerprints import registry, store
from fingerprinting.fingerprints.distances import euclidean, mean_absolute
from fingerprinting.fingerprints.queries.evolved import Evolution
from fingerprinting.fingerprints.queries.evolved import evolve as evolve_by_gradient
from fingerprinting.fingerprints.queries.primary import COMPONENTS, extremes, select, share_out
from fingerprinting.fingerprints.registry import Method
from fingerprinting.fingerprints.representations import correlation, match_rate
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models import trained
from fingerprinting.models.suspects import Suspect
from fingerprinting.study import aside, changes
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study
from fingerprinting.study.thumbnails import thumbnail
from fingerprinting.training.trainer import predict

for name in ("primary", "evolved"):
    registry.add(
        Method(name, "labels", match_rate, euclidean),
        Method(name, "labels", correlation, mean_absolute),
        Method(name, "probabilities", correlation, mean_absolute),
        Method(name, "logits", correlation, mean_absolute),
    )
SAMPLES = 4  # of each component that a record keeps, to be looked at; twice as many of inputs that are read


def primary(study: Study, *, n: int, labels: str, fewer: bool) -> str | None:
    """Select the four components from the owner's part, filled from dev where the source is too rarely wrong."""
    if labels not in ("source", "truth"):
        raise UserError(f"LABELS={labels} is unknown; take source (its own responses) or truth (as the released code)")
    if n < 1:
        raise UserError(f"N={n} samples per component make no fingerprint; take 1 or more")
    model = trained.open_model(study, study.source_id)
    settings = {
        "n": n,
        "labels": labels,
        "fewer": fewer,
        "split_seed": study.split_seed,
        "source_sha256": trained.weights_sha256(study, study.source_id),
    }
    if store.is_current(study, "primary", settings):
        print(store.finished(study, "primary"))
        return SKIPPED
    started = begin(study)
    selected = select(model, study.parts["owner"], n, study.device)
    parts = {name: [(study.parts["owner"], chosen)] for name, chosen in selected.items()}
    filled = _fill_from_dev(study, model, parts, n, fewer)
    pieces = [(index, part, chosen) for index, found in enumerate(parts.values()) for part, chosen in found]
    inputs = torch.cat([physical(part.inputs[chosen.indices]) for _, part, chosen in pieces])
    truth = torch.cat([part.targets[chosen.indices] for _, part, chosen in pieces])
    logits = torch.cat([chosen.logits for *_, chosen in pieces])
    fingerprint = Fingerprint(
        inputs=inputs,
        labels=logits.argmax(1) if labels == "source" else truth.clone(),  # no two tensors of a file share memory
        truth=truth,
        component=torch.cat([torch.full((len(chosen),), index) for index, _, chosen in pieces]),
        source_logits=logits,
        metadata={},
    )
    finish(study, "primary", fingerprint, settings, started, {"filled_from_dev": filled})
    return None


def begin(study: Study) -> float:
    """The moment from which a fingerprint's seconds count: the data, which most methods ask for, are read before."""
    study.parts  # noqa: B018 (reading is loading)
    return time.perf_counter()


def evolved(study: Study, **constants) -> str | None:
    """Evolve every primary sample on the source; the recorded label is the source's response to the result."""
    model = trained.open_model(study, study.source_id)
    origin = store.load(study, "primary", trained.weights_sha256(study, study.source_id))
    settings = {
        **constants,
        "source_sha256": origin.metadata["source_sha256"],
        "primary_sha256": origin.metadata["sha256"],
    }
    if store.is_current(study, "evolved", settings):
        print(store.finished(study, "evolved"))
        return SKIPPED
    started = time.perf_counter()
    confident = origin.of_component("confident_correct") | origin.of_component("confident_wrong")
    evolve: Callable[..., torch.Tensor] = study.domain.inputs.evolve or evolve_by_gradient
    inputs = evolve(
        model,
        origin.inputs.to(study.device, copy=True),  # the domain's own code, which may write to what it gets
        confident.to(study.device),
        Evolution(**constants),
        study.domain.inputs.input_range,
    ).cpu()
    logits = predict(model, inputs, study.device)
    fingerprint = Fingerprint(inputs, logits.argmax(1), origin.truth, origin.component, logits, {})
    metadata = finish(study, "evolved", fingerprint, settings, started, _moved(origin, fingerprint))
    for name, moved in metadata["moved"].items():
        went = f"{moved['mean_changed']:.1f} elements changed"
        if study.domain.inputs.input_range is not None:  # code points have no distance
            went += f", {moved['mean_l2']:.3f} in L2"
        print(f"  {name}: {went}; response changed for {moved['label_changed']:.0%}")
    Records.of(study, "samples").replace(_sample_rows(study, origin, fingerprint))
    return None


def _sample_rows(study: Study, origin: Fingerprint, evolved_print: Fingerprint) -> list[dict]:
    """The first samples of each component before and after evolving, with the source's responses."""
    read = study.domain.inputs.describe
    if not (read or study.domain.inputs.show):
        return []

    def seen(fingerprint: Fingerprint, index: int) -> dict:
        probability, label = torch.softmax(fingerprint.source_logits[index], 0).max(0)
        found = fingerprint.inputs[index].clone()  # the domain's own code may write to what it gets
        shown = {"label": study.classes[label], "probability": probability.item()}
        return {"input": read(found) if read else thumbnail(found), **shown}

    count = 2 * SAMPLES if read else SAMPLES
    return [
        {
            "key": f"{component}/{place}",
            "component": component,
            "truth": study.classes[origin.truth[index]],
            "primary": seen(origin, index),
            "evolved": seen(evolved_print, index),
            **({} if read else {"difference": thumbnail(evolved_print.inputs[index] - origin.inputs[index])}),
        }
        for component in COMPONENTS
        for place, index in enumerate(origin.of_component(component).nonzero().flatten()[:count])
    ]


def _fill_from_dev(study: Study, model, parts: dict, n: int, fewer: bool) -> dict[str, int]:
    """Where the owner's part has too few samples of a component, take the owner's dev data; never the same twice."""
    short = {name: n - len(found[0][1]) for name, found in parts.items() if len(found[0][1]) < n}
    if not short:
        return {}
    offered = share_out(extremes(model, study.parts["dev"], max(short.values()), study.device), short)
    for name in short:
        parts[name].append((study.parts["dev"], offered[name]))
    sizes = {name: sum(len(chosen) for _, chosen in parts[name]) for name in short}
    if min(sizes.values()) < n and not fewer:
        have = ", ".join(f"{size} {name}" for name, size in sizes.items())
        raise UserError(
            f"the source leaves fewer than N={n} samples in some components, dev data included ({have}); give a "
            f"smaller N, or FEWER=True to take what there is"
        )
    filled = {name: len(parts[name][1][1]) for name in short}
    print("filled from the owner's dev data: " + ", ".join(f"{count} {name}" for name, count in filled.items()))
    if min(sizes.values()) < n:
        print("fewer than asked: " + ", ".join(f"{size} {name}" for name, size in sizes.items() if size < n))
    return filled


def _moved(origin: Fingerprint, evolved_print: Fingerprint) -> dict:
    """How far the samples went, per component: means of the elements changed and of the L2 norm of x' - x."""
    step = (evolved_print.inputs.double() - origin.inputs.double()).flatten(1)
    changed = (evolved_print.labels != origin.source_logits.argmax(1)).double()
    return {
        "moved": {
            name: {
                "mean_changed": (step[mask] != 0).sum(1).double().mean().item(),
                "mean_l2": step[mask].norm(dim=1).mean().item(),
                "max_abs": step[mask].abs().max().item(),
                "label_changed": changed[mask].mean().item(),
            }
            for name in COMPONENTS
            if (mask := origin.of_component(name)).any()
        }
    }


def trained_besides(used: Sequence[Suspect]) -> dict:
    """What a fingerprint's record says of the models that the owner trained for it."""
    return {
        "extra_models": len(used),
        "extra_models_seconds": sum(model.metadata["seconds"] for model in used),
        "extra_models_used": {model.model.name: model.metadata["sha256"] for model in used},
    }


def finish(study: Study, method: str, fingerprint: Fingerprint, settings: dict, started: float, notes: dict) -> dict:
    """Write a fingerprint and its record; returns the file's metadata."""
    asked_and_answered = (fingerprint.inputs, fingerprint.source_logits)
    if not all(found.isfinite().all() for found in asked_and_answered) or any(
        found.isnan().any() for found in fingerprint.extra.values()
    ):
        raise UserError(f"the {method} fingerprint came out with non-finite values; change its constants")
    metadata = {
        "method": method,
        "domain": study.domain.name,
        "dataset": study.dataset,
        "tier": study.zoo,
        "classes": len(study.classes),
        "class_names": list(study.classes),
        "queries": len(fingerprint),
        "components": list(COMPONENTS),
        "sizes": fingerprint.sizes,
        "source": study.source_id.name,
        "source_sha256": settings["source_sha256"],
        "settings": settings,
        "seconds": time.perf_counter() - started,
        **notes,
        "provenance": runtime.provenance(study.device),
    }
    path = store.path_of(study, method)
    if path.is_file():
        other = "models that it was made with are others"
        why = changes.said(aside.settings_of(path), settings, force=study.force, otherwise=other)
        print(f"the {method} fingerprint that was there is replaced: {why}")
    store.save(path, Fingerprint(**{**vars(fingerprint), "metadata": metadata}))
    aside.forget(path)
    Records.of(study, "fingerprints").put([{"key": f"{study.folder}/{method}", **metadata}])
    sizes = ", ".join(f"{size} {name}" for name, size in fingerprint.sizes.items() if size)
    print(f"{method} fingerprint: {sizes or f'{len(fingerprint)} queries'}; {metadata['seconds']:.1f} s; {path}")
    return metadata
