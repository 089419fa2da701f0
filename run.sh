#!/usr/bin/env bash
# Fresh machine -> environment, data, every model, fingerprints, tables and figures of all domains.
#   bash run.sh                quick tier: a first look
#   TIER=cpu bash run.sh       the tier of the committed tables
#   RECORD_RUN=1 bash run.sh   also records what it took, for README
set -euo pipefail
# Python turns an interrupt into an exit status, which would look like data that cannot be had, and what runs in the
# background does not hear of one.
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
started=$SECONDS
source "$(dirname "$0")/environment.sh"
tier=${TIER:-quick}
export SETUP_SECONDS=$((SECONDS - started))
echo "environment ready after $SETUP_SECONDS s"

domains=(cv nlp bci)
if [ -z "${DATASET:-}" ]; then
    for number in "${!domains[@]}"; do  # side by side: each waits for a registry, then for one core
        .venv/bin/python data/prepare.py "TIER=$tier" "DOMAIN=${domains[number]}" &
        preparing[number]=$!
    done
fi
ready=()
for number in "${!domains[@]}"; do
    domain=${domains[number]}
    if [ -n "${DATASET:-}" ] || wait "${preparing[number]}"; then
        ready+=("$domain")
    elif [ "$domain" = cv ]; then
        echo "vision goes on with scikit-learn's small digits, which need no download: its tables will be theirs"
        # A source that has seen so few digits is hardly ever wrong on them, so its fingerprint is smaller.
        .venv/bin/python reproduce.py "TIER=$tier" DOMAIN=cv DATASET=digits FEWER=True
    else
        echo "$domain is left out: its data could not be had"
    fi
done
export DATA_SECONDS=$((SECONDS - started - SETUP_SECONDS))
if [ ${#ready[@]} -gt 0 ]; then
    .venv/bin/python reproduce.py "TIER=$tier" "DOMAIN=$(IFS=,; echo "${ready[*]}")" ${DATASET:+"DATASET=$DATASET"}
fi
echo "run.sh took $((SECONDS - started)) s in all"
