"""The scored models, as the matcher recorded them: kind, fidelity, distance to the source by each method."""

from dataclasses import dataclass

from fingerprinting.fingerprints.registry import identity_of
from fingerprinting.methods import METHODS, Method
from fingerprinting.models.kinds import KINDS, Kind
from fingerprinting.study.records import Records


@dataclass(frozen=True)
class Judged:
    """distances: key of a method -> distance to the source, of those methods that suit the model's task.

    fidelity: agreement with the source's labels on test; None for models of another task.
    """

    name: str
    kind: str
    fidelity: float | None
    distances: dict[str, float]

    @property
    def row(self) -> Kind:
        return KINDS[self.kind]


def judged(study_folder: str, *uses: str) -> list[Judged]:
    """Every model for one of these uses (see `Kind`) that has distances in a study's records."""
    fidelity = {row["key"]: row.get("fidelity") for row in Records.at(study_folder, "models").rows()}
    return [
        Judged(row["key"], row["kind"], fidelity.get(row["key"]), _distances(row))
        for row in Records.at(study_folder, "distances").rows()
        if row["kind"] in KINDS and KINDS[row["kind"]].use in uses
    ]


def methods_of(rows: list[dict]) -> list[Method]:
    """The methods of which there are rows of records, in the order of all tables."""
    representations = {identity_of(row) for row in rows}
    return [method for method in METHODS if method.identity in representations]


def _distances(row: dict) -> dict[str, float]:
    return {method.key: row[method.key] for method in METHODS if method.key in row}
