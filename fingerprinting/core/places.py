"""Where files lie."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

REPOSITORY = Path(__file__).resolve().parents[2]


@contextmanager
def apart() -> Iterator[None]:
    """Artifacts and results lie in a folder of their own meanwhile, which is removed at the end."""
    before = dict(os.environ)
    with TemporaryDirectory(prefix="apart.") as folder:
        os.environ["ARTIFACTS_DIR"] = os.environ["RESULTS_DIR"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def data_dir() -> Path:
    """Data sets in their genuine layouts (environment variable DATA_DIR, default `data/`)."""
    return Path(os.environ.get("DATA_DIR") or REPOSITORY / "data")


def artifacts_dir() -> Path:
    """Models, fingerprints and responses (ARTIFACTS_DIR, default `data/artifacts/`): large and regenerable."""
    return Path(os.environ.get("ARTIFACTS_DIR") or REPOSITORY / "data" / "artifacts")


def results_dir() -> Path:
    """Records, tables and figures (RESULTS_DIR, default `results/`): small, committed, written by code only."""
    return Path(os.environ.get("RESULTS_DIR") or REPOSITORY / "results")
