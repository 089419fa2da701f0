"""The scripts in the order in which they run."""

ZOO = (
    "source",
    "irrelevant",
    "homologous",
    "overlap",
    "fine_tune",
    "prune",
    "adversarial",
    "transfer",
    "extract",
    "extract_sweep",
    "twins",
    "pairs",
    "references",
    "calibration",
    "low_data_references",
    "audit",
    "unseen",
)
ROOT = (
    "primary",
    "evolved",
    "baselines",
    "deepcore",
    "calibrated",
    "model_finger_match",
    "price",
    "ablation",
    "detect_erase_attack",
)
PASSPORT = ("train", "attack", "steal")  # in <domain>/passport/, where a domain has that
