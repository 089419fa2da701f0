"""Where files lie."""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def data_dir() -> Path:
    """Data sets in their genuine layouts (environment variable DATA_DIR, default `data/`)."""
    return Path(os.environ.get("DATA_DIR") or REPOSITORY / "data")


def artifacts_dir() -> Path:
    """Models, fingerprints and responses (ARTIFACTS_DIR, default `data/artifacts/`): large and regenerable."""
    return Path(os.environ.get("ARTIFACTS_DIR") or REPOSITORY / "data" / "artifacts")


def results_dir() -> Path:
    """Records, tables and figures (RESULTS_DIR, default `results/`): small, committed, written by code only."""
    return Path(os.environ.get("RESULTS_DIR") or REPOSITORY / "results")
