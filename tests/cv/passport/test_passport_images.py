"""Passports of other images: the experiment on why they work, and the tables that show it."""

import copy

import pytest
import torch
import torch.nn.functional as F  # the field's standard name

from cv.passport import passports
from cv.passport.layers import passport_norms
from fingerprinting.core import places
from fingerprinting.core.places import REPOSITORY
from fingerprinting.reports.sections import passport_tables
from fingerprinting.study.records import Records
from tests.cv.passport.small_passports import made, net

WORDS = ("TIER=smoke", "DATASET=digits", "WORKERS=1", "EPOCHS=8", "DRAWS=2")
FEWER = ("WAYS=aligned,centred", "FORGERIES=images,centred,ones,noise")


@pytest.mark.slow
def test_the_experiment_leaves_a_row_for_each_way_and_forgery(run_here):
    done = run_here("benchmarks/image_passports.py", *WORDS, *FEWER)
    assert done.returncode == 0, done.stderr
    found = {(row["way"], row["forgery"]): row for row in Records.at("cv/digits/smoke", "image_passports").rows()}
    assert set(found) == {
        (w, f) for w in ("aligned", "centred") for f in ("owner", "images", "centred", "ones", "noise")
    }
    for row in found.values():
        assert row["accuracy"] <= row["highest_accuracy"] and row["owner_detection"] <= row["highest_owner_detection"]
        assert row["bits"] == 96 and row["n"] == 100 and row["provenance"]["commit"]
    for way in ("aligned", "centred"):
        assert found[way, "owner"]["cosine"] == pytest.approx(1)
        assert found[way, "owner"]["owner_detection"] > 0.95
        assert found[way, "noise"]["owner_detection"] < 0.75
    assert found["aligned", "images"]["owner_detection"] > 0.8  # mean patches of rectified activations are alike
    assert found["aligned", "ones"]["owner_detection"] > 0.8  # even a passport that comes from nothing
    assert found["centred", "ones"]["owner_detection"] < 0.75
    page = (places.results_dir() / "tables" / "cv-digits-smoke-passports.md").read_text()
    assert "## Passports of other images" in page and "| 1 everywhere |" in page


@pytest.mark.parametrize(
    ("word", "said"),
    [("WAYS=upside_down", "WAYS=upside_down is unknown"), ("FORGERIES=luck", "FORGERIES=luck"), ("DRAWS=0", "DRAWS")],
)
def test_values_that_make_no_sense(run_here, word, said):
    done = run_here("benchmarks/image_passports.py", *WORDS, word)
    assert done.returncode == 2 and said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_every_way_and_forgery_has_its_words():
    text = (REPOSITORY / "benchmarks" / "image_passports.py").read_text()
    for name in {*passport_tables.WAYS, *passport_tables.FORGERIES} - {"owner"}:
        assert f'"{name}"' in text


@pytest.mark.parametrize("name", ["conv3", "alexnet", "small_resnet18"])
def test_a_passport_sees_rectified_activations(name):
    """In every network that is given passports here nothing is negative in front of a signed convolution."""
    plain = net(name)
    held = made(plain, passports.read_config("", name), architecture=name)
    for passport in (*held.gamma.values(), *held.beta.values()):
        assert (passport >= 0).all() and (passport > 0).any()


def test_factors_of_alike_passports_share_their_signs_by_hand():
    """γ' = c γ + W r: where the mean patches point the same way, so does γ wherever c |γ| exceeds |W r|."""
    plain = net()
    held, other = (
        made(plain),
        passports.of_images(plain, ["1.3", "1.6"], torch.rand(50, 1, 8, 8), 20, torch.Generator().manual_seed(7)),
    )
    norms = [
        passport_norms(passports.install(copy.deepcopy(plain), passports.Passports(**{**vars(held), **part}), False))
        for part in ({}, {"gamma": other[0], "beta": other[1]})
    ]
    for path in ("1.3", "1.6"):
        own, forged = (each[path] for each in norms)
        c = own.gamma @ forged.gamma / own.gamma.square().sum()
        rest = own.convolution.weight.flatten(1) @ (forged.gamma - c * own.gamma)
        torch.testing.assert_close(forged.affine()[0], c * own.affine()[0] + rest)
        sure = (c * own.affine()[0]).abs() > rest.abs()
        assert c > 0 and F.cosine_similarity(own.gamma, forged.gamma, dim=0) > 0
        assert torch.equal(own.affine()[0][sure].sign(), forged.affine()[0][sure].sign())


def test_the_table_by_hand():
    about = dict(architecture="conv3", side=32, examples=10, epochs=2, bits=96, n=50, draws=3)
    rows = [
        dict(
            about, way="centred", forgery="owner", accuracy=0.5, owner_detection=1.0, cosine=1.0, highest_accuracy=0.5
        ),
        dict(
            about, way="centred", forgery="ones", accuracy=0.1, owner_detection=0.4, cosine=0.02, highest_accuracy=0.2
        ),
    ]
    table = "\n".join(passport_tables.image_passports(rows))
    assert "| passports | zero-mean passports |" in table
    assert "| owner's | 0.500; 100.0%; 1.00 |" in table
    assert "| 1 everywhere | 0.100 (0.200); 40.0%; 0.02 |" in table
    assert passport_tables.image_passports([]) == []


def test_strangers_are_counted_over_all_their_models():
    def row(role, *agreed):
        models = {str(count): {"agreed": count, "bits": 96, "p_value": count / 100} for count in agreed}
        return {"role": role, "models": {**models, "other layers": {}}}

    (said, _) = passport_tables.strangers([row("independent", 40, 55), row("pirated", 96), row("independent", 47)])
    assert "40 to 55 of 96 bits (n = 3 pairs of passports and a model with the signed layers; lowest p 4.0e-01)" in said
    assert passport_tables.strangers([row("pirated", 96)]) == []


def test_published_fake1_stands_beside_passports_of_images():
    about = dict(architecture="conv3", dataset="cifar10", scheme="1", strength=None)
    rows = [dict(about, attack="fake1", accuracy=0.4), dict(about, attack="fake1_noise", accuracy=0.1)]
    lines = {line.split(" | ")[0].strip("| "): line for line in passport_tables.published(rows)}
    assert "0.400 (conv3, cifar10)" in lines["fake1"] and "0.100 (conv3, cifar10)" in lines["fake1_noise"]
