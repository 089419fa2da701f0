"""protect.py: what it refuses before it writes or trains, what it plans, and how far its verdicts go."""

import json
import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from fingerprinting.calibrated import verdicts
from fingerprinting.core.errors import UserError
from fingerprinting.data import splits
from fingerprinting.data.datasets import held_out, physical
from fingerprinting.models import reference, suspects, trained
from fingerprinting.protecting import command, comparing, deriving, description, estimating, plan
from fingerprinting.protecting.description import Description, Network
from fingerprinting.protecting.plan import Plan, Recipes
from fingerprinting.study.domain import load_domain
from fingerprinting.study.study import Study
from tests.protecting.conftest import images, write_texts

SMOKE = ("TIER=smoke", "WORKERS=1", "DEVICE=cpu")


@pytest.fixture
def data(mine):
    np.savez(mine / "data.npz", **images())
    return "DATA=data.npz"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "DATA= is not given; name a folder of images"),
        (["DATA=absent"], "DATA=absent does not exist"),
        (["DATA=mine.py"], "DATA=mine.py has no known form"),
        (["DATA=data.npz", "TIER=day"], "unknown TIER 'day'"),
        (["DATA=data.npz", "KIND=sound"], "unknown KIND=sound; take images, text, eeg"),
        (["DATA=data.npz", "BUDGET=5"], "BUDGET=5 queries are too few to tell anything; give 25 or more"),
        (["DATA=data.npz", "TIME=soon"], "TIME=soon is no time; give a number with s, m or h"),
        (["DATA=data.npz", "STD=0.0"], "STD= holds 0, by which no input can be divided"),
        (["DATA=data.npz", "WEIGHTS=net.safetensors"], "WEIGHTS= needs MODEL=, which says what network they are of"),
        (["DATA=data.npz", "BASE=net.safetensors"], "BASE= is about a network of yours; give MODEL= too"),
        (["DATA=data.npz", "MEAN=0.5"], "MEAN= is about a network of yours; give MODEL= too"),
        (["DATA=data.npz", "SIZE=8"], "SIZE= is for images in folders, and DATA=data.npz is something else"),
        (["DATA=data.npz", "TEXT=review"], "TEXT= is for tables, and DATA=data.npz is something else; leave it out"),
        (["DATA=data.npz", "LENGTH=9"], "LENGTH= is for tables, and DATA=data.npz is something else"),
        (["DATA=reviews.csv", "RATE=128"], "RATE= is for arrays, which do not say it themselves, and DATA=reviews.csv"),
        (["DATA=reviews.csv", "KIND=text"], "KIND= is for arrays"),
        (["DATA=data.npz", "RATE=128"], "RATE= is for signals, and x of data.npz are something else"),
        (["DATA=data.npz", "TRAIN=mine:train", "EPOCHS=2"], "EPOCHS= is of the recipe here, and TRAIN= is another"),
        (
            ["DATA=reviews.csv", "LABEL=stars", "MODEL=mine:Words", "MEAN=0.5"],
            "MEAN= is for numbers that are measured, and a text's are code points; give PREPARE= what",
        ),
        (
            ["DATA=reviews.csv", "LABEL=stars", "MODEL=mine:Bags", "PREPARE=mine:ids", "SCALE=2"],
            "PREPARE= makes all that the network takes, SCALE= too; give one of them",
        ),
        (["DATA=data.npz", "TWINS=nowhere"], "TWINS=nowhere holds no safetensors files"),
        (["DATA=data.npz", "MODEL=mine:build", "WEIGHTS=absent.safetensors"], "absent.safetensors does not exist"),
        (["DATA=data.npz", "MODEL=mine:build", "HEAD=nowhere"], "'nowhere' is no linear layer of 'own'"),
        (["DATA=data.npz", "TRAIN=mine:absent"], "TRAIN=mine:absent names no function of mine"),
        (
            ["DATA=data.npz", "CLASSES=a,b"],
            "CLASSES= names a, b, which are not the data's classes; give CLASSES=0,1,2",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(data, run_here, mine, words, said):
    write_texts(mine / "reviews.csv", 40)
    ended = run_here("protect.py", *words)
    assert ended.returncode == 2 and said in ended.stderr and len(ended.stderr.strip().splitlines()) == 1
    assert not (mine / "protected").exists()


def test_a_domain_file_of_somebody_elses_is_not_written_over(data, run_here, mine):
    (mine / "protected").mkdir()
    (mine / "protected" / "domain.py").write_text("mine = 1\n")
    ended = run_here("protect.py", data, *SMOKE)
    assert ended.returncode == 2 and "holds a domain.py that protect.py did not write" in ended.stderr
    assert (mine / "protected" / "domain.py").read_text() == "mine = 1\n"


def test_a_run_that_is_refused_or_stopped_leaves_the_limit_of_before(data, mine):
    folder = mine / "protected"
    description.write(folder, Description("net-1", "cv", "data", Network(), limit="why"))
    assert deriving._before(folder, mine / "data.npz") == ("net-1", "why")


def test_models_that_are_missing_are_made_by_the_same_command_again(mine):
    folder = mine / "protected"
    description.write(folder, Description("net-1", "cv", "data", Network()))
    study, again = Study(str(folder), "data", "smoke"), f"python protect.py PROTECTED={folder} TIER=smoke"
    for step in ("source", "twins", "calibration", "pairs", "calibrated"):
        assert study.command(step) == f"{again} with its other constants as before"
    assert study.command("references").startswith(f"python cv/references.py DOMAIN={folder}")


def test_help_fits_a_screen(run_here):
    ended = run_here("protect.py", "--help")
    lines = ended.stdout.splitlines()
    assert ended.returncode == 0 and len(lines) <= 42 and max(map(len, lines)) <= 100
    assert "  TIME=''  # how long training may take" in ended.stdout


def test_a_description_is_read_as_it_was_written_or_refused(tmp_path):
    described = Description("net-1", "cv", "data", Network(model="a:b", mean=(0.5, 0.5), prunable=("1",)), True, "why")
    description.write(tmp_path, described)
    assert description.read(tmp_path) == described
    path = tmp_path / description.FILE
    content = json.loads(path.read_text())
    for change in ({"format": 2}, {"network": []}, {"all_owned": "no"}, {"more": 1}):
        path.write_text(json.dumps(content | change))
        with pytest.raises(UserError, match="is damaged or of another version; run the same protect.py command again"):
            description.read(tmp_path)
    path.unlink()
    with pytest.raises(UserError, match="protect.json does not exist; run protect.py PROTECTED="):
        description.read(tmp_path)


def test_no_part_plays_the_attacker_where_all_is_the_owners():
    inputs, labels = torch.rand(100, 3), torch.arange(100) % 2
    usual = splits.cut(held_out("toy", ("a", "b"), inputs, labels), None, 0)
    owned = splits.cut(description_of_all(inputs, labels), None, 0)
    assert [len(usual[name]) for name in ("owner", "attacker", "reference")] == [32, 32, 16]
    assert [len(owned[name]) for name in ("owner", "attacker", "reference")] == [64, 0, 16]


def description_of_all(inputs: torch.Tensor, labels: torch.Tensor):
    from fingerprinting.protecting import domain

    return domain.dataset(Description("toy", "cv", "toy", Network(), all_owned=True), ("a", "b"), inputs, labels)


def recipes_of(study) -> Recipes:
    return Recipes(study.recipe(1, 0.01), study.recipe(1, 0.01), 0.1, 1)


def test_the_largest_plan_that_fits_the_time_is_taken_twins_before_pairs(study, tmp_path):
    recipes, second = recipes_of(study), lambda job: 1.0
    choose = partial(plan.choose, study, recipes, second)
    assert choose("", tmp_path) == Plan(2, 3, 1)
    assert choose("13s", tmp_path) == Plan(1, 3, 0)  # 1 twin and 4 calibration models of each data
    assert choose("13s", tmp_path) == Plan(1, 3, 0)  # of the run before
    with pytest.raises(
        UserError,
        match="TIME=4s is too short: the least, 1 twin, 12 calibration models, takes about 13 s; give TIME=16s or",
    ):
        choose("4s", tmp_path)
    with pytest.raises(UserError, match="TIME=30 is no time"):
        choose("30", tmp_path)
    assert [one.pairs for one in plan.PLANS] == [0, 0, 0, 0, 0, 0, 1, 2, 4]


def stopwatch(monkeypatch) -> list[float]:
    """The clock by which a time is kept, in a list of one."""
    clock = [100.0]
    monkeypatch.setattr(plan.time, "monotonic", lambda: clock[0])
    return clock


@pytest.mark.parametrize(("slower", "expected"), [(1.0, Plan(2, 3, 1)), (1.5, Plan(1, 3, 0))])
def test_models_that_take_longer_than_expected_are_left_out(study, tmp_path, monkeypatch, capsys, slower, expected):
    recipes, clock, trained_plans = recipes_of(study), stopwatch(monkeypatch), []
    counts = {one: len(plan.jobs_of(study, recipes, one)) for one in plan.SMALLEST["smoke"]}

    def train(stage: Plan) -> None:
        before = counts[trained_plans[-1]] if trained_plans else 0
        clock[0] += slower * (counts[stage] - before)
        monkeypatch.setattr(plan.build, "lacking", lambda _study, jobs: list(jobs)[counts[stage] :])
        trained_plans.append(stage)

    monkeypatch.setattr(plan.build, "lacking", lambda _study, jobs: list(jobs))
    limit = "16s"
    chosen = plan.choose(study, recipes, lambda job: 1.0, limit, tmp_path)
    assert chosen == Plan(2, 3, 1)
    assert plan.reached(study, recipes, chosen, lambda job: 1.0, limit, tmp_path, train) == expected
    assert trained_plans == [Plan(1, 3, 0), Plan(2, 3, 1)][: 1 + (expected == chosen)]
    said = "TIME=16s has room for no more than 1 twin, 12 calibration models: models take 1.5 times as long"
    assert (said in capsys.readouterr().out) == (expected != chosen)
    assert plan.choose(study, recipes, lambda job: 1.0, limit, tmp_path) == expected  # by the same command again


def test_without_a_time_all_is_trained_at_once(study, tmp_path, monkeypatch):
    stages: list[Plan] = []
    plan.reached(study, recipes_of(study), Plan(2, 3, 1), lambda job: 1.0, "", tmp_path, stages.append)
    assert stages == [Plan(2, 3, 1)]


def test_what_models_cost_side_by_side_by_hand(study):
    jobs = plan.jobs_of(study, recipes_of(study), Plan(3, 3, 0))[:11]  # 3 twins, then calibration models
    seconds = (3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 4.0, 1.0, 1.0, 1.0, 1.0)
    costs = dict(zip([job.model for job in jobs], seconds, strict=True))
    cost = partial(estimating.wall, seconds=lambda job: costs[job.model])
    assert cost(study, jobs) == 18
    assert cost(replace(study, workers=2), jobs) == (2 + 2) + (5 + 1)


def test_models_beside_others_take_longer_and_adversarial_ones_most(study, monkeypatch):
    recipes = recipes_of(study)
    pilot, jobs = plan.twin_jobs(study, recipes, Plan(1, 0, 0))[0], plan.calibration_jobs(study, recipes, Plan(1, 3, 0))
    monkeypatch.setattr(estimating, "_seconds_of_update", lambda _study, job: 0.1)
    monkeypatch.setattr(estimating, "_slower", lambda *_: 1.25)
    monkeypatch.setattr(trained, "metadata_of", lambda *_: {"seconds": 40.0})
    seconds = estimating.estimate(study, pilot)
    of_owner = [job for job in jobs if reference.is_whole(job)]
    matched = [job for job in jobs if "share" in job.options and "epsilon" not in job.options]
    assert matched and all(0 < seconds(job) <= 50 for job in matched)
    clean, perturbed = ([job for job in of_owner if ("epsilon" in job.options) == one] for one in (False, True))
    assert seconds(pilot) == pytest.approx(50) and all(seconds(job) == pytest.approx(50) for job in clean)
    assert [seconds(job) for job in perturbed] == [pytest.approx(150)]
    elsewhere = replace(recipes, adopted=("a" * 64,))
    assert [seconds(job) for job in plan.twin_jobs(study, elsewhere, Plan(3, 0, 0))] == [0]


def test_updates_are_timed_alone_and_side_by_side(study):
    pilot = plan.twin_jobs(study, recipes_of(study), Plan(1, 0, 0))[0]
    assert estimating._slower(study, pilot) == 1
    assert 1 <= estimating._slower(replace(study, workers=2), pilot) < 100


def test_a_network_that_cannot_be_perturbed_has_no_adversarial_calibration_models(study, monkeypatch):
    monkeypatch.setattr(plan, "OWN", study.source_architecture)
    kinds = [job.model.kind for job in plan.calibration_jobs(study, recipes_of(study), Plan(1, 3, 0))]
    assert [kinds.count(f"calibration_{kind}_adversarial") for kind in ("homologous", "irrelevant")] == [2, 1]
    unable = replace(recipes_of(study), perturbed=False)
    kinds = [job.model.kind for job in plan.calibration_jobs(study, unable, Plan(1, 3, 0))]
    assert not any(kind.endswith("_adversarial") for kind in kinds)


@pytest.mark.parametrize(
    ("twin", "elsewhere", "train", "limited"),
    [(0.86, True, "", True), (0.88, True, "", False), (0.86, False, "", False), (0.86, True, "mine:train", False)],
)
def test_a_pilot_that_is_not_near_its_source_limits_verdicts(
    study, tmp_path, monkeypatch, capsys, twin, elsewhere, train, limited
):
    held = Description("net-1", "cv", "data", Network(model="mine:build", train=train))
    description.write(tmp_path, held)
    monkeypatch.setattr(command, "_train_twins", lambda *_: None)
    right = {"source": (0.9, 200), "twin": (twin, 200)}
    monkeypatch.setattr(comparing, "held_out", lambda _study, model: right[model.kind])
    command._piloted(study, recipes_of(study), held, tmp_path, [], elsewhere)
    limit = description.read(tmp_path).limit
    assert bool(limit) == limited == ("TRAIN=module:function, its own training" in capsys.readouterr().out)
    found = {"in_range": True, "p_independent": 0.001, "p_stolen": 1.0, "alpha": 0.01, "beta": 0.05, "limit": limit}
    assert verdicts.passed(found) == ("inconclusive" if limited else "stolen")
    assert not limited or verdicts.why(found) == limit


@pytest.mark.parametrize(
    ("source", "twins", "limited"),
    [
        (
            0.003,
            (0.026, 0.039, 0.026, 0.027, 0.035, 0.037),
            "its twins are 3.2 points more accurate on the owner's",
        ),
        (0.003, (0.026, 0.039, 0.026, 0.027, 0.035, 0.037), "and the source is 0.3 points more accurate there, so it"),
        (-0.001, (0.026, 0.039, 0.026, 0.027, 0.035, 0.037), "and the source is no more accurate there, so it learned"),
        (0.025, (0.026, 0.039, 0.026, 0.027, 0.035, 0.037), ""),
        (0.003, (0.026, 0.039), ""),
        (-0.03, (-0.002, -0.001, -0.003), ""),
    ],
)
def test_a_source_that_learned_from_other_data_than_its_twins_limits_verdicts(
    study, tmp_path, monkeypatch, capsys, source, twins, limited
):
    description.write(tmp_path, Description("net-1", "cv", "data", Network(model="mine:build")))
    jobs = plan.twin_jobs(study, recipes_of(study), Plan(len(twins), 0, 0))
    gains = dict(zip([job.model for job in jobs], twins, strict=True)) | {study.source_id: source}
    monkeypatch.setattr(comparing, "_gain", lambda _study, model: gains[model])
    command._check_data(study, jobs, tmp_path)
    said, limit = capsys.readouterr().out, description.read(tmp_path).limit
    assert bool(limit) == bool(limited) == ("so it learned from other data" in said) and limited in limit


class Memory(torch.nn.Module):
    """Right on the examples that it holds, and on no others."""

    def __init__(self, inputs: torch.Tensor, targets: torch.Tensor, classes: int):
        super().__init__()
        self.held, self.targets, self.classes = inputs.float().flatten(1), targets, classes
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs):
        same = (inputs.float().flatten(1)[:, None] == self.held).all(2)
        truth = torch.nn.functional.one_hot(self.targets, self.classes).float()
        return same.any(1)[:, None] * truth[same.float().argmax(1)] - truth.new_ones(self.classes) * 0.5


def test_a_gain_is_the_accuracy_on_the_owners_part_less_that_on_what_no_twin_saw(study, monkeypatch):
    owner = study.parts["owner"]
    network = Memory(physical(owner.inputs), owner.targets, len(study.classes))
    monkeypatch.setattr(trained, "metadata_of", lambda *_: {})
    monkeypatch.setattr(suspects, "ask", lambda _study, _model, inputs: network(physical(inputs)))
    unseen = torch.cat([study.parts[name].targets for name in comparing.UNSEEN])
    assert comparing._gain(study, study.source_id) == pytest.approx(1 - (unseen == 0).double().mean().item())


def test_a_source_that_has_learned_nothing_is_refused_before_it_is_repeated(study, monkeypatch):
    monkeypatch.setattr(comparing, "held_out", lambda *_: (0.05, 200))
    with pytest.raises(
        UserError, match="the source is right on 0.05 of 200 held-out examples, where one class for all"
    ):
        command._check_able(study)


def test_twins_trained_elsewhere_need_files(tmp_path):
    with pytest.raises(UserError, match="holds no safetensors files; put one there for each twin"):
        deriving.twins_in(tmp_path)


def test_twins_are_trainings_of_their_own(tmp_path):
    for name, value in (("source", 0.0), ("one", 1.0), ("two", 2.0)):
        save_file({"weight": torch.tensor([value])}, tmp_path / f"{name}.safetensors")
    source, twins = tmp_path / "source.safetensors", tmp_path / "twins"
    twins.mkdir()
    for name in ("one", "two"):
        shutil.copy(tmp_path / f"{name}.safetensors", twins)

    def adopted():
        return deriving.twins_of(Network(model="mine:build"), None, deriving.twins_in(twins), source, tmp_path)

    assert [path.name for path in adopted()[0]] == ["one.safetensors", "two.safetensors"]
    assert len(set(adopted()[1])) == 2
    shutil.copy(source, twins / "three.safetensors")
    with pytest.raises(UserError, match="three.safetensors of TWINS= holds the weights of the source, and a twin is"):
        adopted()
    shutil.copy(tmp_path / "one.safetensors", twins / "three.safetensors")
    with pytest.raises(UserError, match="three.safetensors of TWINS= holds the weights of one.safetensors, and a twin"):
        adopted()


def test_a_folder_stands_for_the_domain_file_in_it(tmp_path):
    described = Description("net-1", "cv", "data", Network())
    description.write(tmp_path, described)
    assert load_domain(str(tmp_path)).name == "net-1"
    (tmp_path / "domain.py").unlink()
    with pytest.raises(UserError, match="unknown domain .*; take one of cv, nlp, bci or the path of a domain.py"):
        load_domain(str(tmp_path))
