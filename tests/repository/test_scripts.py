"""Scripts: a docstring, constants, one call; each step alone says what it lacks, in one sentence and with status 2."""

import ast
import runpy
from importlib import import_module

import pytest

from fingerprinting import pipeline
from fingerprinting.core.places import REPOSITORY

DOMAINS = [name for name in ("cv", "nlp", "bci") if (REPOSITORY / name).is_dir()]
STEPS = pipeline.ZOO
ROOT = pipeline.ROOT
WORDS = ("TIER=smoke", "DATASET=digits", "WORKERS=1")


@pytest.mark.parametrize(
    "path",
    [f"{domain}/{step}.py" for domain in DOMAINS for step in STEPS]
    + [f"{name}.py" for name in (*ROOT, "judge", "protect", "verify_case")]
    + [f"cv/passport/{name}.py" for name in ("train", "verify", "attack", "steal")],
)
def test_a_script_is_docstring_constants_and_one_call(path):
    tree = ast.parse((REPOSITORY / path).read_text())
    docstring, *body = tree.body
    assert ast.get_docstring(tree) and f"python {path}" in docstring.value.value
    kinds = [type(node) for node in body]
    imports = [kind for kind in kinds if kind in (ast.Import, ast.ImportFrom)]
    constants = [node for node in body if isinstance(node, ast.Assign)]
    assert kinds == [*imports, *[ast.Assign] * len(constants), ast.If]
    assert all(node.targets[0].id.isupper() for node in constants)
    assert len(body[-1].body) == 1


@pytest.mark.parametrize("step", STEPS)
def test_below_its_constants_a_step_is_the_same_in_every_domain(step):
    def rest(domain: str) -> list[str]:
        _, *body = ast.parse((REPOSITORY / domain / f"{step}.py").read_text()).body
        dumps = [ast.dump(node) for node in body if not isinstance(node, ast.Assign)]
        return sorted(dump.replace(f"'{domain}", "'") for dump in dumps)

    assert all(rest(domain) == rest(DOMAINS[0]) for domain in DOMAINS)


@pytest.mark.parametrize("domain", DOMAINS)
def test_who_starts_from_scratch_is_trained_alike_whatever_its_use(domain):
    """A p-value takes calibration models and independent suspects to be drawn alike."""
    independent = ("irrelevant", "homologous", "overlap", "references", "low_data_references", "calibration", "audit")
    made = (*independent, "extract", "extract_sweep")
    scripts = [runpy.run_path(str(REPOSITORY / domain / f"{step}.py")) for step in made]
    shared = import_module(f"{domain}.domain")
    for name in ("EPOCHS", "LEARNING_RATE", "EPSILON", "PGD_STEPS"):
        assert all(script[name] is getattr(shared, name) for script in scripts if name in script), name


def test_reproduce_lists_the_constants_of_all_steps(run_here):
    ended = run_here("reproduce.py", "--help", "DOMAIN=cv", "TIER=smoke")
    assert ended.returncode == 0 and ended.stdout.startswith("Run every step in order")
    assert "  BATCH_SIZE = 32\n      smoke 32, " in ended.stdout
    for script in (*(f"cv/{step}" for step in STEPS), *ROOT):
        assert f"\n  {script}.py: " in ended.stdout
    assert "  cv/source.py: EPOCHS, LEARNING_RATE, WEIGHTS\n" in ended.stdout and "IPGUARD_STEPS" in ended.stdout


def test_the_quick_tier_names_the_steps_that_it_leaves_out(run_here):
    reproduce = runpy.run_path(str(REPOSITORY / "reproduce.py"))
    ended = run_here("reproduce.py", "--help", "DOMAIN=cv", "TIER=quick")
    assert ended.returncode == 0 and "  cv/twins.py: " in ended.stdout
    for step in reproduce["LATER"]:
        script = "cv/passport/train.py" if step == "passport" else f"cv/{step}.py" if step in STEPS else f"{step}.py"
        assert script in reproduce["LEFT_OUT"] and f"  {script}: " not in ended.stdout


@pytest.mark.parametrize("folder", DOMAINS)
def test_no_loop_of_its_own(folder):
    """Training loops live in the package, once."""
    for path in (REPOSITORY / folder).glob("*.py"):
        assert ".backward(" not in path.read_text(), path


@pytest.mark.parametrize(
    ("script", "first"),
    [
        ("cv/fine_tune.py", "cv/source.py"),
        ("cv/prune.py", "cv/source.py"),
        ("cv/adversarial.py", "cv/source.py"),
        ("cv/extract.py", "cv/source.py"),
        ("cv/transfer.py", "cv/irrelevant.py"),
        ("primary.py", "cv/source.py"),
        ("evolved.py", "cv/source.py"),
        ("deepcore.py", "cv/source.py"),
        ("baselines.py", "cv/source.py"),
        ("cv/extract_sweep.py", "cv/source.py"),
        ("cv/references.py", "cv/source.py"),
        ("cv/low_data_references.py", "cv/source.py"),
        ("model_finger_match.py", "cv/source.py"),
        ("detect_erase_attack.py", "cv/source.py"),
    ],
)
def test_a_step_without_its_input_names_the_one_to_run(run_here, script, first):
    done = run_here(script, *WORDS)
    assert done.returncode == 2
    assert f"python {first}" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_missing_data_names_prepare(run_script, tmp_path):
    done = run_script("cv/source.py", "TIER=smoke", env={"DATA_DIR": str(tmp_path / "empty")})
    assert done.returncode == 2
    assert "python data/prepare.py DATASET=fashion_mnist" in done.stderr
    assert "Traceback" not in done.stderr


def test_damaged_weights_are_named_and_nothing_is_half_written(run_here, tmp_path):
    assert run_here("cv/source.py", *WORDS).returncode == 0
    (model,) = (tmp_path / "artifacts").rglob("source/*.safetensors")
    whole = model.read_bytes()
    model.write_bytes(whole[: len(whole) // 2])
    for script in ("cv/fine_tune.py", "primary.py"):
        done = run_here(script, *WORDS)
        assert done.returncode == 2
        assert str(model) in done.stderr and "damaged" in done.stderr
    assert not list((tmp_path / "artifacts").rglob("fine_tune*/*.safetensors"))
    assert not list((tmp_path / "artifacts").rglob("fingerprints/*"))


def test_more_wrong_samples_than_there_are(run_here, tmp_path):
    assert run_here("cv/source.py", *WORDS).returncode == 0
    done = run_here("primary.py", *WORDS, "N=400")
    assert done.returncode == 2
    assert "N=400" in done.stderr and "FEWER=True" in done.stderr
    assert not list((tmp_path / "artifacts").rglob("fingerprints/*"))
    assert run_here("primary.py", *WORDS, "N=400", "FEWER=True").returncode == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("cv/prune.py", ["RATIOS=1.5"]),
        ("cv/fine_tune.py", ["LAYERS=first"]),
        ("cv/homologous.py", ["OVERLAPS=2.0"]),
        ("cv/overlap.py", ["OVERLAPS=2.0"]),
        ("cv/extract_sweep.py", ["SHARES=0.5,1.5"]),
        ("cv/extract_sweep.py", ["SHARES=0.0"]),
        ("cv/extract_sweep.py", ["SHARES=0.0001"]),
        ("cv/low_data_references.py", ["RATIOS=1.5"]),
        ("deepcore.py", ["START=zeros"]),
        ("deepcore.py", ["CLUSTERS=1"]),
        ("cv/source.py", ["DEVICE=abacus"]),
        ("primary.py", ["DOMAIN=vision"]),
        ("primary.py", ["LABELS=mine"]),
        ("primary.py", ["N=0"]),
        ("model_finger_match.py", ["FINGERPRINTS_USED=primary,secondary"]),
    ],
)
def test_values_that_make_no_sense(run_here, script, words):
    done = run_here(script, *WORDS, *words)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    name, value = words[0].split("=")
    assert name in done.stderr or repr(value.split(",")[-1]) in done.stderr
