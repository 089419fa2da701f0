#!/usr/bin/env bash
# Fresh machine -> environment, lint, types, tests. Arguments go to pytest: bash test.sh -m "not slow"
set -euo pipefail
source "$(dirname "$0")/environment.sh"
.venv/bin/python -m ruff check .
.venv/bin/python -m ruff format --check .
.venv/bin/python -m mypy
.venv/bin/python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder "$@"
