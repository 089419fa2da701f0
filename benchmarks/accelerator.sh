#!/usr/bin/env bash
# At most eight minutes on a machine with an accelerator: slow tests, the three domains' smoke pipelines, and a study at
# full size. Each part's status, seconds, device and versions are written down as it ends; all it says goes to a log.
#   bash benchmarks/accelerator.sh                      # CIFAR-10 or CIFAR-100 in DATA_DIR, else the small digits
#   TIER=smoke PARTS=study bash benchmarks/accelerator.sh   # on any machine
# PYTHON: an interpreter with torch. OUT: folder of accelerator.jsonl and log.txt. LIMIT: seconds in all. WORKERS: models
# side by side on the device. EPOCHS: passes of models from scratch, POOL: examples; empty: as benchmarks/accelerator.py says.
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
out=${OUT:-accelerator}
limit=${LIMIT:-480}
parts=${PARTS:-study tests pipelines}
mkdir -p "$out"
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export ARTIFACTS_DIR="$out/artifacts" RESULTS_DIR="$out/results"

part() {  # name, then a command; it is stopped where the time is over
    local name=$1 left=$((limit - SECONDS)) began=$SECONDS status
    shift
    if [ "$left" -lt 5 ]; then
        echo "$name: no time left" | tee -a "$out/log.txt"
        return
    fi
    timeout "$left" "$@" >>"$out/log.txt" 2>&1
    status=$?
    "$python" benchmarks/accelerator.py "RECORD=$out/accelerator.jsonl" "PART=$name" "STATUS=$status" \
        "SECONDS=$((SECONDS - began))" | tee -a "$out/log.txt"
}

for name in $parts; do
    case $name in
    study)
        "$python" benchmarks/accelerator.py "TIER=${TIER:-paper}" "EPOCHS=${EPOCHS:-0}" "POOL=${POOL:-0}" \
            "WORKERS=${WORKERS:-0}" >"$out/steps.txt" 2>>"$out/log.txt" || { tail -1 "$out/log.txt"; exit 2; }
        while read -r -a words; do
            part "${words[0]}" "$python" "${words[@]}"
        done <"$out/steps.txt"
        ;;
    tests)
        part tests "$python" -m pytest -m slow tests/training tests/models tests/cv/passport tests/core/test_devices.py
        ;;
    pipelines)
        part pipelines "$python" -m pytest tests/repository/test_pipeline.py -k every_kind_is_trained
        ;;
    esac
done
echo "$SECONDS s in all; $out/accelerator.jsonl"
