"""The thief answers back: it detects, erases or evades queries, or rids its model of what they look for.

Every attack here is the stolen models' alone: independent models have nothing to hide and answer honestly. But an owner
can only compare like with like. Where answers are visibly cut down (SEEN), the source and the independents are read as
if theirs were too; where queries are refused, all are read on those that the thief answers. A temperature or noise
cannot be seen, so that there nothing is made up for.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import torch
from tqdm import tqdm

from fingerprinting import (
    attacks,
    defences,
    figures,
    fingerprints,
    matching,
    runtime,
    statistics,
    suspects,
    tables,
    verdicts,
    zoo,
)
from fingerprinting.attacks import KINDS, Job
from fingerprinting.defences import PERTURBATIONS, SEEN, Screen, Thief
from fingerprinting.fingerprints import Fingerprint
from fingerprinting.matching import Distances, mean_row
from fingerprinting.methods import METHODS, OUTPUTS, Method, shown
from fingerprinting.records import Records
from fingerprinting.representations import answers, correlation, match_rate
from fingerprinting.runtime import UserError
from fingerprinting.study import Study
from fingerprinting.suspects import ATTACKS, MEANS, Suspect

FULLY_READ = ("primary", "evolved")  # fingerprints of which every reading is reported; of others the first
FALSE_ALARMS = {"fpr1": 0.01, "fpr5": 0.05}
GROUPS = ("irrelevant", "all")  # of independents
# Readings that make sense of any of a fingerprint's queries; others read them in pairs, views or walks.
PER_QUERY = (answers, match_rate, correlation)
RANDOM, REFUSED, REMOVAL = "random_answers", "refused", "removal"
BASELINE = "fine_tune_all"  # what removal is compared with: the same thief, trained on without that aim


@dataclass(frozen=True)
class Detection:
    """How a thief's screen takes one fingerprint: flagged (n,) at the evasion's false alarms, and the rates."""

    flagged: torch.Tensor
    rates: dict[str, float]


class Screened:
    """A study's thief: its screen, fitted on a part of its own data, and thresholds from the rest of that."""

    def __init__(self, study: Study, thief: Thief) -> None:
        self.study, self.thief = study, thief
        part = study.parts["attacker"]
        name = f"{study.folder}/screen/{study.split_seed}"
        order = torch.randperm(len(part), generator=runtime.generator(name))
        held_out = round(thief.held_out * len(part))
        if not 0 < held_out < len(part):
            raise UserError(f"HELD_OUT={thief.held_out} must leave something to fit and something to calibrate with")
        self.screen: Screen = study.domain.screen(
            part.inputs[order[held_out:]], thief, name, study.device, study.domain.input_range
        )
        benign = self.screen.score(part.inputs[order[:held_out]])
        self.thresholds = {name: defences.threshold(benign, share) for name, share in FALSE_ALARMS.items()}
        self.evasion_threshold = defences.threshold(benign, thief.evasion_fpr)
        self.held_out = held_out

    @cached_property
    def cost_inputs(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Test inputs and labels on which accuracy before and after is measured; nothing is chosen by them."""
        test = self.study.parts["test"]
        draw = runtime.generator(f"{self.study.folder}/cost/{self.study.split_seed}")
        chosen = test.take(torch.randperm(len(test), generator=draw)[: self.thief.cost_inputs])
        return chosen.inputs, chosen.targets

    @cached_property
    def benign(self) -> torch.Tensor:
        """Scores of test inputs, which neither fitting nor thresholds have seen."""
        return self.screen.score(self.cost_inputs[0])

    def detection(self, inputs: torch.Tensor) -> Detection:
        scores = self.screen.score(inputs)
        rates = {
            f"detection_rate_{name}": (scores > threshold).double().mean().item()
            for name, threshold in self.thresholds.items()
        }
        alarms = {
            f"false_alarms_{name}": (self.benign > threshold).double().mean().item()
            for name, threshold in self.thresholds.items()
        }
        found = {"detection_auc": statistics.auc(-scores.numpy(), -self.benign.numpy())}  # the highest are accused
        counts = {"n_queries": len(scores), "n_held_out": self.held_out, "n_benign": len(self.benign)}
        return Detection(scores > self.evasion_threshold, {**rates, **found, **alarms, **counts})


class Readings:
    """Distances of suspects' answers, by attack on queries, method and model; the source is read once for each.

    compared: attack -> fingerprint name -> the queries and the source's answers that suspects are compared on.
    """

    def __init__(
        self, methods: list[Method], prints: dict[str, Fingerprint], detected: dict[str, Detection], thief: Thief
    ) -> None:
        self.methods, self.prints = methods, prints
        self.compared = {REFUSED: {n: kept for n, found in prints.items() if (kept := _answered(found, detected[n]))}}
        for attack in SEEN:
            self.compared[attack] = {
                name: replace(found, source_logits=PERTURBATIONS[attack](found.source_logits, thief, None))
                for name, found in prints.items()
            }
        self.distances: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        self.sources: dict[tuple[str, str], torch.Tensor] = {}

    def put(self, attack: str, suspect: Suspect, name: str, logits: torch.Tensor) -> None:
        """Read a suspect's answers (n, C') to the fingerprint `name`, or to those of its queries that were answered."""
        fingerprint = self.compared.get(attack, self.prints)[name]
        for method in self.methods:
            per_query = attack != REFUSED or method.representation in PER_QUERY
            if method.name == name and per_query and method.suits(suspect.kind.on_target):
                if (method.key, attack) not in self.sources:
                    self.sources[method.key, attack] = _reading(method, fingerprint.source_logits, fingerprint)
                own, source = _reading(method, logits, fingerprint), self.sources[method.key, attack]
                self.distances[attack][method.key][suspect.model.name] = method.distance(own, source)


def answer_back(study: Study, **constants) -> str | None:
    """Screen, answer in every way, read and count: from the zoo and the fingerprints to records, tables, figures."""
    thief = Thief(**constants)
    pool = suspects.gather(study)
    names = [name for name in dict.fromkeys(m.name for m in METHODS) if fingerprints.path_of(study, name).is_file()]
    if study.folder not in tables.study_folders():
        command = study.root_command("model_finger_match.py")
        raise UserError(f"the thefts of {study.folder} have not been matched yet; run {command} first")
    source_sha256 = attacks.weights_sha256(study, study.source_id)
    prints = {name: fingerprints.load(study, name, source_sha256) for name in names}
    fingerprints.check_origin(study, prints)
    skipped, removed = _remove(study, thief)
    if verdicts.METHOD in prints:
        verdicts.judge_too(study, prints[verdicts.METHOD], removed)
    screened = Screened(study, thief)
    detected = {name: screened.detection(found.inputs) for name, found in prints.items()}
    readings = Readings(chosen(names), prints, detected, thief)
    costs = _ask(study, screened, detected, readings, [*pool, *removed])
    rows = _rows(study, readings, detected, costs, [*pool, *removed])
    Records.of(study, "erasure").replace(rows)
    figures.erasure(study, readings.methods, rows)
    tables.write()
    print("\n".join(tables.erasure_section(study.folder)))
    print(f"tables: {tables.folder()}\nfigures: {figures.folder()}")
    return skipped


def chosen(names: list[str]) -> list[Method]:
    """Every reading of the fingerprints in FULLY_READ, the first one of the others."""
    first = shown(METHODS)
    return [m for m in METHODS if m.name in names and (m.name in FULLY_READ or m in first)]


def _remove(study: Study, thief: Thief) -> tuple[str | None, list[Suspect]]:
    """Train the copies of a thief that knows fingerprints exist, and describe them as matching does the others."""
    options = {"feature_weight": thief.feature_weight, "ranking_weight": thief.ranking_weight}
    recipe = study.recipe(thief.removal_epochs, thief.removal_learning_rate)
    jobs = [
        Job(study.model_id(REMOVAL, study.source_architecture, copy), recipe, options, study.source_id)
        for copy in range(thief.removal_copies)
    ]
    skipped = zoo.train(study, KINDS[REMOVAL].script, jobs)
    removed = suspects.of_use(study, "adaptive")
    Records.of(study, "models").put(suspects.described(study, removed, removed))
    return skipped, removed


def _ask(
    study: Study,
    screened: Screened,
    detected: dict[str, Detection],
    readings: Readings,
    pool: list[Suspect],
) -> dict[str, list[float]]:
    """Have every suspect answer in every way; returns each attack's losses of test accuracy, of same-task thefts."""
    prints, screen, thief = readings.prints, screened.screen, screened.thief
    sizes = [len(found) for found in prints.values()]
    inputs, labels = screened.cost_inputs
    erased = {
        attack: torch.cat([erase(part) for part in (*(found.inputs for found in prints.values()), inputs)])
        for attack, erase in screen.erasures.items()
    }
    benign_flagged = screened.benign > screened.evasion_threshold
    costs: dict[str, list[float]] = defaultdict(list)
    for suspect in tqdm(pool, desc="answer back", unit="model"):
        honest = {name: suspects.ask(study, suspect, found.inputs) for name, found in prints.items()}
        for name, logits in honest.items():
            readings.put("", suspect, name, logits)
        if suspect.kind.use == "adaptive":
            continue
        for name in readings.compared[REFUSED]:
            readings.put(REFUSED, suspect, name, honest[name][~detected[name].flagged])
        if suspect.kind.role != "pirated":
            for attack, name in product(SEEN, honest):
                readings.put(attack, suspect, name, PERTURBATIONS[attack](honest[name], thief, None))
            continue
        given = {}
        for attack, asked in erased.items():
            given[attack] = suspects.ask(study, suspect, asked).split([*sizes, len(inputs)])
        clean = suspects.ask(study, suspect, inputs)
        for attack, perturb in PERTURBATIONS.items():
            draw = runtime.generator(f"{suspect.model.name}/{attack}")
            given[attack] = [perturb(logits, thief, draw) for logits in (*honest.values(), clean)]
        draw = runtime.generator(f"{suspect.model.name}/{RANDOM}")
        flags = [*(detected[name].flagged for name in honest), benign_flagged]
        pairs = zip((*honest.values(), clean), flags, strict=True)
        given[RANDOM] = [defences.at_random(logits, flagged, draw) for logits, flagged in pairs]
        for attack, found in given.items():
            for name, logits in zip(prints, found, strict=False):
                readings.put(attack, suspect, name, logits)
        if not suspect.kind.on_target:
            right = clean.argmax(1) == labels
            after = {attack: found[-1].argmax(1) == labels for attack, found in given.items()}
            after[REFUSED] = right & ~benign_flagged  # an input that gets no answer is not answered rightly
            for attack, still_right in after.items():
                costs[attack].append((right.double().mean() - still_right.double().mean()).item())
    return costs


def _rows(
    study: Study, readings: Readings, detected: dict[str, Detection], costs: dict, pool: list[Suspect]
) -> list[dict]:
    rows = []
    removal_costs = _removal_cost(pool)
    draws = Draws(study.folder)
    for method in readings.methods:
        before = matching.by_kind(pool, readings.distances[""][method.key])
        for attack in [name for name in readings.distances if name]:
            if method.key in readings.distances[attack]:
                after = matching.by_kind(pool, readings.distances[attack][method.key])
                cost = {"accuracy_cost": float(np.mean(costs[attack]))} if costs[attack] else {}
                found = detected[method.name]
                answered = {"answered": 1 - found.flagged.double().mean().item()} if attack == REFUSED else {}
                changes = draws.changes(before, before | after, {theft: theft for theft in ATTACKS})
                rows += [
                    _row(study, method, attack, {**row, **found.rates, **cost, **answered})
                    for row in changes
                    if row["attack"] != REMOVAL
                ]
        rows += [
            _row(study, method, REMOVAL, {**row, "accuracy_cost": removal_costs})
            for row in draws.changes(before, before, {REMOVAL: BASELINE})
        ]
    return rows


def _row(study: Study, method: Method, attack: str, row: dict) -> dict:
    return {
        "key": f"{study.folder}/{method.key}/{attack}/{row['attack']}/{row['negatives']}",
        **study.columns,
        **method.columns,
        "attack_on_queries": attack,
        **row,
        "provenance": runtime.provenance(study.device),
    }


class Draws:
    """AUCs of many attacks over the same bootstrap draws of models, so that what differs is the attack alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.counts: dict[tuple, np.ndarray] = {}

    def changes(self, before: Distances, after: Distances, compared: dict[str, str]) -> list[dict]:
        """Per theft, and as their mean: AUC after, its interval, and before, of the theft that it is compared with."""
        rows = []
        for group in GROUPS:
            found, drawn = {}, {}
            for theft, origin in compared.items():
                kinds = [kind for kind in suspects.negatives_of(group, KINDS[theft].on_target) if kind in after]
                if theft in after and origin in before and kinds:
                    found[theft], drawn[theft] = self._row(theft, origin, group, kinds, before, after)
            rows += found.values()
            thefts = MEANS["mean_same_task"]
            if set(thefts) <= set(found):
                both = ([of[theft] for theft in thefts] for of in (found, drawn))
                rows.append(mean_row("mean_same_task", group, *both, ("auc_before", "auc_after")))
        return rows

    def _row(
        self, theft: str, origin: str, group: str, kinds: Iterable[str], before: Distances, after: Distances
    ) -> tuple[dict, np.ndarray]:
        pirated, independent = after[theft], np.concatenate([after[kind] for kind in kinds])
        unchanged = np.concatenate([before[kind] for kind in kinds])
        own = self._drawn(len(pirated), theft)
        drawn = statistics.auc_draws(pirated, independent, own, self._drawn(len(independent), *kinds))
        low, high = statistics.interval(drawn)
        row = {
            "attack": theft,
            "negatives": group,
            "n_pirated": len(pirated),
            "n_independent": len(independent),
            "auc_before": _auc(before[origin], unchanged),
            "auc_after": _auc(pirated, independent),
            "auc_low": low,
            "auc_high": high,
        }
        return row, drawn

    def _drawn(self, count: int, *names: str) -> np.ndarray:
        key = (count, *names)
        if key not in self.counts:
            generator = np.random.default_rng(runtime.seed_from("/".join((self.name, *names))))
            self.counts[key] = statistics.resampled(count, statistics.DRAWS, generator)
        return self.counts[key]


def _auc(pirated: np.ndarray, independent: np.ndarray) -> float:
    """statistics.auc, as the draw that holds every model once: 40 times as fast for so few models."""
    every = (np.ones((1, len(models))) for models in (pirated, independent))
    return float(statistics.auc_draws(pirated, independent, *every)[0])


def _removal_cost(pool: list[Suspect]) -> float:
    """Test accuracy of the copies that were only trained on, less that of those that were also trained away."""
    kinds = ([s.metadata["test_accuracy"] for s in pool if s.model.kind == kind] for kind in (BASELINE, REMOVAL))
    baseline, removed = (float(np.mean(found)) for found in kinds)
    return baseline - removed


def _answered(fingerprint: Fingerprint, found: Detection) -> Fingerprint | None:
    """The queries that a thief answers; None where none is left."""
    kept = ~found.flagged
    if not kept.any():
        return None
    per_query = {name: getattr(fingerprint, name)[kept] for name in fingerprints.TENSORS}
    return replace(fingerprint, **per_query)


def _reading(method: Method, logits: torch.Tensor, fingerprint: Fingerprint) -> torch.Tensor:
    return method.representation(OUTPUTS[method.output](logits), fingerprint)
