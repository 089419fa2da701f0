"""Numbers in the documents' prose: what was measured is computed here from records, the rest is listed as constants.

People write the sentences, so that a number that changes makes somebody read its sentence again; test_prose.py
fails where one no longer holds, and where prose has a number that stands neither in MEASURED nor in docs/numbers.txt.
"""

from fingerprinting.calibrated import verdicts
from fingerprinting.fingerprints.registry import MINUS_TWINS
from fingerprinting.models.suspects import MEANS
from fingerprinting.reports import prose_passports, prose_price
from fingerprinting.reports.sections import score_combinations
from fingerprinting.reports.sections.verdicts import flagged_at_5
from fingerprinting.reports.sentences import CIFAR, EEG, FASHION, README, THUCNEWS, THUOCL, Measured, between, in_words
from fingerprinting.reports.table_cells import Identity
from fingerprinting.study.records import Records
from fingerprinting.study.study import SPLIT

RESULTS, CALIBRATED, COSTS = "docs/results.md", "docs/calibrated.md", "docs/costs.md"
YOURS, METHODS_PAGE = "docs/your-model.md", "docs/methods.md"
LABELS = (CIFAR, FASHION, THUCNEWS, THUOCL)  # studies of vision and text
USUAL = (*LABELS, EEG)
LABELS_REPLICATES = tuple(f"{study}{SPLIT}1" for study in (CIFAR, FASHION, THUOCL))
EEG_FIRST, EEG_SECOND = (f"{EEG}{SPLIT}{seed}" for seed in (1, 2))
EVERY = (*USUAL, *LABELS_REPLICATES, EEG_FIRST, EEG_SECOND)
SAME_TASK = MEANS["mean_same_task"]
FEWER = 72  # references, of a row of the table that is quoted
EXTRACTIONS = tuple(name for name in SAME_TASK if name.startswith("extract"))
KEPT = tuple(name for name in SAME_TASK if name not in EXTRACTIONS)  # stealing attacks that keep the weights
MEAN = "mean_same_task"

OWN: Identity = ("calibrated", "labels", "stealing_evidence")
FUAP: Identity = ("fuap", "probabilities", "code")
CAE: Identity = ("cae", "labels", "responses")
AKH: Identity = ("akh", "labels", "responses")
RANDOM: Identity = ("random", "labels", "responses")
SAC_W, SAC_M_LABELS = ((name, "labels", "correlation") for name in ("sac_w", "sac_m"))
DEEPCORE: Identity = ("deepcore", "probabilities", "cosines")
IRISFP: Identity = ("irisfp", "labels", "votes")
LIFTED: tuple[Identity, ...] = (
    ("sac_w", "probabilities", "correlation"),
    ("modeldiff", "logits", "distance_matrix"),
    ("evolved", "labels", "correlation"),
)
LIFTED_IN_TEXT: tuple[Identity, ...] = (
    ("zest", "probabilities", "local_weights"),
    ("sac_w", "probabilities", "correlation"),
    ("primary", "logits", "correlation"),
)
METAFINGER: Identity = ("metafinger", "labels", "responses")
DATASET_INFERENCE: Identity = ("dataset_inference", "labels", "membership")
BOUNDARY = (
    CAE,
    ("adv_tra", "labels", "responses"),
    ("ipguard", "labels", "responses"),
    ("modeldiff", "probabilities", "decision_distances"),
)
PRIMARY, EVOLVED, SAC_M = ((name, "probabilities", "correlation") for name in ("primary", "evolved", "sac_m"))

# What the records say


def auc(study: str, representation: Identity, attack: str = MEAN, negatives: str = "all") -> float:
    wanted = (*representation, attack, negatives)
    names = ("method", "output", "representation", "attack", "negatives")
    return next(row["auc"] for row in Records.at(study, "auc").rows() if tuple(row[name] for name in names) == wanted)


def beside_twins(study: str, one: Identity) -> tuple[float, float]:
    """The mean AUC of a representation as published, and minus twins."""
    method, output, representation = one
    return auc(study, one), auc(study, (method, output, representation + MINUS_TWINS))


def varied(study: str, what: str, value: str, attack: str = "mean") -> float:
    """AUC of the calibrated fingerprint with something left out or done otherwise."""
    rows = Records.at(study, "ablation").rows()
    return next(row["auc"] for row in rows if (row["study"], row["value"], row["attack"]) == (what, value, attack))


def left_out(study: str) -> float:
    return varied(study, "leave-one-attack-out", "extract_adversarial", "extract_adversarial")


def made(study: str, method: str) -> dict:
    """What is recorded of a fingerprint."""
    return next(row for row in Records.at(study, "fingerprints").rows() if row["method"] == method)


def judged(study: str, use: str, role: str) -> list[dict]:
    """Verdicts' records on models of the source's task that saw all of their part."""
    rows = Records.at(study, "verdicts").rows()
    return [
        row for row in rows if (row["use"], row["role"], row["share"]) == (use, role, 1) and "control_accuracy" in row
    ]


def stolen(study: str, use: str, role: str) -> int:
    """How many of them are called so."""
    return sum(verdicts.passed(row) == verdicts.STOLEN for row in judged(study, use, role))


def named(study: str) -> float:
    """The share of stolen models that is called stolen."""
    return stolen(study, "scored", "pirated") / len(judged(study, "scored", "pirated"))


def modified_detected_by_its_own_log_odds(study: str) -> tuple[float, float]:
    found = score_combinations.aucs(study, "scored")["modification only"]
    return between([found[attack] for attack in KEPT])


def under_attack(study: str, attack: str, representation: Identity, column: str = "auc_after") -> float:
    """AUC under an attack on queries, or of copies trained away from the source."""
    names, wanted = (
        ("attack_on_queries", "method", "output", "representation", "negatives"),
        (attack, *representation, "all"),
    )
    rows = Records.at(study, "erasure").rows()
    found = [row for row in rows if tuple(row[name] for name in names) == wanted]
    return next(row[column] for row in found if row["attack"] in (MEAN, "removal"))


def seen_by_an_autoencoder(study: str) -> float:
    """The share of the calibrated fingerprint's queries that an attacker detects, at 5% false alarms."""
    rows = Records.at(study, "erasure").rows()
    return next(row["detection_rate_fpr5"] for row in rows if row["method"] == "calibrated" and "detection_auc" in row)


def points(study: str, attack: str) -> float:
    """What an attack on queries costs the attacker, in points of accuracy."""
    rows = Records.at(study, "erasure").rows()
    return 100 * next(row["accuracy_cost"] for row in rows if row["attack_on_queries"] == attack)


def benchmarked(study: str, ratio: str) -> tuple[float, float]:
    """Medians of a ratio, the least and the largest over numbers of threads."""
    return between([row[ratio]["median"] for row in Records.at(study, "benchmarks").rows() if ratio in row])


def seconds(study: str, step: str) -> float:
    return next(row["seconds"] for row in Records.at(study, "steps").rows() if row["key"].endswith(f"/{step}"))


def model(study: str, kind: str) -> dict:
    return next(row for row in Records.at(study, "models").rows() if row["kind"] == kind)


def reference_models() -> tuple[float, float]:
    """The least and the most that the calibrated fingerprint was made with."""
    return between([made(study, "calibrated")["extra_models"] for study in EVERY])


def queries_and_controls() -> tuple[int, int]:
    """Of the calibrated fingerprint: queries, and control queries."""
    return made(CIFAR, "calibrated")["queries"], made(CIFAR, "calibrated")["settings"]["controls"]


def queries() -> int:
    return sum(queries_and_controls())


def baselines_queries() -> int:
    return made(CIFAR, "cae")["queries"]


def eeg_means() -> list[float]:
    return [auc(study, OWN) for study in (EEG, EEG_FIRST, EEG_SECOND)]


def extracted_adversarially(study: str) -> float:
    return auc(study, OWN, "extract_adversarial")


def moved() -> dict:
    """A verdict's record on a model of another task."""
    return next(row for row in Records.at(FASHION, "verdicts").rows() if row["kind"] == "transfer")


def flagged_in_audits() -> tuple[float, float, int]:
    """Independent models called stolen in the audit sets, the fewest and the most of a study, and of how many."""
    audited = [study for study in EVERY if judged(study, "audit", "independent")]
    (count,) = {len(judged(study, "audit", "independent")) for study in audited}
    return *between([stolen(study, "audit", "independent") for study in audited]), count


def irrelevant() -> tuple[float, str]:
    """At 5%, one in how many of THUCNews' audit's irrelevant models is called stolen."""
    rows = [row for row in judged(THUCNEWS, "audit", "independent") if "irrelevant" in row["kind"]]
    return 0.05, in_words(len(rows) / sum(map(flagged_at_5, rows)))


def others_of_the_second() -> list[float]:
    rows = Records.at(EEG_SECOND, "auc").rows()
    rows = [row for row in rows if (row["attack"], row["negatives"]) == (MEAN, "all")]
    return [row["auc"] for row in rows if row["method"] != "calibrated"]


def vision_points() -> list[float]:
    return [points(study, "reconstructed") for study in (CIFAR, FASHION)]


def similar_students_cost() -> tuple[float, float]:
    """Points of the mean AUC on THUCNews."""
    values = ("students of few responses", "students of many responses")
    return between([100 * (auc(THUCNEWS, OWN) - varied(THUCNEWS, "similar references", value)) for value in values])


def kept(study: str) -> tuple[float, float]:
    """AUC of the stealing attacks that keep the weights."""
    return between([auc(study, OWN, attack) for attack in KEPT])


# What the documents say

MEASURED = (
    Measured(
        README,
        "in vision and text is {:.3f} to {:.3f} on the primary splits and {:.3f} to {:.3f} on {} replicates",
        lambda: (
            *between([auc(study, OWN) for study in LABELS]),
            *between([auc(study, OWN) for study in LABELS_REPLICATES]),
            in_words(len(LABELS_REPLICATES)),
        ),
    ),
    Measured(
        README,
        "It needs {} to {} models trained by the owner and {} queries; most baselines use up to {} queries",
        lambda: (*reference_models(), queries(), baselines_queries()),
    ),
    Measured(README, "With {} training trials", lambda: [model(EEG, "source")["examples"]]),
    Measured(
        README,
        "the calibrated fingerprint reaches {:.2f}, {:.2f} and {:.2f} on {} splits; FUAP reaches {:.2f} on the primary "
        "split and {:.2f} on the",
        lambda: (*eeg_means(), in_words(len(eeg_means())), auc(EEG, FUAP), auc(EEG_FIRST, FUAP)),
    ),
    Measured(
        README,
        "its AUC falls from {:.2f} to {:.2f} on Fashion-MNIST and from {:.2f} to {:.2f} on CIFAR-10",
        lambda: [value for s in (FASHION, CIFAR) for value in (extracted_adversarially(s), left_out(s))],
    ),
    Measured(YOURS, "had {} to {} false positives in {} independent models", lambda: flagged_in_audits()),
    Measured(
        YOURS,
        "There are {} calibration models and {} stolen models of that kind",
        lambda: [moved()["n_calibration"], in_words(moved()["n_stolen"])],
    ),
    Measured(
        METHODS_PAGE,
        "Most baselines use up to {} queries, Primary and Evolved {} ({} in EEG), the calibrated fingerprint {} and {} "
        "control queries",
        lambda: (
            baselines_queries(),
            made(CIFAR, "primary")["queries"],
            made(EEG, "primary")["queries"],
            *queries_and_controls(),
        ),
    ),
    Measured(
        METHODS_PAGE,
        "Dataset Inference's ({:,}; {:,} in EEG)",
        lambda: [made(study, "dataset_inference")["queries"] for study in (CIFAR, EEG)],
    ),
    Measured(
        RESULTS,
        "SAC-w with probabilities reaches {:.2f} on Fashion-MNIST, ModelDiff's matrix {:.2f} and Evolved with labels "
        "{:.2f}, where they have {:.2f}, {:.2f} and {:.2f} as published",
        lambda: [auc(FASHION, (*one[:2], one[2] + suffix)) for suffix in (MINUS_TWINS, "") for one in LIFTED],
    ),
    Measured(
        RESULTS,
        "CIFAR-10 SAC-w with labels rises from {:.2f} to {:.2f}, CAE from {:.2f} to {:.2f}. On",
        lambda: [lifted for one in (SAC_W, CAE) for lifted in beside_twins(CIFAR, one)],
    ),
    Measured(
        RESULTS,
        "Zest with probabilities rises from {:.2f} to {:.2f}, SAC-w with probabilities from {:.2f} to {:.2f} and "
        "Primary with logits from {:.2f} to {:.2f}. In",
        lambda: [lifted for one in LIFTED_IN_TEXT for lifted in beside_twins(THUOCL, one)],
    ),
    Measured(
        RESULTS,
        "CAE, MetaFinger and Dataset Inference now have {:.2f}, {:.2f} and {:.2f}; with",
        lambda: [auc(CIFAR, one) for one in (CAE, METAFINGER, DATASET_INFERENCE)],
    ),
    Measured(
        RESULTS,
        "Primary puts students of all {} kinds farther from the source than independent models (AUC {:.2f} to {:.2f})",
        lambda: (in_words(len(EXTRACTIONS)), *between([auc(FASHION, PRIMARY, name) for name in EXTRACTIONS])),
    ),
    Measured(
        RESULTS,
        "are the best published methods on both sets, with {:.2f} and {:.2f} on THUOCL",
        lambda: [auc(THUOCL, representation) for representation in (AKH, SAC_W)],
    ),
    Measured(RESULTS, "With {} training trials", lambda: [model(EEG, "source")["examples"]]),
    Measured(
        RESULTS,
        "(CAE, ADV-TRA, IPGuard, ModelDiff) detect fine-tuned and pruned models at AUC {:.2f}",
        lambda: {round(auc(EEG, one, attack), 2) for one in BOUNDARY for attack in KEPT if attack != "adversarial"},
    ),
    Measured(
        RESULTS,
        "invert where more than the last layer was trained (AUC {:.2f} to {:.2f})",
        lambda: between([auc(EEG, one, attack) for one in (PRIMARY, EVOLVED, SAC_M) for attack in KEPT[1:]]),
    ),
    Measured(
        RESULTS,
        "(AKH and SAC-w have {} queries)",
        lambda: {made(EEG, name)["queries"] for name in ("akh", "sac_w")},
    ),
    Measured(
        RESULTS,
        "FUAP leads with probabilities ({:.2f}) and CAE among the baselines with labels ({:.2f}; fine-tuned and pruned "
        "models {:.2f}); the calibrated fingerprint has {:.2f} and flags homologous models before stolen ones (AUC "
        "{:.2f})",
        lambda: (
            auc(EEG_FIRST, FUAP),
            auc(EEG_FIRST, CAE),
            *{round(auc(EEG_FIRST, CAE, attack), 2) for attack in KEPT if attack != "adversarial"},
            auc(EEG_FIRST, OWN),
            auc(EEG_FIRST, OWN, negatives="homologous"),
        ),
    ),
    Measured(
        RESULTS,
        "only Primary and Evolved ({:.2f} to {:.2f}) and the calibrated fingerprint ({:.2f}) were scored",
        lambda: (*between(others_of_the_second()), auc(EEG_SECOND, OWN)),
    ),
    Measured(
        RESULTS,
        "FUAP on Fashion-MNIST and in EEG ({:.2f} to {:.2f})",
        lambda: between([auc(EEG, FUAP, attack) for attack in EXTRACTIONS]),
    ),
    Measured(
        RESULTS,
        "cost the attacker {} to {} points of accuracy",
        lambda: map(in_words, between([*vision_points(), *(points(s, "synonyms") for s in (THUCNEWS, THUOCL))])),
    ),
    Measured(RESULTS, "In EEG a band-pass filter costs {:.0f} points", lambda: [points(EEG, "band_passed")]),
    Measured(
        RESULTS,
        "(random trials, SAC-m and DeepCore: at most {:.2f})",
        lambda: [
            max(under_attack(EEG, "band_passed", representation) for representation in (RANDOM, SAC_M_LABELS, DEEPCORE))
        ],
    ),
    Measured(
        RESULTS,
        "false alarms, it detects {:.0%} on Fashion-MNIST, {:.0%} on CIFAR-10 and {:.0%} in EEG",
        lambda: [seen_by_an_autoencoder(study) for study in (FASHION, CIFAR, EEG)],
    ),
    Measured(
        RESULTS,
        "IrisFP in EEG (AUC {:.2f}, without removal {:.2f})",
        lambda: [under_attack(EEG, "removal", IRISFP, f"auc_{it}") for it in ("after", "before")],
    ),
    Measured(RESULTS, "partly FUAP on Fashion-MNIST ({:.2f})", lambda: [under_attack(FASHION, "removal", FUAP)]),
    Measured(
        RESULTS,
        "AKH on THUOCL ({:.2f}) and in EEG",
        lambda: [under_attack(THUOCL, "removal", AKH)],
    ),
    Measured(
        RESULTS,
        "the calibrated fingerprint on Fashion-MNIST and in EEG ({:.2f})",
        lambda: {round(under_attack(study, "removal", OWN), 2) for study in (FASHION, EEG)},
    ),
    Measured(
        RESULTS,
        "DeepCore except in EEG ({:.2f})",
        lambda: [under_attack(EEG, "removal", DEEPCORE)],
    ),
    Measured(
        RESULTS,
        "the CIFAR-10 source has {:.0%} test accuracy",
        lambda: [model(CIFAR, "source")["test_accuracy"]],
    ),
    Measured(
        COSTS,
        "takes {:.1f} to {:.1f} times as long",
        lambda: benchmarked(FASHION, "deepcore_class_after_class_to_one_batch"),
    ),
    Measured(
        COSTS,
        "The paper's procedure takes {:.0f} to {:.0f} times",
        lambda: benchmarked(FASHION, "deepcore_papers_procedure_to_one_batch"),
    ),
    Measured(
        CALIBRATED,
        "It needs {} to {} models of the owner, {} queries and {} control queries; most baselines use up to {} queries",
        lambda: (*reference_models(), *queries_and_controls(), baselines_queries()),
    ),
    Measured(
        CALIBRATED,
        "its AUC for that attack falls from {:.2f} to {:.2f} on Fashion-MNIST, from {:.2f} to {:.2f} on CIFAR-10 and "
        "from {:.2f} to {:.2f} on CIFAR-10's replicate",
        lambda: [
            value for s in (FASHION, CIFAR, LABELS_REPLICATES[0]) for value in (extracted_adversarially(s), left_out(s))
        ],
    ),
    Measured(
        CALIBRATED, "the mean AUC on THUCNews falls by {} to {} points", lambda: map(in_words, similar_students_cost())
    ),
    Measured(
        CALIBRATED,
        "At alpha = {:g} it detects {:.0%} to {:.0%} of the stolen models in vision and text and {:.0%} to {:.0%} in "
        "EEG",
        lambda: (
            judged(FASHION, "scored", "pirated")[0]["alpha"],
            *between([named(study) for study in (*LABELS, *LABELS_REPLICATES)]),
            *between([named(study) for study in (EEG, EEG_FIRST, EEG_SECOND)]),
        ),
    ),
    Measured(
        CALIBRATED,
        "have an AUC of {:.2f} to {:.2f} on the primary split, {:.2f} to {:.2f} on the first replicate and {:.2f}, all "
        "{} kinds, on the second",
        lambda: (*kept(EEG), *kept(EEG_FIRST), *set(kept(EEG_SECOND)), in_words(len(KEPT))),
    ),
    Measured(
        CALIBRATED,
        "log-odds of modification alone detect them better ({:.2f} to {:.2f}, {:.2f} to {:.2f}, {:.2f})",
        lambda: (
            *modified_detected_by_its_own_log_odds(EEG),
            *modified_detected_by_its_own_log_odds(EEG_FIRST),
            *set(modified_detected_by_its_own_log_odds(EEG_SECOND)),
        ),
    ),
    Measured(
        CALIBRATED,
        "Extracted models lie between {:.2f} and {:.2f}. On the first replicate homologous models are flagged before "
        "stolen ones (AUC {:.2f})",
        lambda: (
            *between([auc(s, OWN, attack) for s in (EEG, EEG_FIRST, EEG_SECOND) for attack in EXTRACTIONS]),
            auc(EEG_FIRST, OWN, negatives="homologous"),
        ),
    ),
    Measured(
        CALIBRATED,
        "At alpha = {:.2f} one in {} irrelevant models of THUCNews' audit set is flagged",
        lambda: irrelevant(),
    ),
    Measured(
        CALIBRATED,
        "against the {} independent models of the audit set than against the {} scored ones",
        lambda: [len(judged(FASHION, use, "independent")) for use in ("audit", "scored")],
    ),
    Measured(
        CALIBRATED,
        "on Fashion-MNIST by {} minute",
        lambda: [in_words((seconds(FASHION, "references.py") - 360) / 60)],
    ),
    Measured(
        CALIBRATED,
        "with {} of them the mean is {:.3f} instead of {:.3f} on CIFAR-10, and {:.3f} instead of {:.3f} on THUCNews",
        lambda: (
            FEWER,
            *(value for s in (CIFAR, THUCNEWS) for value in (varied(s, "references", str(FEWER)), auc(s, OWN))),
        ),
    ),
    Measured(
        CALIBRATED,
        "yet {} and {} of {} stolen models are detected",
        lambda: (
            *(stolen(study, "scored", "pirated") for study in (CIFAR, LABELS_REPLICATES[0])),
            *{len(judged(study, "scored", "pirated")) for study in (CIFAR, LABELS_REPLICATES[0])},
        ),
    ),
    Measured(
        CALIBRATED, "On the first replicate FUAP leads with probabilities ({:.2f})", lambda: [auc(EEG_FIRST, FUAP)]
    ),
    *prose_passports.MEASURED,
    *prose_price.MEASURED,
)
