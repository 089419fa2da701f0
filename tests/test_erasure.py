"""The thief answers back: thresholds, what flags and erases, what it gives out, and that it fits on its own data alone.

Everything is small and made here: no zoo, no network.
"""

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from domains import changed
from sklearn.datasets import load_digits
from torch import nn

from bci.domain import band_passed, smoothed
from fingerprinting.core import statistics
from fingerprinting.core.runtime import UserError
from fingerprinting.fingerprints.registry import METHODS
from fingerprinting.fingerprints.store import Fingerprint
from fingerprinting.models.kinds import KINDS
from fingerprinting.models.suspects import ATTACKS, MEANS, Suspect
from fingerprinting.reports.formats import write_csv
from fingerprinting.reports.sections import query_attacks as report
from fingerprinting.robustness import adaptive, autoencoder, evasion
from fingerprinting.robustness.attacked_responses import REFUSED, Representations
from fingerprinting.robustness.attacker import Attacker
from fingerprinting.robustness.evasion import PERTURBATIONS, Screen
from fingerprinting.robustness.paired_bootstrap import Draws
from fingerprinting.robustness.query_detector import Detection, Screened
from fingerprinting.study import study
from fingerprinting.study.records import Records
from fingerprinting.training import objectives
from nlp import data, synonyms
from nlp.language import NGrams
from nlp.synonyms import Lexicon

CONSTANTS = dict(
    held_out=0.25,
    autoencoder_epochs=4,
    autoencoder_learning_rate=3e-3,
    autoencoder_updates=150,
    code=6,
    order=3,
    evasion_fpr=0.05,
    decimals=2,
    temperature=4.0,
    noise=0.1,
    cost_inputs=50,
    removal_copies=1,
    removal_epochs=1,
    removal_learning_rate=1e-3,
    feature_weight=1.0,
    ranking_weight=1.0,
)
ATTACKER = Attacker.of(**CONSTANTS)
CPU = torch.device("cpu")


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# Thresholds


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_new_benign_inputs_are_flagged_no_more_often_than_promised_and_hardly_less(share):
    """Over 400 thieves of 199 held-out inputs each: the mean rate on new inputs, whatever the scores' distribution."""
    scores = torch.randn(400, 199 + 1000, generator=draw()).exp()
    rates = [(row[199:] > evasion.threshold(row[:199], share)).double().mean().item() for row in scores]
    error = 3 * np.std(rates) / math.sqrt(len(rates))
    assert share - 1 / 200 - error <= np.mean(rates) <= share + error


def test_a_threshold_by_hand():
    assert evasion.threshold(torch.arange(1.0, 100.0), 0.05) == 95  # the 95th of 99: (99 + 1) * 0.95
    assert evasion.threshold(torch.tensor([3.0, 1.0, 2.0]), 0.01) == 3  # too few for 1%: nothing seen is flagged


# The autoencoder


@pytest.fixture(scope="module")
def digits() -> torch.Tensor:
    return torch.from_numpy(load_digits().images).float()[:, None] / 16


@pytest.fixture(scope="module")
def fitted(digits) -> autoencoder.Autoencoder:
    return autoencoder.fit(digits[:1200], ATTACKER.detector, "test", CPU)


def test_fitting_lowers_the_error_on_inputs_that_were_not_fitted_on(digits, fitted):
    torch.manual_seed(0)
    untrained = autoencoder.Autoencoder(digits[:1200], ATTACKER.detector.code).eval()
    with torch.no_grad():
        before, after = (autoencoder.errors(model, digits[1200:]).mean() for model in (untrained, fitted))
    assert after < before / 2


def test_noise_is_reproduced_worse_than_digits_and_is_flagged(digits, fitted):
    noise = torch.rand(200, 1, 8, 8, generator=draw())
    screen = autoencoder.screen(digits[:1200], ATTACKER.detector, "test", CPU, (0.0, 1.0))
    benign, strange = screen.score(digits[1200:]), screen.score(noise)
    assert torch.allclose(strange, autoencoder.errors(fitted, noise).detach(), atol=1e-5)
    assert statistics.auc(-strange.numpy(), -benign.numpy()) > 0.95
    threshold = evasion.threshold(benign[:300], 0.05)
    assert (strange > threshold).double().mean() > 0.7 > 0.2 > (benign[300:] > threshold).double().mean()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 10), (2, 45), (4, 448)])
def test_erased_inputs_keep_shape_range_and_silent_channels(shape):
    inputs = torch.rand(130, *shape, generator=draw())
    inputs[:, -1] = 0
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    erased = autoencoder.screen(inputs, small, "test", CPU, (0.0, 1.0)).erasures["reconstructed"](inputs)
    assert erased.shape == inputs.shape and erased.min() >= 0 and erased.max() <= 1
    assert (erased[:, -1] == 0).all() and (len(inputs[0]) == 1 or (erased[:, 0] != inputs[:, 0]).any())


def test_what_is_answered_stays_inside_the_bounds_of_an_input(digits):
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    erased = autoencoder.screen(digits[:200], small, "test", CPU, (0.25, 0.5)).erasures["reconstructed"](digits[:50])
    assert erased.min() == 0.25 and erased.max() <= 0.5


def test_stored_and_physical_images_are_the_same_to_a_screen(digits):
    stored = (digits * 255).round().to(torch.uint8)
    small = replace(ATTACKER.detector, autoencoder_epochs=1, autoencoder_updates=2)
    screen = autoencoder.screen(stored[:200], small, "test", CPU, (0.0, 1.0))
    assert torch.allclose(screen.score(stored[200:]), screen.score(stored[200:].float() / 255))


# EEG's filters


def tone(hertz: float) -> torch.Tensor:
    return 10 * torch.sin(2 * math.pi * hertz * torch.arange(512) / 128).view(1, 1, -1)


def kept(filtered: torch.Tensor, of: torch.Tensor) -> float:
    """Amplitude that is left, away from the ends."""
    return float(filtered[..., 128:-128].std() / of[..., 128:-128].std())


@pytest.mark.parametrize(("erase", "passed", "stopped"), [(band_passed, 10, 60), (smoothed, 2, 45)])
def test_filters_pass_slow_waves_and_stop_fast_ones(erase, passed, stopped):
    assert kept(erase(tone(passed)), tone(passed)) > 0.95
    assert kept(erase(tone(stopped)), tone(stopped)) < 0.2
    assert torch.allclose(erase(tone(passed) + 700).mean(), torch.tensor(700.0), atol=1)
    assert erase(tone(passed)).dtype == torch.float32


# Text


def test_n_grams_by_hand():
    """Texts ab, ab, ac, and order 2: after a came b twice and c once; all in all a 3, b 2, c 1, end 3 times."""
    language = NGrams(["ab", "ab", "ac"], 2)
    alone = {"a": (3 + 4 / 5) / 13, "b": (2 + 4 / 5) / 13, "c": (1 + 4 / 5) / 13, "\0": (3 + 4 / 5) / 13}
    unknown = (0 + 4 / 5) / 13
    assert sum(alone.values()) + unknown == pytest.approx(1)
    for character, expected in alone.items():
        assert language.probability(character, "") == pytest.approx(expected)
    assert language.probability("b", "a") == pytest.approx((2 + 2 * alone["b"]) / (3 + 2))
    assert language.probability("x", "a") == pytest.approx((0 + 2 * unknown) / (3 + 2))
    assert language.probability("a", "x") == pytest.approx(alone["a"])  # a history that was never seen says nothing
    steps = [
        (3 + 1 * alone["a"]) / (3 + 1),  # every text begins with a
        (2 + 2 * alone["b"]) / (3 + 2),
        (2 + 1 * alone["\0"]) / (2 + 1),  # after b always the end
    ]
    assert language.cross_entropy("ab") == pytest.approx(-sum(map(math.log2, steps)) / 3)


def test_n_grams_flag_shuffled_text():
    language = NGrams(["春夏秋冬", "东南西北"] * 20, 3)
    assert language.cross_entropy("春夏秋冬") < 1 < 3 < language.cross_entropy("冬春西夏")


LEXICON = Lexicon(
    [["美丽", "漂亮", "好看得很"], ["漂亮", "出色"], ["快", "迅速"], ["大夫", "医生"], ["大夫人", "太太们"]]
)


def test_only_words_of_the_lexicon_are_replaced():
    texts = ["美丽的城市", "没有这样的词", "医生快来", "", "大夫人", "大夫来"]
    replaced = data.decode(LEXICON.replaced(data.encode(texts)))
    assert replaced == ["漂亮的城市", "没有这样的词", "大夫快来", "", "太太们", "医生来"]
    assert LEXICON.synonyms["漂亮"] == ["美丽", "好看得很"]  # its first group
    assert "快" not in LEXICON.synonyms and "迅速" not in LEXICON.synonyms  # of one character, and then alone


def test_replacing_is_deterministic_and_keeps_the_length_limit():
    many = Lexicon([["一二", "一二三四"], ["甲乙", "丙丁", "戊己", "庚辛"]])
    full = "一二" * (data.LENGTH // 2)
    assert many.rewritten(full) == full  # no room for a longer word
    assert many.rewritten(full[:-2]) == "一二三四" + full[4:]  # room for one
    inputs = data.encode(["甲乙" + chr(0x4E00 + n) for n in range(40)])
    assert torch.equal(many.replaced(inputs), many.replaced(inputs))
    assert len({text[:2] for text in data.decode(many.replaced(inputs))}) == 3  # never the word itself


def test_the_lexicon_is_read_from_its_synonym_lines_alone(data_dir):
    (data_dir / "synonyms").mkdir()
    lines = "\nAa01A02= 人类 全人类\nAa01B03# 良民 顺民\nAa01C05@ 众学生\n"
    (data_dir / "synonyms" / "cilin.txt").write_text(lines, encoding="utf-8")
    assert synonyms.read().synonyms == {"人类": ["全人类"], "全人类": ["人类"]}


def test_without_a_lexicon_it_says_so(data_dir, capsys):
    assert synonyms.read() is None
    assert "python data/prepare.py DOMAIN=nlp" in capsys.readouterr().out


# What is given out


LOGITS = torch.tensor([[0.0, math.log(2.0), math.log(7.0)], [math.log(0.4996), math.log(0.5004), -30.0]])


def given(name: str, **changes) -> torch.Tensor:
    return PERTURBATIONS[name](LOGITS, replace(ATTACKER.evasion, **changes), draw())


def test_rounded_answers_by_hand():
    probabilities = torch.softmax(given("rounded", decimals=1), 1)
    assert torch.allclose(probabilities[0], torch.tensor([0.1, 0.2, 0.7]), atol=3e-3)
    assert torch.allclose(probabilities[1], torch.tensor([0.5, 0.5, 0.0]), atol=3e-3)
    assert torch.equal(given("rounded", decimals=1).argmax(1), LOGITS.argmax(1))  # a tie keeps the model's label


def test_top_1_answers_by_hand():
    expected = F.one_hot(LOGITS.argmax(1), 3).float()
    assert torch.allclose(torch.softmax(given("top_1"), 1), expected, atol=3e-3)
    assert torch.equal(given("top_1")[0, :2], torch.full((2,), math.log(evasion.NOUGHT)))


def test_a_temperature_by_hand():
    weights = torch.tensor([1.0, 2.0, 7.0]).sqrt()
    assert torch.allclose(torch.softmax(given("temperature", temperature=2.0), 1)[0], weights / weights.sum())
    assert torch.equal(given("temperature").argmax(1), LOGITS.argmax(1))


def test_noise_is_of_the_given_deviation_and_seeded():
    logits = torch.zeros(4000, 4)
    noisy = PERTURBATIONS["noise"](logits, replace(ATTACKER.evasion, noise=0.02), draw()).exp()
    assert noisy.std().item() == pytest.approx(0.02, rel=0.05) and noisy.mean().item() == pytest.approx(0.25, abs=1e-3)
    assert torch.equal(given("noise"), given("noise")) and not torch.equal(given("noise", noise=0.0), given("noise"))


def test_random_answers_only_where_flagged_and_every_label_alike():
    logits = torch.randn(3000, 3, generator=draw()) + torch.tensor([3.0, 0.0, 0.0])
    flagged = torch.arange(3000) % 2 == 0
    answered = evasion.at_random(logits, flagged, draw(1))
    assert torch.equal(answered[~flagged], logits[~flagged])
    assert torch.equal(answered.sort(1).values, logits.sort(1).values)  # as sure as it was
    shares = answered[flagged].argmax(1).bincount(minlength=3) / flagged.sum()
    assert torch.allclose(shares, torch.full((3,), 1 / 3), atol=0.04)
    assert torch.equal(answered, evasion.at_random(logits, flagged, draw(1)))


# Reading what is answered


def suspect(kind: str, copy: int) -> Suspect:
    return Suspect(study.ModelId("cv", "digits", "smoke", kind, "conv3", copy), {"test_accuracy": 0.9})


def fingerprint() -> Fingerprint:
    logits = 5 * torch.eye(4)[torch.arange(40) % 4]
    component = torch.arange(40) % 4
    return Fingerprint(torch.rand(40, 1, 8, 8), logits.argmax(1), logits.argmax(1), component, logits, {})


def detection(flagged: torch.Tensor) -> Detection:
    return Detection(flagged, {"detection_rate_fpr1": 0.0})


def test_refused_queries_count_for_nobody():
    """A theft that answers 30 of 40 queries as the source does is at distance 0, though it refused the other 10."""
    flagged = torch.arange(40) < 10
    methods = [method for method in METHODS if method.name == "primary"]
    representations = Representations(
        methods, {"primary": fingerprint()}, {"primary": detection(flagged)}, ATTACKER.evasion
    )
    logits = fingerprint().source_logits
    logits[:10] = logits[:10].roll(1, 1)  # what it would have said there is not looked at
    representations.put("", suspect("prune", 0), "primary", logits)
    representations.put(REFUSED, suspect("prune", 0), "primary", logits[~flagged])
    for method in methods:
        name = suspect("prune", 0).model.name
        assert (
            representations.distances[REFUSED][method.key][name] == 0 < representations.distances[""][method.key][name]
        )


def test_where_none_is_answered_nothing_is_claimed():
    found = detection(torch.ones(40, dtype=torch.bool))
    assert Representations([], {"primary": fingerprint()}, {"primary": found}, ATTACKER.evasion).compared[REFUSED] == {}


def test_where_queries_are_read_in_pairs_a_refusal_is_not_read():
    def pairs(outputs: torch.Tensor, _: Fingerprint) -> torch.Tensor:
        return outputs.view(-1, 2, 4).double().diff(dim=1)

    (method,) = [method for method in METHODS if method.key == "primary/logits/correlation"]
    found = detection(torch.arange(40) < 3)
    paired = replace(method, representation=pairs)
    representations = Representations([paired], {"primary": fingerprint()}, {"primary": found}, ATTACKER.evasion)
    representations.put(REFUSED, suspect("prune", 0), "primary", fingerprint().source_logits[3:])
    representations.put("", suspect("prune", 0), "primary", fingerprint().source_logits)
    assert REFUSED not in representations.distances and representations.distances[""][paired.key]


@pytest.mark.parametrize("attack", evasion.SEEN)
def test_where_answers_are_visibly_cut_down_the_source_is_read_as_if_its_were_too(attack):
    methods = [method for method in METHODS if method.name == "primary"]
    representations = Representations(
        methods, {"primary": fingerprint()}, {"primary": detection(torch.zeros(40) > 0)}, ATTACKER.evasion
    )
    cut = PERTURBATIONS[attack](fingerprint().source_logits, ATTACKER.evasion, None)
    representations.put(attack, suspect("prune", 0), "primary", cut)
    assert all(scores == {suspect("prune", 0).model.name: 0} for scores in representations.distances[attack].values())
    assert len(representations.distances[attack]) == len(methods)


def test_every_reading_of_primary_and_evolved_and_the_first_of_others():
    keys = [method.key for method in adaptive.chosen(["primary", "sac_m"])]
    assert [key for key in keys if key.startswith("primary")] == [m.key for m in METHODS if m.name == "primary"]
    assert [key for key in keys if key.startswith("sac_m")] == ["sac_m/labels/correlation"]


def test_auc_before_and_after_by_hand():
    independent = {"irrelevant": np.array([0.4, 0.6]), "homologous": np.array([0.2])}
    before = independent | {stealing_attack: np.array([0.1, 0.1]) for stealing_attack in MEANS["mean_same_task"]}
    after = before | {"prune": np.array([0.3, 0.9])}
    rows = Draws("test").changes(before, after, {stealing_attack: stealing_attack for stealing_attack in ATTACKS})
    found = {(row["attack"], row["negatives"]): row for row in rows}
    assert found["prune", "all"]["auc_before"] == 1
    assert found["prune", "all"]["auc_after"] == pytest.approx(2 / 6)
    assert found["prune", "irrelevant"]["auc_after"] == pytest.approx(2 / 4)
    mean = found["mean_same_task", "all"]
    assert mean["auc_after"] == pytest.approx((6 + 2 / 6) / 7) and mean["auc_before"] == 1
    assert mean["auc_low"] <= mean["auc_after"] <= mean["auc_high"]
    assert {row["attack"] for row in rows} == {*MEANS["mean_same_task"], "mean_same_task"}


def test_what_answering_back_costs_and_that_refused_queries_are_not_read(study, monkeypatch):
    """A theft that is always right, differs from the source on queries that it refuses, and refuses 10 of 50 inputs."""
    inputs, labels, refused = torch.rand(50, 1, 8, 8), torch.arange(50) % 4, torch.arange(40) < 10
    own, detected = fingerprint().source_logits, {"primary": detection(refused)}
    own[refused] = own[refused].roll(1, 1)
    monkeypatch.setattr(
        adaptive.suspects, "ask", lambda *given: own if len(given[2]) == 40 else 9.0 * F.one_hot(labels)
    )
    about = {
        "attacker": ATTACKER,
        "cost_inputs": (inputs, labels),
        "benign": torch.arange(50.0),
        "evasion_threshold": 39,
    }
    screened = SimpleNamespace(screen=Screen(None, {}), **about)
    representations = Representations(METHODS[:1], {"primary": fingerprint()}, detected, ATTACKER.evasion)
    costs = adaptive._ask(study, screened, detected, representations, [suspect("prune", 0)])
    kept = {attack: [0] for attack in ("rounded", "top_1", "temperature")}  # the label, and so the accuracy
    assert costs == costs | kept | {"refused": [pytest.approx(0.2)]}
    assert list(representations.distances["refused"][METHODS[0].key].values()) == [0]


def test_rows_set_what_was_answered_beside_what_would_have_been(study):
    pool = [suspect(kind, 0) for kind in ("irrelevant", "prune", "fine_tune_all", "removal")]
    pool[-1] = Suspect(pool[-1].model, {"test_accuracy": 0.7})  # the others: 0.9
    key, names = METHODS[0].key, [model.model.name for model in pool]
    before, after = ({key: dict(zip(names, found, strict=True))} for found in ([2, 1, 1, 3], [2, 3, 1, 3]))
    representations = SimpleNamespace(methods=METHODS[:1], distances={"": before, "rounded": after, "refused": after})
    detected, costs = {"primary": detection(torch.arange(4) < 1)}, {"rounded": [0.1, 0.3], "refused": []}
    found = adaptive._rows(study, representations, detected, costs, pool)
    rows = {(row["attack_on_queries"], row["attack"]): row for row in found if row["negatives"] == "all"}
    assert rows["refused", "prune"]["answered"] == 0.75
    for place in (("rounded", "prune"), ("removal", "removal")):
        row = rows[place]
        assert (row["auc_before"], row["auc_after"], row["accuracy_cost"]) == (1, 0, pytest.approx(0.2))


# The thief's own data


class Parts(dict):
    """The parts of a study, which remember who was asked for."""

    def __init__(self, parts: dict) -> None:
        super().__init__(parts)
        self.asked: set[str] = set()

    def __getitem__(self, name: str):
        self.asked.add(name)
        return super().__getitem__(name)


def test_the_thief_fits_and_calibrates_on_disjoint_halves_of_the_attackers_part_alone(study, monkeypatch):
    parts, fitted_on, scored = Parts(study.parts), [], []

    def screen(inputs, detector, name, device, bounds) -> Screen:
        fitted_on.append(inputs)
        return Screen(lambda asked: scored.append(asked) or asked.flatten(1).double().mean(1), {})

    monkeypatch.setattr(type(study), "parts", property(lambda _: parts))
    study.__dict__["domain"] = changed(study.domain, screen=screen)
    screened = Screened(study, ATTACKER)
    assert parts.asked == {"attacker"}
    attacker = study.parts["attacker"].inputs
    (fitted_inputs,), (calibration,) = fitted_on, scored
    rows = [set(map(bytes, part.flatten(1).numpy())) for part in (fitted_inputs, calibration, attacker)]
    assert not rows[0] & rows[1] and rows[0] | rows[1] == rows[2]
    assert len(calibration) == round(ATTACKER.detector.held_out * len(attacker))
    parts.asked.clear()
    screened.detection(attacker[:5])
    assert parts.asked == {"test"}  # measured on, after everything was chosen
    assert screened.thresholds["fpr5"] == evasion.threshold(calibration.flatten(1).double().mean(1), 0.05)


# Removal


def test_removal_by_hand():
    """One linear layer on two features; the head's input is the features themselves."""
    stolen, model = (nn.Sequential(nn.Identity(), nn.Linear(2, 3, bias=False)) for _ in range(2))
    with torch.no_grad():
        stolen[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]))
        model[1].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]]))
    inputs, labels = torch.tensor([[2.0, 1.0], [1.0, 3.0]]), torch.tensor([0, 0])
    features, logits = objectives.features_and_logits(model, "1", inputs)
    assert torch.equal(features, inputs) and torch.equal(logits, model(inputs))
    plain = F.cross_entropy(model(inputs), labels)
    # Same features: cosine 1. Of the other two classes the one ranks (1, 0), the other (0, 1): cosine -1.
    assert objectives.removal(stolen, "1", 0.3, 0.0)(model, inputs, labels).item() == pytest.approx(plain.item() + 0.3)
    assert objectives.removal(stolen, "1", 0.0, 0.2)(model, inputs, labels).item() == pytest.approx(plain.item() - 0.2)


def test_removal_is_a_theft_of_its_own_that_no_mean_and_no_reference_counts():
    assert "removal" in ATTACKS and KINDS["removal"].role == "pirated" and "reference_removal" not in KINDS
    assert all("removal" not in attacks for attacks in MEANS.values())


# Tables


def row(attack: str, stealing_attack: str, auc: float, negatives: str = "all") -> dict:
    return {
        "key": f"{attack}/{stealing_attack}/{negatives}",
        "tier": "smoke",
        "domain": "cv",
        "dataset": "digits",
        "method": "primary",
        "output": "labels",
        "representation": "match_rate",
        "attack_on_queries": attack,
        "attack": stealing_attack,
        "negatives": negatives,
        "auc_before": 0.8,
        "auc_after": auc,
        "auc_low": auc - 0.1,
        "auc_high": auc + 0.1,
        "accuracy_cost": 0.015,
        **(
            {"detection_rate_fpr1": 0.01, "detection_rate_fpr5": 0.06, "detection_auc": 0.55}
            if stealing_attack != "removal"
            else {}
        ),
        "n_queries": 9,
        "n_held_out": 99,
        "n_benign": 50,
        "false_alarms_fpr1": 0.02,
        "false_alarms_fpr5": 0.04,
    }


def test_the_table_has_the_agreed_columns_and_one_row_per_reading_and_attack(tmp_path):
    rows = [row("rounded", "mean_same_task", 0.7), row("rounded", "prune", 0.6), row("removal", "removal", 0.3)]
    rows.append(row("rounded", "mean_same_task", 0.9, "irrelevant"))
    records = tmp_path / "results" / "records" / "cv" / "digits" / "smoke"
    records.mkdir(parents=True)
    (records / "erasure.jsonl").write_text("".join(json.dumps(found) + "\n" for found in rows))
    assert report.COLUMNS == (
        "tier,domain,dataset,method,output,representation,attack_on_queries,detection_rate_fpr1,detection_rate_fpr5,"
        "detection_auc,auc_before,auc_after,accuracy_cost"
    )
    write_csv(tmp_path / "erasure.csv", report.COLUMNS, report.rows(Records.at("cv/digits/smoke", "erasure").rows()))
    assert sorted((tmp_path / "erasure.csv").read_text().splitlines()[1:]) == [
        "smoke,cv,digits,primary,labels,match_rate,removal,,,,0.8000,0.3000,0.0150",
        "smoke,cv,digits,primary,labels,match_rate,rounded,0.0100,0.0600,0.5500,0.8000,0.7000,0.0150",
    ]
    page = "\n".join(report.section(Records.at("cv/digits/smoke", "erasure").rows()))
    assert "| primary | match rate, labels | 0.80 | 0.70 [0.60, 0.80] | 0.30 [0.20, 0.40] (0.80) |" in page
    assert "| primary | 9 | 1.0% | 6.0% | 0.55 |" in page


def test_without_removal_the_section_lacks_only_that():
    rows = [row("rounded", "mean_same_task", 0.7), row("rounded", "prune", 0.6)]
    Records.at("cv/digits/smoke", "erasure").put({"key": str(number), **found} for number, found in enumerate(rows))
    page = "\n".join(report.section(Records.at("cv/digits/smoke", "erasure").rows()))
    assert "| primary | match rate, labels | 0.80 | 0.70 [0.60, 0.80] |  |" in page


@pytest.mark.parametrize(
    ("name", "value"),
    [("held_out", 1.0), ("evasion_fpr", 0.0), ("evasion_fpr", 5.0), ("temperature", 0.0), ("removal_copies", 0)],
)
def test_a_thief_that_cannot_be(name, value):
    with pytest.raises(UserError, match=f"{name.upper()}={value} must"):
        Attacker.of(**{**CONSTANTS, name: value})


def test_a_study_that_was_not_answered_back_has_no_section():
    assert report.section([]) == []
