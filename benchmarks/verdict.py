"""What a verdict costs once the responses are there: milliseconds, beside reading the fingerprint and one inference.

    python benchmarks/verdict.py                    # DOMAIN=cv, cpu tier
    python benchmarks/verdict.py TIER=smoke

Needs calibrated.py. The verdict of the source's own responses is measured as model_finger_match.py does.
"""

from fingerprinting import cli
from fingerprinting.calibrated import verdicts
from fingerprinting.calibrated.contents import CalibratedFingerprint
from fingerprinting.core import runtime
from fingerprinting.core.timing import in_turns, ratio
from fingerprinting.fingerprints import store
from fingerprinting.models import trained
from fingerprinting.study.records import Records
from fingerprinting.study.study import Study
from fingerprinting.training.trainer import predict

DOMAIN = "cv"
REPEATS = 20  # paired repeats
ALPHA = dict(smoke=0.2, quick=0.1, cpu=0.01, paper=0.01)  # as in judge.py
BETA = dict(smoke=0.2, quick=0.1, cpu=0.05, paper=0.05)


def measure(study: Study, *, repeats: int, alpha: float, beta: float) -> None:
    """Time a verdict, an inference of the queries, and the reading of the fingerprint."""
    runtime.one_thread()
    source = trained.weights_sha256(study, study.source_id)
    fingerprint = store.load(study, verdicts.METHOD, source)
    held, model = CalibratedFingerprint.of(fingerprint), trained.open_model(study, study.source_id)
    labels = fingerprint.source_logits.argmax(1)
    controls = predict(model, held.controls.inputs, study.device).argmax(1)
    seconds = in_turns(
        study.device,
        repeats,
        {
            "verdict": lambda: verdicts.measured(fingerprint, labels, controls, alpha, beta),
            "inference": lambda: predict(model, fingerprint.inputs, study.device),
            "reading": lambda: store.load(study, verdicts.METHOD, source),
        },
    )
    row = {
        "key": f"{study.folder}/verdict",
        "queries": len(fingerprint),
        "seconds": seconds,
        "verdict_to_inference": ratio(seconds, "verdict", "inference"),
        "provenance": runtime.provenance(study.device),
    }
    Records.of(study, "benchmarks").put([row])
    print(*(f"{name}: {1000 * min(taken):.2f} ms" for name, taken in seconds.items()), sep=", ")


if __name__ == "__main__":
    cli.run(measure, globals())
