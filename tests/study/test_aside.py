"""A step that is refused, however late, leaves what was there before: models, their records, the plan, fingerprints."""

import json
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprinting.core import storage
from fingerprinting.core.errors import UserError
from fingerprinting.fingerprints import baselines, generate, store
from fingerprinting.fingerprints.owner import UnsuitedError
from fingerprinting.methods import ROWS
from fingerprinting.models import build
from fingerprinting.models.kinds import KINDS, Job
from fingerprinting.study import aside, changes
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED
from tests.models.test_suspects import save_model

REFUSAL = UserError("training diverged; lower LEARNING_RATE")


def jobs_of(study, epochs: int, copies: int = 3) -> list[Job]:
    names = [study.model_id("irrelevant", "mlp", copy) for copy in range(copies)]
    return [Job(name, study.recipe(epochs, 0.01), {"part": "attacker"}) for name in names]


def state(study) -> dict[str, bytes | str]:
    """Content of all that a step may change: plans, models by their digest, records."""
    found = {path.name: path.read_text() for path in (study.artifacts / "plans").glob("*.json")}
    found |= {path.name: path.read_bytes() for path in (study.artifacts / "models").rglob("*.safetensors")}
    return found | {row["key"]: json.dumps(row, sort_keys=True) for row in Records.of(study, "models").rows()}


def refusing(after: int, error: BaseException = REFUSAL):
    """The kind's own preparation, which fails after so many models."""
    made = []

    def prepare(study, job):
        made.append(job)
        if len(made) > after:
            raise error
        return KINDS[job.model.kind].prepare(study, job)

    return prepare


def waiting(study) -> list[str]:
    return sorted(path.name for path in study.artifacts.rglob(f"*{aside.SUFFIX}"))


@pytest.mark.parametrize("error", [UserError("training diverged"), OSError(28, "No space left on device"), KeyError(3)])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_refused_step_leaves_what_was_there(quick, after, error):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    described = [{**row, "fidelity": 0.5} for row in Records.of(quick, "models").rows()]
    Records.of(quick, "models").put(described)
    before = state(quick)
    with pytest.raises(type(error)):
        build.train(quick, "irrelevant", jobs_of(quick, 2), refusing(after, error))
    assert state(quick) == before
    assert len(waiting(quick)) == after, "what was finished waits"
    assert build.train(quick, "irrelevant", jobs_of(quick, 1)) is SKIPPED
    assert state(quick) == before


def test_what_is_lacking_is_what_would_be_trained(quick):
    old, new = jobs_of(quick, 1), jobs_of(quick, 2)
    assert build.lacking(quick, old) == old
    build.train(quick, "irrelevant", old)
    assert build.lacking(quick, old) == [] and build.lacking(quick, new) == new
    with pytest.raises(UserError):
        build.train(quick, "irrelevant", new, refusing(2))
    assert build.lacking(quick, old) == [] and build.lacking(quick, new) == new[2:]  # two wait to be asked for again
    assert build.lacking(replace(quick, force=True), old) == old


def test_a_step_says_what_it_made_and_why_it_is_made_again(quick, capsys):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    said = capsys.readouterr().out.splitlines()
    assert len(said) == 1 and said[0].startswith("irrelevant: 3 models, test accuracy 0.")
    assert said[0].endswith(f"; {quick.artifacts / 'models'}") and " (n = " in said[0]
    build.train(quick, "irrelevant", jobs_of(quick, 2))
    assert "3 models are trained again: EPOCHS was 1, is 2\n" in capsys.readouterr().out
    build.train(replace(quick, force=True), "irrelevant", jobs_of(quick, 2, 1))
    assert "1 model is trained again: FORCE=True\n" in capsys.readouterr().out


def test_reasons_name_constants_data_and_parents():
    recipe = {"learning_rate": 0.01, "batch_size": 32}
    before = {
        "recipe": recipe,
        "options": {"ratio": 0.3},
        "data_sha256": "a" * 64,
        "parent_sha256": None,
        "kinds": ["a"],
    }
    now = {
        **before,
        "recipe": {**recipe, "learning_rate": 0.02},
        "options": {},
        "data_sha256": "b" * 64,
        "kinds": ["b"],
    }
    assert changes.reasons(before, before) == []
    assert changes.reasons(before, now) == [
        "LEARNING_RATE was 0.01, is 0.02",
        "RATIO was 0.3, is not set",
        "the data are others",
        "KINDS was a, is b",
    ]
    assert changes.reasons({"split_sha": "a" * 64}, {"split_sha": "b" * 64}) == ["split sha changed"]


def test_a_fingerprint_that_replaces_one_says_why(study, capsys):
    save_model(study, study.source_id)
    baselines.baselines(study, method="random", n=5)
    assert "replaced" not in capsys.readouterr().out
    baselines.baselines(study, method="random", n=6)
    assert "the random fingerprint that was there is replaced: N was 5, is 6\n" in capsys.readouterr().out
    baselines.baselines(study, method="random", n=6)
    path = store.path_of(study, "random")
    assert capsys.readouterr().out == f"the random fingerprint is finished already: 6 queries; {path}\n"


def test_what_a_refused_step_had_finished_is_taken_up_again(quick, capsys):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    with pytest.raises(UserError):
        build.train(quick, "irrelevant", jobs_of(quick, 2), refusing(2))
    capsys.readouterr()
    build.train(quick, "irrelevant", jobs_of(quick, 2))
    assert "2 of 3 models are finished already" in capsys.readouterr().out
    assert {row["epochs"] for row in Records.of(quick, "models").rows()} == {2}
    assert not waiting(quick) and not list(quick.artifacts.rglob("*.before"))


@pytest.mark.parametrize("after", [0, 2])
def test_after_an_interruption_the_same_settings_go_on_and_the_older_ones_come_back(quick, after):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    before = state(quick)
    with pytest.raises(KeyboardInterrupt):
        build.train(quick, "irrelevant", jobs_of(quick, 2), refusing(after, KeyboardInterrupt()))
    assert sum(job.model.path.is_file() for job in jobs_of(quick, 1)) == after, (
        "older ones are not judged in their place"
    )
    with pytest.raises(UserError):  # also a refusal after an interruption
        build.train(quick, "irrelevant", jobs_of(quick, 3), refusing(1))
    assert {name: text for name, text in state(quick).items() if "/" not in name} == {
        name: text for name, text in before.items() if "/" not in name
    }
    assert build.train(quick, "irrelevant", jobs_of(quick, 1)) is SKIPPED
    assert state(quick) == before


def test_a_first_run_that_is_refused_promises_nothing(quick):
    with pytest.raises(UserError):
        build.train(quick, "irrelevant", jobs_of(quick, 1), refusing(1))
    assert build.planned(quick) == {}


def test_force_that_is_refused_brings_back_what_it_did_again(quick):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    before = state(quick)
    with pytest.raises(UserError):
        build.train(replace(quick, force=True), "irrelevant", jobs_of(quick, 1), refusing(0))
    assert state(quick) == before
    build.train(replace(quick, force=True), "irrelevant", jobs_of(quick, 1))
    assert not waiting(quick)


def test_fewer_models_than_before_take_nothing_away(quick):
    build.train(quick, "irrelevant", jobs_of(quick, 1))
    with pytest.raises(UserError):
        build.train(quick, "irrelevant", jobs_of(quick, 2, copies=1), refusing(0))
    assert len(build.planned(quick)["irrelevant"]) == 3
    assert all(job.model.path.is_file() for job in jobs_of(quick, 1))


def test_names_that_begin_alike_are_not_forgotten_for_each_other(tmp_path):
    paths = [tmp_path / f"mlp-0-overlap_0{more}.safetensors" for more in ("", ".5")]
    for path in paths:
        storage.save_tensors(path, {}, {"settings": {"epochs": 1}})
        aside.put(path)
    aside.forget(paths[0])
    assert not aside.waits(paths[0], {"epochs": 1}) and aside.back(paths[1], {"epochs": 1})


@settings(max_examples=100)
@given(st.binary(max_size=40) | st.sampled_from([b"{}", b"[]", b'{"models": [], "plan": null}', b'{"models": {}}']))
def test_a_damaged_note_or_plan_is_one_sentence(content):
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plans" / "source.json"
        storage.write_text(plan, "old")
        plan.with_suffix(".before").write_bytes(content)
        with pytest.raises(UserError, match="source.before is damaged; delete it"), aside.Exchange(plan, []):
            raise UserError("refused")
        assert plan.read_text() == "old"


TEXTS = ("domain", "dataset", "tier", "kind", "architecture")
models = st.fixed_dictionaries({**{name: st.text(max_size=5) for name in TEXTS}, "copy": st.integers()})


@settings(max_examples=200)
@given(st.lists(models, max_size=2), st.integers(0, 200), st.binary(max_size=4))
def test_a_damaged_plan_is_what_it_says_or_one_sentence(promised, place, change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "source.json"
        content = json.dumps(promised).encode()
        path.write_bytes(content[:place] + change + content[place + len(change) :])
        try:
            found = build._read_plan(path)
        except UserError as error:
            assert "source.json is damaged" in str(error)
            return
        written = json.loads(path.read_bytes())
        assert [asdict(model) for model in found] == [{"variant": "", **said} for said in written]


@settings(max_examples=200)
@given(st.lists(st.text(max_size=6), max_size=3, unique=True), st.integers(0, 200), st.binary(min_size=1, max_size=4))
def test_damaged_records_are_what_they_say_or_one_sentence(keys, place, change):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "facts.jsonl"
        Records(path).put({"key": key, "value": 1} for key in keys)
        content = path.read_bytes() if path.is_file() else b""
        damaged = content[:place] + change + content[place + len(change) :]
        path.write_bytes(damaged)
        try:
            found = Records(path).rows()
        except UserError as error:
            assert "facts.jsonl is damaged; restore it from git" in str(error)
            with pytest.raises(UserError):
                Records(path).put([{"key": "new"}])
            assert path.read_bytes() == damaged
            return
        assert found == said([json.loads(line) for line in damaged.decode().split("\n") if line])


def said(lines: list) -> list[dict]:
    """What lines of records mean, by hand: the first one has the columns, the others a kind and its values."""
    if not lines or "key" in lines[0]:
        return lines
    first, rows = lines[0], []
    for kind, *values in lines[1:]:
        own, referring = first["columns"][kind]
        row = {**first["common"], **dict(zip(own + referring, values, strict=True))}
        rows.append(row | {name: first["shared"][row[name]] for name in referring})
    return rows


def test_a_fingerprint_that_cannot_be_made_now_comes_back_with_its_settings(study, monkeypatch, capsys):
    save_model(study, study.source_id)
    baselines.baselines(study, method="random", n=5)
    path = store.path_of(study, "random")
    before = path.read_bytes()

    def unsuited(*_, **__):
        raise UnsuitedError("random finds nothing")

    with monkeypatch.context() as patch:
        patch.setitem(ROWS, "random", replace(ROWS["random"], queries=unsuited))
        baselines.baselines(study, method=("random", "akh"), n=6)
    assert not path.is_file() and "random is left out: random finds nothing" in capsys.readouterr().out
    assert baselines.baselines(study, method="random", n=5) is SKIPPED
    assert path.read_bytes() == before


def test_a_refused_fingerprint_leaves_the_one_that_is_there(study, monkeypatch):
    save_model(study, study.source_id)
    generate.primary(study, n=3, labels="source", fewer=True)
    before = store.path_of(study, "primary").read_bytes()
    records = Records.of(study, "fingerprints").rows()
    with pytest.raises(UserError, match="the source leaves fewer than N="):
        generate.primary(study, n=5000, labels="source", fewer=False)
    assert store.path_of(study, "primary").read_bytes() == before
    assert Records.of(study, "fingerprints").rows() == records
