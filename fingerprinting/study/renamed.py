"""What versions before 0.2 called otherwise.

Records of then are read in today's words, and never written. Seeds are still drawn from the words of then, so that
numbers stay.
"""

TOPICS = {"ablation": "generalisation", "passport_stealing_attacks": "passport_thefts"}  # topic -> its file of then

COLUMNS = {  # topic -> column of then -> today's
    "verdicts": {
        "level": "alpha",
        "cleared": "beta",
        "p_honest": "p_independent",
        "ability": "control_accuracy",
        "honest_ability": "control_accuracy_range",
        "n_thefts": "n_stolen",
        "evidence_of_tampering": "evidence_of_modification",
        "one_answer": "one_response",
    },
    "models": {"flagged": "degraded"},
    "overlap": {"design": "relation", "accused": "flagged"},
    "fingerprints": {"n_thirds": "n_low_data"},
    "deepcore_claims": {"tampered": "modified"},
    "deepcore_lengths": {
        "tampered": "modified",
        "tampered_kept": "modified_kept",
        "tampered_n": "modified_n",
    },
}

WORDS = {  # names of methods' parts, attacks, kinds of candidates, variants and scripts
    "answers": "responses",
    "theft_evidence": "stealing_evidence",
    "random_answers": "random_responses",
    "contrasted_tampering": "contrasted_modification",
    "theft left out": "leave-one-attack-out",
    "design left out, its thefts": "leave-one-architecture-out, its stolen models",
    "design left out, itself": "leave-one-architecture-out, its independent models",
    "references alike": "similar references",
    "a third of it": "a third",
    "tampering's log-odds": "modification's log-odds",
    "ability controlled": "control accuracy added",
    "one rate of tampering": "one rate of modification",
    "students of few answers": "students of few responses",
    "students of many answers": "students of many responses",
    "deviations from honest": "deviations from independent",
    "dev inputs, surest third": "dev inputs, most confident third",
    "thirds.py": "low_data_references.py",
    "generalisation.py": "ablation.py",
}
OF_THEN = {now: then for then, now in WORDS.items()}
KIND = "third_"  # begins the kinds of low-data references


def as_first_called(name: str) -> str:
    """What a representation, an attack or a variant was called when seeds were first drawn from its name."""
    return OF_THEN.get(name, name)


def in_todays_words(topic: str, row: dict) -> dict:
    columns = COLUMNS.get(topic, {})
    return {columns.get(name, _renamed(name)): _renamed(value) for name, value in row.items()}


def _renamed(value):
    """Every name in a value, also where it is a part of a path."""
    if isinstance(value, str):
        return "/".join(map(_name, value.split("/")))
    if isinstance(value, list):
        return [_renamed(item) for item in value]
    if isinstance(value, dict):
        return {_renamed(name): _renamed(item) for name, item in value.items()}
    return value


def _name(name: str) -> str:
    return f"low_data_{name.removeprefix(KIND)}" if name.startswith(KIND) else WORDS.get(name, name)
