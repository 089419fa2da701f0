#!/usr/bin/env bash
# Fresh machine -> environment, data, every model, fingerprints, tables and figures.
#   bash run.sh              quick tier: a first look
#   TIER=cpu bash run.sh     the tier of the committed tables
set -euo pipefail
started=$SECONDS
source "$(dirname "$0")/environment.sh"
tier=${TIER:-quick}
export SETUP_SECONDS=$((SECONDS - started))
echo "environment ready after $SETUP_SECONDS s"

words=("TIER=$tier" ${DATASET:+"DATASET=$DATASET"})
if ! .venv/bin/python data/prepare.py "${words[@]}"; then
    echo "going on with scikit-learn's small digits (DATASET=digits), which need no download: the tables will be theirs"
    # A source that has seen so few digits is hardly ever wrong on them, so its fingerprint is smaller.
    words=("TIER=$tier" DATASET=digits FEWER=True)
fi
.venv/bin/python reproduce.py "${words[@]}"
echo "run.sh took $((SECONDS - started)) s in all"
