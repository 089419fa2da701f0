"""What tests of judging share: a source to protect, and one whole case of another one for the tests of a file."""

from pathlib import Path

import pytest

from fingerprinting.study.study import Study
from tests import cases
from tests.cases import Authority, Made
from tests.judging.protection import keep


@pytest.fixture
def protected(study) -> Study:
    """An untrained source of the digits, and a fingerprint whose evidence is how many of its responses are repeated."""
    cases.untrained_source(study)
    keep(study)
    return study


@pytest.fixture(scope="module")
def made(folder) -> Made:
    """Committed, signed, timestamped, responded to by a copy, closed and packed."""
    study = Study("cv", "digits", "smoke", device_name="cpu", batch_size=32, min_updates=60, workers=1)
    fingerprint, queries, path = cases.protect(study), folder / "queries", folder / "case.zip"
    signer, authority = cases.signer(folder / "signer"), Authority(folder / "authority")
    with cases.serving(authority.stamped) as address:
        about = {"key": str(signer.key), "tsa": address}
        cases.run(study, queries, commit=True, **about)
        copy = cases.suspect(queries, cases.copy_of(fingerprint))
        cases.run(study, queries, suspect=copy, evidence=str(path), **about)
    return Made(study, fingerprint, queries, path, signer, authority)


@pytest.fixture
def handed(made, tmp_path) -> Path:
    """A copy of that case, for a forger."""
    path = tmp_path / "handed.zip"
    path.write_bytes(made.path.read_bytes())
    return path
