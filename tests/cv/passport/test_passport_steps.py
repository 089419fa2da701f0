"""Passports end to end on small digits: train, verify, attack, steal; what users get wrong."""

import csv

import pytest

from fingerprinting import pipeline
from fingerprinting.core.places import REPOSITORY
from fingerprinting.study.records import Records

WORDS = ("TIER=smoke", "DATASET=digits", "WORKERS=1")
SCRIPTS = ("train", "verify", "attack", "steal")


def test_training_loops_live_in_the_package():
    for path in (REPOSITORY / "cv" / "passport").glob("*.py"):
        assert ".backward(" not in path.read_text(), path


def test_the_steps_of_reproduce_are_there():
    assert all((REPOSITORY / "cv" / "passport" / f"{name}.py").is_file() for name in pipeline.PASSPORT)


@pytest.fixture
def run(run_here):
    """run("cv/passport/train.py", "SCHEME=1") in this process -> (exit status, what it said)."""

    def call(script: str, *words: str) -> tuple[int, str]:
        done = run_here(script, *WORDS, *words)
        return done.returncode, done.stderr if done.returncode else done.stdout

    return call


@pytest.mark.slow
def test_train_verify_and_attack(run, tmp_path):
    assert run("cv/passport/train.py")[0] == 0
    for scheme in "123":
        status, said = run("cv/passport/verify.py", f"SCHEME={scheme}")
        assert status == 0
        assert "| all | 96 | 96 | 0 | 100.0% |" in said
        assert "'my model' | 'my model'" in said
    assert run("cv/passport/attack.py")[0] == 0
    found = table(tmp_path)
    plain = found["plain", "none", ""]["accuracy"]
    assert found["plain", "none", "longer"]["accuracy"] > plain - 0.1  # trained on, without passports either
    for scheme in "123":
        valid = found[scheme, "none", ""]
        assert valid["signature_detection"] == 1
        assert valid["accuracy"] > plain - 0.1  # of 123 test images
        assert found[scheme, "fake1_noise", ""]["accuracy"] < 0.35
        assert found[scheme, "fake1", ""]["signature_detection"] > 0.75  # other images read like the owner's
        assert found[scheme, "flip", "0.5000"]["accuracy"] < 0.5
        assert found[scheme, "flip", "0.5000"]["signature_detection"] == pytest.approx(0.5)
        assert found[scheme, "flip", "0.0000"]["accuracy"] == valid["accuracy"]
        assert found[scheme, "prune", "0.0000"]["accuracy"] == valid["accuracy"]
        assert found[scheme, "prune", "1.0000"]["accuracy"] < 0.35
        assert found[scheme, "fine_tune", "ftal"]["signature_detection"] > 0.9
        assert found[scheme, "solve", ""]["accuracy"] > valid["accuracy"] - 0.1
        for attack, strength, shown in (
            ("fake2", "0.5000", 0.9),
            ("fake3", "0.5000", 0.5),
            ("residual_block", "1.0000", 0.9),
        ):
            forged = found[scheme, attack, strength]
            assert forged["accuracy"] > 0.4  # trained passports work, random ones do not
            assert forged["signature_detection"] > shown  # of what the forger claims; half of it where fake3 begins
    rows = Records.at("cv/digits/smoke", "passports").rows()
    assert all(max(row["misfit"]) < 1e-3 for row in rows if row["attack"] == "solve")
    assert (tmp_path / "results" / "figures" / "cv-digits-smoke-passports-conv3.svg").is_file()
    page = (tmp_path / "results" / "tables" / "cv-digits-smoke-passports.md").read_text()
    assert "residual_block" in page and "fake2" in page
    assert "attacks are finished already" in run("cv/passport/attack.py")[1]
    assert table(tmp_path) == found
    assert run("cv/passport/train.py", "SCHEME=1", "SIGN_WEIGHT=0.2")[0] == 0
    assert run("cv/passport/attack.py", "SCHEME=1", "KIND=none")[0] == 0
    assert {attack for scheme, attack, _ in table(tmp_path) if scheme == "1"} == {"none"}  # the rest was of another
    assert {attack for scheme, attack, _ in table(tmp_path) if scheme == "2"} == {attack for _, attack, _ in found}
    assert run("cv/passport/train.py", "SCHEME=1", "EPOCHS=1")[0] == 0
    assert "conv3-v2 did not go on from the one without passports that is there" in refusal(run, "attack", "SCHEME=2")
    assert run("cv/passport/attack.py", "SCHEME=1", "KIND=none")[0] == 0
    assert {scheme for scheme, *_ in table(tmp_path)} == {"plain", "1"}


def table(tmp_path) -> dict:
    """(scheme, attack, strength) -> numbers of passports-smoke.csv."""
    with (tmp_path / "results" / "tables" / "passports-smoke.csv").open() as file:
        rows = list(csv.DictReader(file))
    names = ("accuracy", "signature_detection", "n")
    return {
        (row["scheme"], row["attack"], row["strength"]): {name: float(row[name]) for name in names if row[name]}
        for row in rows
    }


@pytest.mark.slow
def test_stealing_sets_passports_and_fingerprints_side_by_side(run, tmp_path):
    for script in ("source", "irrelevant", "homologous", "transfer", "passport/train", "passport/steal"):
        status, said = run(f"cv/{script}.py")
        assert status == 0, said
    with (tmp_path / "results" / "tables" / "passport_stealing_attacks-smoke.csv").open() as file:
        rows = {(row["scheme"], row["kind"]): row for row in csv.DictReader(file)}
    for scheme in "123":
        assert float(rows[scheme, "source"]["signature_detection"]) == 1
        assert float(rows[scheme, "fine_tune_last"]["signature_detection"]) == 1
        assert float(rows[scheme, "extract_labels"]["signature_detection"]) < 0.8
        assert rows[scheme, "transfer"]["passport_accuracy"] == ""
        assert float(rows[scheme, "fine_tune_last"]["auc_sac_m"]) > 0.8


@pytest.mark.parametrize("script", ["verify", "attack", "steal"])
def test_a_step_without_its_input_names_the_one_to_run(script, run):
    assert "python cv/passport/train.py" in refusal(run, script)


@pytest.mark.parametrize(
    ("script", "word", "said"),
    [
        ("train", "SCHEME=4", "SCHEME=4"),
        ("train", "NORM=layer", "batch or group"),
        ("train", "ARCHITECTURE=conv9", "unknown architecture"),
        ("train", "ARCHITECTURE=lenet", "configuration"),
        ("train", "CONFIG=nowhere.json", "nowhere.json does not exist"),
        ("train", "PASSPORT_IMAGES=0", "PASSPORT_IMAGES=0"),
        ("train", "TRIGGERS=0", "TRIGGERS=0"),
        ("verify", "SCHEME=all", "SCHEME=all"),
        ("attack", "KIND=fake4", "KIND=fake4"),
        ("attack", "SHARES=1.5", "between 0 and 1"),
        ("attack", "DATA_SHARE=0.0", "above 0"),
        ("attack", "DRAWS=0", "DRAWS"),
        ("attack", "COPIES=3", "unknown constant"),
    ],
)
def test_values_that_make_no_sense(script, word, said, run):
    assert said in refusal(run, script, word)


def test_a_damaged_or_foreign_file_is_named(run, tmp_path):
    assert run("cv/passport/train.py", "SCHEME=1")[0] == 0
    assert "python cv/irrelevant.py" in refusal(run, "steal", "SCHEME=1")
    (passport,) = (tmp_path / "artifacts").rglob("passports.safetensors")
    whole = passport.read_bytes()
    passport.write_bytes(whole[:-8])
    assert "damaged" in refusal(run, "verify")
    passport.write_bytes(whole)
    (model,) = (tmp_path / "artifacts").rglob("conv3-v1/models/source/*.safetensors")
    assert "holds no model" in refusal(run, "verify", f"MODEL={passport}", f"PASSPORT={passport}")
    assert "holds no passports" in refusal(run, "verify", f"MODEL={model}", f"PASSPORT={model}")


def refusal(run, script: str, *words: str) -> str:
    """The one sentence with which a script refuses."""
    status, said = run(f"cv/passport/{script}.py", *words)
    assert status == 2
    (sentence,) = said.strip().splitlines()
    return sentence
