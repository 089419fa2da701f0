"""NAME=value on the command line: the default's type decides, everything else is refused in one sentence."""

import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import cv.domain
from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import REPOSITORY
from fingerprinting.study.domain import load_domain
from fingerprinting.study.study import Study

SCRIPT = {
    "__doc__": "What this script does.",
    "COPIES": 3,
    "EPOCHS": dict(smoke=1, quick=2, cpu=5, paper=100),
    "LEARNING_RATE": dict(smoke=1e-2, quick=1e-2, cpu=1e-3, paper=1e-3),
    "TEMPERATURE": 2.0,
    "RATIOS": dict(smoke=(0.3,), quick=(0.3,), cpu=(0.1, 0.2), paper=(0.5,)),
    "LAYERS": ("last", "all"),
    "NOTE": "plain",
    "SHUFFLE": True,
    "helper": "not a constant",
}


def resolve(*words: str) -> tuple[Study, dict]:
    return cli.resolve(SCRIPT, "cv", list(words))


def constants(*words: str) -> dict:
    return resolve(*words)[1]


def test_defaults_are_those_of_the_tier():
    study, own = resolve()
    assert (study.tier, study.dataset, study.batch_size, study.augment) == ("cpu", "fashion_mnist", 128, False)
    assert own == {
        "copies": 3,
        "epochs": 5,
        "learning_rate": 1e-3,
        "temperature": 2.0,
        "ratios": (0.1, 0.2),
        "layers": ("last", "all"),
        "note": "plain",
        "shuffle": True,
    }


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("COPIES=4", 4),
        ("EPOCHS=7", 7),
        ("TEMPERATURE=3.5", 3.5),
        ("TEMPERATURE=3", 3.0),
        ("LEARNING_RATE=1e-4", 1e-4),
        ("LEARNING_RATE=1", 1.0),
        ("RATIOS=0.25", (0.25,)),
        ("RATIOS=0.25,1", (0.25, 1.0)),
        ("RATIOS=(0.25, 0.5)", (0.25, 0.5)),
        ("LAYERS=all", ("all",)),
        ("LAYERS=all,last", ("all", "last")),
        ("LAYERS=('last', 'all')", ("last", "all")),
        ("NOTE=17", "17"),
        ("NOTE=a=b", "a=b"),
        ("NOTE=", ""),
        ("SHUFFLE=False", False),
    ],
)
def test_an_override_takes_the_defaults_type(word, value):
    name = word.split("=")[0].lower()
    found = constants(word)[name]
    assert found == value
    assert type(found) is type(value)
    others = {key: kept for key, kept in constants(word).items() if key != name}
    assert others == {key: kept for key, kept in constants().items() if key != name}


def test_the_last_of_two_overrides_counts():
    assert constants("COPIES=4", "COPIES=5")["copies"] == 5


def test_the_tier_chooses_and_an_override_wins_over_it():
    assert constants("TIER=smoke")["epochs"] == 1
    assert constants("TIER=smoke", "EPOCHS=9")["epochs"] == 9
    assert resolve("TIER=paper")[0].dataset == "cifar10"


def test_what_all_steps_share_goes_into_the_study():
    study, own = resolve(
        "TIER=smoke", "DATASET=digits", "WORKERS=2", "SPLIT_SEED=3", "FORCE=True", "BATCH_SIZE=16", "AUGMENT=True",
        "DEVICE=cpu", "WEIGHT_DECAY=0", "PRECISION=bfloat16",
    )  # fmt: skip
    assert (study.dataset, study.target, study.tier) == ("digits", "digits_corrupted", "smoke")
    assert (study.workers, study.split_seed, study.force, study.batch_size) == (2, 3, True, 16)
    assert (study.augment, study.device_name, study.weight_decay) == (True, "cpu", 0.0)
    assert study.precision == "bfloat16"
    assert not {"tier", "dataset", "batch_size", "augment", "force"} & set(own)


def test_a_scripts_own_default_stands_before_the_domains():
    study, _ = cli.resolve({"BATCH_SIZE": 5, "TIER": "quick"}, "cv", [])
    assert (study.batch_size, study.tier) == (5, "quick")


@pytest.mark.parametrize(
    "word",
    [
        "EPOCHS=many",
        "EPOCHS=2.5",
        "EPOCHS=",
        "EPOCHS=True",
        "EPOCHS=(1, 2)",
        "EPOCHS={[]: 1}",
        "EPOCHS=__import__('os')",
        "COPIES=2.5",
        "COPIES=1,2",
        "TEMPERATURE=hot",
        "TEMPERATURE=True",
        "TEMPERATURE=1" + "0" * 400,
        "SHUFFLE=maybe",
        "SHUFFLE=1",
        "SHUFFLE=false",
        "FORCE=maybe",
        "WORKERS=two",
        "SPLIT_SEED=0.5",
        "BATCH_SIZE=big",
        "AUGMENT=0",
        "RATIOS=few",
        "RATIOS=0.1,few",
        "RATIOS=[0.1]",
    ],
    ids=lambda word: word[:24],
)
def test_a_value_of_another_type_is_refused(word):
    with pytest.raises(UserError, match="has the wrong type; give .+ like ") as refusal:
        resolve(word)
    assert str(refusal.value).startswith(word.split("=")[0])
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("word", ["EPOCH=3", "epochs=3", "HELPER=1", "helper=1", "=3", " EPOCHS=3"])
def test_an_unknown_constant_is_refused_with_the_known_ones(word):
    with pytest.raises(UserError, match="unknown constant") as refusal:
        resolve(word)
    known = str(refusal.value).split("knows ")[1].split(", ")
    assert known == sorted(known)
    assert {"EPOCHS", "COPIES", "TIER", "DATASET", "FORCE", "BATCH_SIZE", "MIN_UPDATES"} <= set(known)


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("TIER=huge", "unknown TIER 'huge'; take one of smoke, quick, cpu, paper"),
        ("TIER=", "unknown TIER ''"),
        ("DATASET=imagenet", "unknown data set 'imagenet'; cv knows fashion_mnist, cifar10, cifar100, digits"),
        ("TARGET=imagenet", "unknown data set 'imagenet'"),
        ("PRECISION=half", "unknown PRECISION 'half'; take one of float32, bfloat16"),
        ("EPOCHS", "cannot read 'EPOCHS'; give constants as NAME=value"),
        ("--force", "cannot read '--force'; give constants as NAME=value"),
    ],
)
def test_other_mistakes_are_named(word, sentence):
    with pytest.raises(UserError, match=sentence):
        resolve(word)


@pytest.mark.parametrize("address", ["astrology", "missing/domain.py", "."])
@pytest.mark.parametrize("domain", ["", "cv"])
def test_an_unknown_domain_is_refused(domain, address):
    with pytest.raises(UserError, match=f"unknown domain '{address}'; take one of cv.* or the path of a domain.py"):
        cli.resolve({"DOMAIN": "cv"}, domain, [f"DOMAIN={address}"])


def test_a_root_script_carries_its_domain_as_a_constant():
    study, own = cli.resolve({"DOMAIN": "cv", "SAMPLES": 4}, "", ["TIER=smoke", "DATASET=digits"])
    assert (study.address, own) == ("cv", {"samples": 4})


def test_a_users_own_domain_file_is_taken(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "from dataclasses import replace\nimport cv.domain\nDOMAIN = replace(cv.domain.DOMAIN, name='mine')\n"
    )
    for script, domain in (({"DOMAIN": "cv"}, ""), ({}, "cv")):
        study, _ = cli.resolve(script, domain, [f"DOMAIN={path}", "DATASET=digits"])
        assert study.domain.name == "mine"
    path.write_text("DOMAIN = 'cv'\n")
    with pytest.raises(UserError, match="mine.py defines no DOMAIN"):
        cli.resolve({"DOMAIN": "cv"}, "", [f"DOMAIN={path}"])


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["EPOCHS=3", "--help"], ["NONSENSE", "--help"]], ids=" ".join)
def test_help_prints_docstring_and_constants(capsys, words):
    with pytest.raises(SystemExit) as ending:
        resolve(*words)
    assert ending.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith("What this script does.")
    for constant in ("COPIES = 3", "LAYERS = ('last', 'all')", "TIER = 'cpu'", "FORCE = False", "BATCH_SIZE = 128"):
        assert f"  {constant}\n" in said
    assert "  EPOCHS = 5\n      smoke 1, quick 2, cpu 5, paper 100\n" in said
    assert "  SPLIT_SEED = 0\n      # another one: another split of the data, and models of its own\n" in said
    assert "helper" not in said and "__doc__" not in said


def test_endings_of_an_interruption_and_of_a_users_mistake(capsys):
    for error, status in ((KeyboardInterrupt(), 130), (UserError("do this"), 2)):
        with pytest.raises(SystemExit) as ending, cli.endings():
            raise error
        assert ending.value.code == status
    assert capsys.readouterr().err.splitlines()[1] == "do this"


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("EPOCH=3", "unknown constant EPOCH; this script knows "),
        ("EPOCHS=many", "EPOCHS=many has the wrong type; give a whole number like 4"),
        ("DATASET=imagenet", "unknown data set 'imagenet'; cv knows "),
        ("TIER=huge", "unknown TIER 'huge'; take one of "),
    ],
)
def test_a_script_ends_in_one_sentence_and_status_2(run_here, tmp_path, word, sentence):
    ended = run_here("cv/source.py", "TIER=smoke", "DATASET=digits", word)
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1 and "Traceback" not in ended.stderr
    assert not ended.stdout
    assert not list(tmp_path.iterdir())


def test_a_scripts_help_ends_with_status_0(run_script):
    ended = run_script("cv/source.py", "--help")
    assert ended.returncode == 0
    assert ended.stdout.startswith("The owner trains the source model")
    assert (
        "  EPOCHS = 6\n      smoke 4, quick 4, cpu 6, paper 100\n      # passes over the owner's part\n" in ended.stdout
    )
    assert not ended.stderr


def test_a_reader_may_leave_before_the_end(tmp_path):
    """As of `--help | head`: the pipe is closed before anything is printed."""
    representation, writing = os.pipe()
    os.close(representation)
    script = [sys.executable, str(REPOSITORY / "cv/source.py"), "--help"]
    ended = subprocess.run(script, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=300, check=False)
    os.close(writing)
    assert (ended.returncode, ended.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("words", "found"), [((), ()), (("USED=",), ()), (("USED=()",), ()), (("USED=a,b",), ("a", "b"))]
)
def test_a_tuple_may_be_empty(words, found):
    """As `--help` prints it."""
    _, own = cli.resolve({"USED": ()}, "cv", list(words))
    assert own["used"] == found


def test_help_shows_what_holds_for_a_tier_and_a_domain(capsys):
    with pytest.raises(SystemExit):
        cli.resolve(
            {**SCRIPT, "DOMAIN": "cv", "STEP": dict(cv=1.0, nlp=None)}, "", ["--help", "TIER=paper", "DOMAIN=bci"]
        )
    said = capsys.readouterr().out
    assert "  EPOCHS = 100\n" in said and "  TIER = 'paper'\n" in said and "  DOMAIN = 'bci'\n" in said
    assert "  STEP = (none for bci)\n      cv 1.0, nlp None\n" in said


def test_help_explains_constants_wherever_they_stand(run_here):
    """In the script, beside its line or above it; in the domain's module; in a method's module; common ones."""
    said = run_here("cv/extract.py", "--help").stdout
    assert (
        "  EPSILON = 0.03137254901960784\n      # adversarial perturbation, infinity norm, pixels in [0, 1]\n" in said
    )
    assert (
        "  COPIES = 2\n      smoke 1, quick 1, cpu 2, paper 5\n      # of every student architecture, per kind" in said
    )
    said = run_here("baselines.py", "--help").stdout
    assert "  IPGUARD_STEPS = 300\n      smoke 50, quick 300, cpu 300, paper 1000\n      # of Adam, at most" in said
    assert "cv: smoke 0.01, quick 0.005, cpu 0.005, paper 0.001; bci: 0.5\n" in said
    said = run_here("detect_erase_attack.py", "--help").stdout
    assert "      # Channels of the autoencoder's code" in said


def test_help_of_judging_fits_a_screen_and_names_all_that_it_understands(run_here):
    said = run_here("judge.py", "--help", "TIER=smoke").stdout
    lines = said.splitlines()
    assert len(lines) <= 45 and max(map(len, lines)) <= 100
    own = re.findall(r"^([A-Z_]+) = ", (REPOSITORY / "judge.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert own and all(re.search(rf"^  {name}=.*  # .", said, re.MULTILINE) for name in own)
    assert "  ALPHA=0.2  # false positive rate" in said and "TIER='smoke'" in said
    shared = {*cli.COMMON, *load_domain("cv").constants}
    assert all(re.search(rf"\b{name}=", said) for name in shared) and "docs/suspects.md" in said


TABLE = dict(cv=1.0, bci=2.0)


def test_a_domain_that_a_table_does_not_name_gets_no_others_value():
    for table in (TABLE, dict(smoke=TABLE, quick=TABLE, cpu=TABLE, paper=TABLE)):
        assert cli.resolve({"STEP_SIZE": table}, "bci", [])[1] == {"step_size": 2.0}
        with pytest.raises(UserError, match="STEP_SIZE has values for cv, bci, and none for nlp; give STEP_SIZE="):
            cli.resolve({"STEP_SIZE": table}, "nlp", [])
        assert cli.resolve({"STEP_SIZE": table}, "nlp", ["STEP_SIZE=3"])[1] == {"step_size": 3.0}
        with pytest.raises(UserError, match="STEP_SIZE=far has the wrong type; give a number like 1.0"):
            cli.resolve({"STEP_SIZE": table}, "nlp", ["STEP_SIZE=far"])


def test_a_table_may_name_a_data_set():
    script = {"EPOCHS": dict(smoke=1, quick=dict(digits=3, cv=2, other=1), cpu=4, paper=5), "DOMAIN": "cv"}

    def epochs(*words: str) -> int:
        return cli.resolve(script, "", ["TIER=quick", *words])[1]["epochs"]

    assert [epochs("DATASET=digits"), epochs(), epochs("DOMAIN=nlp"), epochs("EPOCHS=7")] == [3, 2, 1, 7]


def test_a_table_may_say_what_holds_for_others_or_that_a_domain_has_no_use_for_it():
    assert cli.resolve({"SHARE": dict(bci=0.5, other=0.2)}, "nlp", [])[1] == {"share": 0.2}
    idle = {"STEP_SIZE": dict(cv=1.0, nlp=None)}
    assert cli.resolve(idle, "nlp", [])[1] == {"step_size": None}
    assert cli.resolve(idle, "nlp", ["STEP_SIZE=3"])[1] == {"step_size": 3.0}


def test_further_constants_may_lack_a_domain_until_they_are_needed():
    script = {"N": 5, "CONSTANTS": {"A_STEP": TABLE, "A_COUNT": 3, "N": 7}}
    assert cli.resolve(script, "nlp", [])[1] == {"n": 5, "a_count": 3}
    assert cli.resolve(script, "bci", ["A_COUNT=4"])[1] == {"n": 5, "a_step": 2.0, "a_count": 4}


@pytest.mark.parametrize("name", cli.OLD_NAMES)
def test_an_old_name_is_understood_where_the_new_one_is_known(capsys, name):
    new = cli.OLD_NAMES[name]
    assert cli.resolve({new: 0.5}, "cv", [f"{name}=0.25"])[1] == {new.lower(): 0.25}
    assert capsys.readouterr().out == f"{name} is called {new} now\n"
    with pytest.raises(UserError, match=f"unknown constant {name}"):
        resolve(f"{name}=0.25")


def test_a_domain_of_ones_own_has_its_own_shared_constants(tmp_path):
    path = tmp_path / "mine.py"
    head = "from dataclasses import replace\nimport cv.domain\nDOMAIN = replace(cv.domain.DOMAIN, name='mine')\n"
    script = {"EPOCHS": cv.domain.EPOCHS, "EPSILON": cv.domain.EPSILON, "COPIES": 3}
    words = [f"DOMAIN={path}", "DATASET=digits", "TIER=smoke"]
    path.write_text(head + "EPSILON = 0.5\nCOPIES = 7\n")
    assert cli.resolve(script, "cv", words)[1] == {"epochs": 4, "epsilon": 0.5, "copies": 3}
    assert cli.resolve(script, "cv", [*words, "EPSILON=0.25"])[1]["epsilon"] == 0.25
    path.write_text(head + "EPOCHS = 'many'\n")
    with pytest.raises(UserError, match="constant EPOCHS='many' of .+ has the wrong type; give a whole number like 4"):
        cli.resolve(script, "cv", words)


NAMES = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=4).map(tuple)


@given(NAMES)
@example(("01", "1"))
@example(("1_0", "2"))
@example(("red, old", "it's", 'a "b"', "$HOME"))
def test_names_are_read_as_the_word_that_is_proposed_gives_them(names):
    (word,) = shlex.split(cli.word("CLASSES", names))
    assert cli.of_no_study({"CLASSES": ()}, [word]) == {"classes": names}
