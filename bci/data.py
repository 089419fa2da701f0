"""EEG data sets by name. Sources, licences and layouts: data/README.md.

`deap` and `mahnob` hold out trials of everybody, `deap_subjects` and `mahnob_subjects` all trials of some people.
"""

from collections.abc import Callable
from functools import partial

from bci import deap, mahnob, ts
from fingerprinting.data.datasets import Dataset

LOADERS: dict[str, Callable[[], Dataset]] = {
    "scp1": ts.scp1,
    "blink": ts.blink,
    "deap": partial(deap.deap, "deap", by_subject=False),
    "deap_subjects": partial(deap.deap, "deap_subjects", by_subject=True),
    "mahnob": partial(mahnob.mahnob, "mahnob", by_subject=False),
    "mahnob_subjects": partial(mahnob.mahnob, "mahnob_subjects", by_subject=True),
}

PREPARERS = {"scp1": partial(ts.prepare, "SelfRegulationSCP1"), "blink": partial(ts.prepare, "Blink")}
PUBLISHED = {"scp1": ts.published("SelfRegulationSCP1"), "blink": ts.published("Blink")}


def load(name: str) -> Dataset:
    """A data set by name, from files in DATA_DIR."""
    return LOADERS[name]()


def prepare(name: str) -> None:
    """Fetch the files of a data set, where they are not there already; DEAP and MAHNOB-HCI are on request only."""
    if name in PREPARERS:
        PREPARERS[name]()
