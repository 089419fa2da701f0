"""EEG data sets by name. Sources, licences and layouts: data/README.md.

`deap` and `mahnob` hold out trials of everybody, all other sets of several people all trials of some people.
"""

from collections.abc import Callable
from functools import partial

from bci import deap, eegbci, eyes, mahnob, ts
from fingerprinting.data.datasets import Dataset

LOADERS: dict[str, Callable[[], Dataset]] = {
    "scp1": ts.scp1,
    "blink": ts.blink,
    "eyes": eyes.eyes,
    "blink_19": partial(ts.blink, "blink_19", len(eyes.ELECTRODES), eyes.WINDOW),
    "eegbci": eegbci.eegbci,
    "blink_64": partial(ts.blink, "blink_64", len(eegbci.ELECTRODES), eegbci.WINDOW),
    "deap": partial(deap.deap, "deap", by_subject=False),
    "deap_subjects": partial(deap.deap, "deap_subjects", by_subject=True),
    "mahnob": partial(mahnob.mahnob, "mahnob", by_subject=False),
    "mahnob_subjects": partial(mahnob.mahnob, "mahnob_subjects", by_subject=True),
}

BLINKS = ("blink", "blink_19", "blink_64")
PREPARERS: dict[str, Callable[[], None]] = {
    "scp1": partial(ts.prepare, "SelfRegulationSCP1"),
    **dict.fromkeys(BLINKS, partial(ts.prepare, "Blink")),
    "eegbci": eegbci.prepare,
}
PUBLISHED = {"scp1": ts.published("SelfRegulationSCP1"), **dict.fromkeys(BLINKS, ts.published("Blink"))}


def load(name: str) -> Dataset:
    """A data set by name, from files in DATA_DIR."""
    return LOADERS[name]()


def prepare(name: str) -> None:
    """Fetch the files of a data set, where they are not there already; others are put there by hand."""
    if name in PREPARERS:
        PREPARERS[name]()
