"""How far the calibrated fingerprint carries: what is left out of its references, of its queries, of its score.

All variants are made from the same candidates and models, and scored on the same zoo; none of them changes the
fingerprint that model_finger_match.py reads.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from tqdm import tqdm

from fingerprinting.calibrated import evidence, fitting
from fingerprinting.calibrated.candidates import WITH_MODELS, Making
from fingerprinting.calibrated.responses import labels_of, of_task
from fingerprinting.core import runtime
from fingerprinting.core.errors import UserError
from fingerprinting.evaluation.score_combinations import CONTROLS, SCORES, Responses
from fingerprinting.fingerprints import store
from fingerprinting.fingerprints.metrics import auc_rows
from fingerprinting.fingerprints.owner import Owner
from fingerprinting.models import suspects, trained
from fingerprinting.models.kinds import EXTRACTED, INDEPENDENT, MODIFIED
from fingerprinting.models.suspects import ATTACKS, Suspect, origin
from fingerprinting.study.records import Records
from fingerprinting.study.renamed import as_first_called
from fingerprinting.study.study import Study


@dataclass(frozen=True)
class Variant:
    """One row of the tables: study is what is varied, value how; what it is fitted on, asked, and scored by."""

    study: str
    value: str
    fitted: Responses
    judged: Responses
    n: int
    extraction_share: float
    pool: np.ndarray  # indices of the candidates that are offered
    score: str
    select: str = "separation"

    @property
    def seed_name(self) -> str:
        return f"{as_first_called(self.study)}/{as_first_called(self.value)}"


def ablate(
    study: Study,
    *,
    budgets: tuple[int, ...],
    references: tuple[int, ...],
) -> None:
    """Every variant of the fingerprint that is there, its AUCs by attack and their means, recorded."""
    made = store.load(study, fitting.METHOD, trained.weights_sha256(study, study.source_id))
    settings = made.metadata["settings"]
    if settings.get("size", fitting.FULL) != fitting.FULL:
        raise UserError(
            f"the calibrated fingerprint is of SIZE={settings['size']}, which has nothing fitted to leave out; price.py"
            f" varies that, and {study.root_command('calibrated.py')} SIZE={fitting.FULL} makes one to ablate"
        )
    n, kinds, making, extraction_share = (settings[name] for name in ("n", "kinds", "making", "extraction_share"))
    used = [model for models in fitting.models_of(study, kinds) for model in models]
    if not fitting.made_of(study, used).items() <= settings.items():
        raise UserError(
            "the calibrated fingerprint was made of other models or fingerprints than are there now; run "
            f"{study.root_command('calibrated.py')}"
        )
    offered, kind = fitting.offer(Owner(study, fitting.METHOD), kinds, Making(**making))
    source, truth = labels_of(study, [suspects.source_of(study)], offered.inputs), offered.truth.numpy()

    def responses(models: list[Suspect]) -> Responses:
        labels = labels_of(study, models, offered.inputs)
        return Responses(models, np.where(labels == source, 0, np.where(labels == truth, 1, 2)))

    fitted = responses(suspects.references(study))
    judged = responses(of_task(suspects.gather(study), on_target=False))
    low_data_references = suspects.low_data_references(study)
    # fingerprints of before there was a choice say nothing of it
    score = "two log-odds, standardised" if settings.get("standardised") else "two log-odds"
    usual = Variant("all references", "", fitted, judged, n, extraction_share, np.arange(len(kind)), score)
    # Models that are left out must have had no part in making queries either.
    made_without = np.flatnonzero(~np.isin(kind, [kinds.index(name) for name in WITH_MODELS if name in kinds]))
    if not len(made_without):
        raise UserError("where models are left out, queries made with none are needed; give calibrated.py more KINDS")
    plain = replace(usual, study="candidates offered", value="none made with models", pool=made_without)
    variants = [
        usual,
        *([plain] if len(made_without) < len(kind) else []),
        *_without(plain),
        replace(plain, study="data", value="a third", fitted=responses(low_data_references)),
        *_alike(plain),
        *_fewer(
            plain, sorted({*references, len(low_data_references)})
        ),  # as many as the low-data ones, to separate number from data
        *(replace(usual, study="queries", value=str(budget), n=budget) for budget in budgets if budget != n),
        *(replace(usual, study="score", value=name, score=name) for name in SCORES if name != score),
        replace(usual, study="selection", value="random", select="random"),
        *(
            replace(usual, study="candidates", value=name, pool=np.flatnonzero(kind == number))
            for number, name in enumerate(kinds)
            if (kind == number).any()
        ),
    ]
    rows = []
    for variant in tqdm(variants, desc="ablation", unit="variant"):
        rows += _rows(study, variant)
    Records.of(study, "ablation").replace(rows)


def _without(usual: Variant) -> Iterator[Variant]:
    """Leave one attack out of the references and judge it; leave one architecture out and judge its models."""
    stolen = [kind for kind in ATTACKS if any(model.model.kind == kind for model in usual.judged.models)]
    for attack in stolen:
        others = usual.fitted.where(partial(_is_not_of, f"reference_{attack}"))
        judged = usual.judged.where(partial(_is_independent_or, attack))
        yield replace(usual, study="leave-one-attack-out", value=attack, fitted=others, judged=judged)
    for architecture in sorted({model.model.architecture for model in usual.judged.models}):
        made_from_scratch = {
            model.model.name
            for responses in (usual.fitted, usual.judged)
            for model in responses.models
            if model.model.architecture == architecture and origin(model) != MODIFIED
        }
        others = usual.fitted.where(partial(_is_not_among, made_from_scratch))
        for role, study in (
            ("pirated", "leave-one-architecture-out, its stolen models"),
            ("independent", "leave-one-architecture-out, its independent models"),
        ):
            judged = usual.judged.where(partial(_is_not_or_among, role, made_from_scratch))
            if {model.kind.role for model in judged.models} == {"pirated", "independent"}:
                yield replace(usual, study=study, value=architecture, fitted=others, judged=judged)


def _is_not_of(kind: str, model: Suspect) -> bool:
    return model.model.kind != kind


def _is_independent_or(kind: str, model: Suspect) -> bool:
    return model.kind.role == "independent" or model.model.kind == kind


def _is_among(names: Collection[str], model: Suspect) -> bool:
    return model.model.name in names


def _is_not_among(names: Collection[str], model: Suspect) -> bool:
    return model.model.name not in names


def _is_not_or_among(role: str, names: Collection[str], model: Suspect) -> bool:
    return model.kind.role != role or model.model.name in names


def _alike(usual: Variant) -> Iterator[Variant]:
    """References that differ less in how accurate their makers left them."""

    slowest = min(suspects.rate(model) for model in usual.fitted.models if origin(model) == MODIFIED)
    kept: dict[str, Callable[[Suspect], bool]] = {
        "one rate of modification": lambda model: origin(model) != MODIFIED or suspects.rate(model) == slowest,
        "students of few responses": lambda model: not suspects.full_data_extraction(model),
        "students of many responses": lambda model: origin(model) != EXTRACTED or suspects.full_data_extraction(model),
    }
    for value, condition in kept.items():
        yield replace(usual, study="similar references", value=value, fitted=usual.fitted.where(condition))


def _fewer(usual: Variant, counts: Iterable[int]) -> Iterator[Variant]:
    """Fewer reference models: of every kind as many as its share, at random."""
    models = usual.fitted.models
    order = np.random.default_rng(runtime.seed_from("fewer references")).permutation(len(models))
    rank: dict[str, float] = {}
    for kind in dict.fromkeys(model.model.kind for model in models):  # in their order: equal ranks keep it
        own = [index for index in order if models[index].model.kind == kind]
        rank |= {models[index].model.name: (place + 0.5) / len(own) for place, index in enumerate(own)}
    for count in counts:
        if count < len(models):
            kept = set(sorted(rank, key=rank.__getitem__)[:count])
            few = usual.fitted.where(partial(_is_among, kept))
            if {INDEPENDENT, EXTRACTED} <= set(few.origins.tolist()):
                yield replace(usual, study="references", value=str(count), fitted=few)


def _chosen(variant: Variant) -> np.ndarray:
    """The queries of a variant: indices of candidates."""
    draw = np.random.default_rng(runtime.seed_from(variant.seed_name))
    if variant.select == "random":
        return draw.permutation(variant.pool)[: variant.n]
    controls = CONTROLS if variant.score == "control accuracy added" else 0
    bits = variant.fitted.bits[:, variant.pool]
    chosen = evidence.choose(bits, variant.fitted.origins, max(1, variant.n - controls), variant.extraction_share)
    others = np.setdiff1d(variant.pool, variant.pool[chosen])
    return np.concatenate([variant.pool[chosen], draw.permutation(others)[:controls]])


def _rows(study: Study, variant: Variant) -> list[dict]:
    queries = _chosen(variant)
    found = SCORES[variant.score](variant.fitted.asked(queries), variant.judged.asked(queries))
    kinds = np.array([model.model.kind for model in variant.judged.models])
    distances = {kind: -found[kinds == kind] for kind in dict.fromkeys(kinds.tolist())}
    name = f"{study.folder}/{variant.study}/{variant.value}"
    means = {"mean": tuple(attack for attack in ATTACKS if attack in distances)}
    rows = auc_rows(distances, f"{study.folder}/{variant.seed_name}", ("all",), means)
    mean = rows.pop()
    mean["auc_least"] = min(row["auc"] for row in rows)
    return [
        {
            "key": f"{name}/{row['attack']}",
            **study.columns,
            "study": variant.study,
            "value": variant.value,
            "n_references": len(variant.fitted.models),
            "queries": len(queries),
            **row,
            "provenance": runtime.provenance(study.device),
        }
        for row in [*rows, mean]
    ]
