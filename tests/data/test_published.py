"""Files that are not the published ones are used with a notice in the output and a record; others with neither."""

import hashlib
from pathlib import Path

import pytest

from fingerprinting.core.places import REPOSITORY
from fingerprinting.study.domain import DOMAINS, load_domain
from fingerprinting.study.records import Records
from tests.cv.test_cv_data import write_cifar10, write_fashion, write_mnist

TRAIN, TEST = (f"FashionMNIST/raw/{part}-images-idx3-ubyte" for part in ("train", "t10k"))
PREPARE = ("data/prepare.py", "DOMAIN=cv", "DATASET=fashion_mnist")


@pytest.fixture
def published(data_dir, monkeypatch) -> Path:
    """DATA_DIR with Fashion-MNIST and MNIST's digits, whose checksums are for once the published ones."""
    write_fashion(data_dir)
    write_mnist(data_dir)
    domain = load_domain("cv")
    for name in ("fashion_mnist", "mnist_5k"):
        for place in domain.data.published[name]:
            expected = hashlib.sha256((data_dir / place).read_bytes()).hexdigest()
            monkeypatch.setitem(domain.data.published[name], place, expected)
    return data_dir


def altered_last_byte(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))


def records(tmp_path: Path) -> Path:
    return tmp_path / "results" / "records" / "cv" / "fashion_mnist" / "smoke" / "data.jsonl"


def test_published_files_are_used_without_a_word(published, run_here, tmp_path):
    done = run_here(*PREPARE, "TIER=smoke")
    assert done.returncode == 0 and "notice" not in done.stdout + done.stderr
    assert not records(tmp_path).exists()


def test_other_files_are_used_with_a_notice_and_a_record_as_long_as_they_are_there(published, run_here, tmp_path):
    genuine = (published / TEST).read_bytes()
    altered_last_byte(published / TEST)
    done = run_here(*PREPARE, "TIER=smoke")
    assert done.returncode == 0
    assert done.stdout.count("notice: ") == 1 and TRAIN not in done.stdout
    assert f"notice: fashion_mnist is not as published: the checksum of {TEST} differs" in done.stdout
    (row,) = Records(records(tmp_path)).rows()
    assert row["key"] == TEST and row["data"] == "fashion_mnist"
    assert row["published"] == hashlib.sha256(genuine).hexdigest()
    assert row["found"] == hashlib.sha256((published / TEST).read_bytes()).hexdigest()
    (published / TEST).write_bytes(genuine)
    assert "notice" not in run_here(*PREPARE, "TIER=smoke").stdout
    assert records(tmp_path).read_text() == ""


def test_the_transfer_target_is_looked_at_too(published, run_here, tmp_path):
    write_mnist(published, seed=1)
    done = run_here(*PREPARE, "TIER=smoke")
    assert "notice: mnist_5k is not as published: the checksum of mnist_5k/mnist_5k.csv.gz differs" in done.stdout
    assert done.returncode == 0 and len(Records(records(tmp_path)).rows()) == 1


def test_a_refused_step_records_nothing(published, run_here, tmp_path):
    (published / TRAIN).write_bytes(b"damaged")
    done = run_here(*PREPARE, "TIER=smoke")
    assert done.returncode == 2 and f"checksum of {TRAIN} differs" in done.stdout and "is damaged" in done.stderr
    assert not records(tmp_path).exists()


@pytest.mark.parametrize("domain", DOMAINS)
def test_what_is_known_as_published_is_a_data_set_or_lexicon_of_the_domain(domain):
    domain = load_domain(domain)
    assert set(domain.data.published) <= {*domain.data.targets, *domain.data.targets.values(), *domain.data.lexicons}
    files = [row for known in domain.data.published.values() for row in known.items()]
    assert len(dict(files)) == len(set(files)) > 2  # of a file that several sets are made of the same checksum
    for checksum in (checksum for known in domain.data.published.values() for checksum in known.values()):
        assert len(checksum) in (32, 64) and int(checksum, 16)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_checksum_stands_in_the_document(domain):
    text = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    for known in load_domain(domain).data.published.values():
        for place, checksum in known.items():
            assert f"| `{place}` | `{checksum}` |" in text


def test_cifar_written_by_hand_goes_on_with_a_notice(data_dir, run_here):
    write_cifar10(data_dir)
    done = run_here("data/prepare.py", "DOMAIN=cv", "DATASET=cifar10", "TIER=smoke")
    assert done.returncode == 0 and "notice: cifar10 is not as published" in done.stdout
