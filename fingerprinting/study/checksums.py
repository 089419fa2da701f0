"""Whether data sets are those that were published: who reads other files is told so, and so are the study's records.

A file of one's own under a published name may be meant so: it is used. What is measured on it is another data set's.
"""

from fingerprinting.core import places, storage
from fingerprinting.data import download
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study

TOPIC = "data"  # of the records; there are none while all files are the published ones


def altered(study: Study) -> list[dict]:
    """A row for each file of the study's data that differs from the published one; files that are absent have none."""
    rows = []
    for name in dict.fromkeys((study.dataset, study.target, *study.domain.data.lexicons)):
        for place, published in study.domain.data.published.get(name, {}).items():
            path = places.data_dir() / place
            if path.is_file() and (found := download.checksum(path, published)) != published:
                rows.append({"key": place, "data": name, "published": published, "found": found})
    return rows


def announce(rows: list[dict]) -> None:
    """A line for each data set that is another one than its name says."""
    for name in dict.fromkeys(row["data"] for row in rows):
        places = ", ".join(row["key"] for row in rows if row["data"] == name)
        print(
            f"notice: {name} is not as published: the checksum of {places} differs from the one in data/README.md; "
            "it is used as it is, and the study's records say so",
            flush=True,
        )


def record(study: Study, rows: list[dict]) -> None:
    """Let the study's records name these files and no others."""
    records = Records.of(study, TOPIC)
    if rows or records.path.is_file():
        with storage.alone_in_results():
            records.replace(rows)
