"""What accelerator.sh runs, step by step, and the line that it writes when one has ended.

    python benchmarks/accelerator.py                                    # the steps, a line each, with their words
    python benchmarks/accelerator.py RECORD=out.jsonl PART=tests STATUS=0 SECONDS=12

A study of four students, two fine-tuned copies, a pruned one and the independent models that the matcher needs; then
Primary, Evolved, SAC, DeepCore and the matcher.
"""

import json
from pathlib import Path

from fingerprinting import cli
from fingerprinting.core.errors import UserError
from fingerprinting.core.places import data_dir

TIER = "paper"
EPOCHS = 0  # passes of models from scratch; 0: ten, or as usual at the smoke tier
POOL = 0  # examples taken of the training set; 0: all that are there
WORKERS = 0  # models side by side on the device; 0: as usual
RECORD = ""  # file to which a line is added; empty: the steps are shown
PART = ""
STATUS = 0
SECONDS = 0

at_hand = {"cifar10": "cifar-10-batches-py", "cifar100": "cifar-100-python"}  # data set -> its folder
scratch = ("source", "irrelevant", "homologous", "extract")
steps = {  # script -> its own words
    "cv/source.py": (),
    "cv/irrelevant.py": ("COPIES=1", "ADVERSARIAL_COPIES=1"),
    "cv/homologous.py": ("SAME_COPIES=1", "OTHER_COPIES=1", "ADVERSARIAL_COPIES=1", "OVERLAPS=1.0"),
    "cv/fine_tune.py": ("COPIES=1", "EPOCHS=2"),
    "cv/prune.py": ("RATIOS=0.5", "EPOCHS=1"),
    "cv/adversarial.py": ("COPIES=1", "EPOCHS=1"),
    "cv/transfer.py": ("COPIES=1", "IRRELEVANT_COPIES=1", "HOMOLOGOUS_COPIES=1", "EPOCHS=1"),
    "cv/extract.py": ("COPIES=1",),
    "primary.py": ("FEWER=True",),
    "evolved.py": (),
    "baselines.py": ("METHOD=sac_w,sac_m",),
    "deepcore.py": (),
    "model_finger_match.py": (),
}


def run(*, tier: str, epochs: int, pool: int, workers: int, record: str, part: str, status: int, seconds: int) -> None:
    """Show the steps, or write down what came of one."""
    if record:
        write(Path(record), part, status, seconds)
        return
    found = [name for name, folder in at_hand.items() if (data_dir() / folder).is_dir()]
    dataset = found[0] if found and tier != "smoke" else "digits"
    passes = epochs or (0 if tier == "smoke" else 10)
    for script, words in steps.items():
        shared = [f"TIER={tier}", f"DATASET={dataset}", f"WORKERS={workers}", *([f"POOL={pool}"] if pool else [])]
        trained = [f"EPOCHS={passes}"] if passes and Path(script).stem in scratch else []
        known = cli.own_constants(Path(__file__).parents[1] / script)
        own = [word for word in words if word.split("=")[0] in known]
        if differing := set(words) - set(own):
            raise UserError(f"{script} knows no {', '.join(sorted(differing))}; mend steps of accelerator.py")
        print(script, *shared, *trained, *own)


def write(path: Path, part: str, status: int, seconds: int) -> None:
    """Add a line: part, status, seconds, device and versions."""
    from fingerprinting.core import runtime  # with torch

    row = {"part": part, "status": status, "seconds": seconds, **runtime.provenance(runtime.device())}
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(f"{part}: status {status}, {seconds} s, {row['device']}")


if __name__ == "__main__":
    cli.run_alone(run, globals())
