"""What tables and figures call what records name in short."""

WORDS = {
    # representations of the responses
    "stealing_evidence": "evidence",
    "transfer_evidence": "evidence, other task",
    # what the ablation varies, and how
    "references": "number of reference models",
    "similar references": "similar reference models",
    "data": "low-data reference models",
    "queries": "number of queries",
    "candidates": "one kind of candidates",
    "selection": "selection of queries",
    "none made with models": "none made with reference models",
    "a third": "one third",
    "one rate of modification": "one modification learning rate",
    "students of few responses": "no student of full-data extraction",
    "students of many responses": "students of full-data extraction only",
    "contrasted_extraction": "contrasted, extraction",
    "contrasted_modification": "contrasted, modification",
    "control accuracy added": "log-odds adjusted for control accuracy",
    "deviations from independent": "deviation from independent models",
    "extraction's log-odds": "extraction log-odds only",
    "modification's log-odds": "modification log-odds only",
    "one log-odds": "one log-odds for all stealing attacks",
    "plain agreement": "agreement with the source",
    "two log-odds, a tenth as free": "two log-odds, regularised ten times more",
    "two log-odds, ten times as free": "two log-odds, regularised ten times less",
    # what an adaptive attacker does
    "random_responses": "random responses",
    "band_passed": "band-passed",
    "top_1": "top-1 only",
    # DeepCore's observations
    "a point farther from the boundary outlasts changes of the model": "a point farther from the boundary survives "
    "more modification",
    "at core points pirated models are nearer to the source than homologous ones": "at core points stolen models are "
    "nearer to the source than homologous models",
    "share of models that answer as the source": "share of models that agree with the source",
    "rank correlation with the share of models that answer as the source": "rank correlation with the share of models "
    "that agree with the source",
    "median of the points' own rank correlations": "median rank correlation of a point",
    "core points on their way": "core points during training",
    "core points at the end": "core points after all steps",
    "dev inputs, least sure third": "dev inputs, least confident third",
    # groups of models
    "all pirated": "all stolen",
    "pirated": "stolen",
}


def said(name: str) -> str:
    """A name of the records in the words of the tables."""
    return WORDS.get(name, name)
