"""The picture of a fingerprint: samples of each component before and after evolving."""

from pathlib import Path

import torch

from fingerprinting import files
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.queries.primary import COMPONENTS
from fingerprinting.reports.figures import canvas, path_of
from fingerprinting.study import Study

SAMPLES = 4  # of each component


def samples(study: Study, origin: Fingerprint, evolved: Fingerprint) -> Path:
    """Samples of each component before (left) and after evolving (right), with the source's answers under them.

    Inputs that are read rather than looked at stand in a Markdown table instead.
    """
    if study.domain.describe:
        return _sample_table(study, origin, evolved)
    size = (1.45 * 2 * SAMPLES + 0.6, 1.95 * len(COMPONENTS))
    with canvas(study, "samples", len(COMPONENTS), 2 * SAMPLES, size) as (figure, axes):
        figure.suptitle(
            f"{study.domain.name}, {study.dataset}: primary samples (left) and the same evolved (right), "
            "with the source's answers",
            fontsize=9,
        )
        for row, name in enumerate(COMPONENTS):
            chosen = torch.nonzero(origin.of_component(name)).flatten()[:SAMPLES].tolist()
            axes[row][0].set_ylabel(name.replace("_", " "), fontsize=8)
            for column, axis in enumerate(axes[row]):
                axis.set_xticks([])
                axis.set_yticks([])
                half, place = divmod(column, SAMPLES)
                if place < len(chosen):
                    fingerprint = (origin, evolved)[half]
                    study.domain.show(axis, fingerprint.inputs[chosen[place]].clone())
                    axis.set_xlabel(_answer(study, fingerprint, chosen[place]), fontsize=7)
    return path_of(study, "samples")


def _sample_table(study: Study, origin: Fingerprint, evolved: Fingerprint) -> Path:
    lines = ["| component | primary | the source's answer | evolved | the source's answer |", "|" + " --- |" * 5]
    for name in COMPONENTS:
        for index in torch.nonzero(origin.of_component(name)).flatten()[: 2 * SAMPLES].tolist():
            cells = [name]
            for fingerprint in (origin, evolved):
                cells.append(study.domain.describe(fingerprint.inputs[index].clone()).replace("|", "\\|"))
                cells.append(_answer(study, fingerprint, index).replace("\n", " "))
            lines.append(f"| {' | '.join(cells)} |")
    path = path_of(study, "samples").with_suffix(".md")
    files.write_text(path, "\n".join(lines) + "\n")
    return path


def _answer(study: Study, fingerprint: Fingerprint, index: int) -> str:
    probability, label = torch.softmax(fingerprint.source_logits[index], 0).max(0)
    return f"{study.classes[label]} {probability:.2f}\n(truth {study.classes[fingerprint.truth[index]]})"
