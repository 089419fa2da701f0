"""A step on a study, with what surrounds every step: checksums of the data before it, its seconds and tables after."""

import time
from collections.abc import Callable
from pathlib import Path

from fingerprinting.core.places import REPOSITORY
from fingerprinting.core.runtime import cores, provenance
from fingerprinting.study import checksums
from fingerprinting.study.records import Records
from fingerprinting.study.study import SKIPPED, Study


def run(
    step: Callable, study: Study, constants: dict, script: dict, report: Callable[[Study], None] | None = None
) -> None:
    """Call `step(study, **constants)`; record its seconds, unless it returns SKIPPED; show what it recorded."""
    altered = checksums.altered(study)
    checksums.announce(altered)
    started = time.perf_counter()
    if step(study, **constants) is not SKIPPED:
        _record_time(study, script, time.perf_counter() - started)
    checksums.record(study, altered)
    if report:
        report(study)


def _record_time(study: Study, script: dict, seconds: float) -> None:
    path = Path(script["__file__"]).resolve()
    name = path.relative_to(REPOSITORY).as_posix() if path.is_relative_to(REPOSITORY) else path.name
    row = {"key": name, "seconds": seconds, "cores": cores(), "provenance": provenance(study.device)}
    Records.of(study, "steps").put([row])
