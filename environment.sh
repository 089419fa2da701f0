# Sourced by run.sh and test.sh: makes .venv, or reuses one that was made from these very requirements.
cd "$(dirname "${BASH_SOURCE[0]}")"
environment_stamp=.venv/.requirements
# Images of containers often forbid bytecode; then every process compiles torch's and scipy's sources anew, for 10 s.
unset PYTHONDONTWRITEBYTECODE

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11 python3.10 python; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "no Python 3.10 or newer was found; install one, or name it: PYTHON=/path/to/python3 bash run.sh" >&2
    return 2
}

installed_from_here() {  # -I: else the folder that the shell is in would be found
    .venv/bin/python -I -c 'import fingerprinting, pathlib, sys
sys.exit(pathlib.Path(fingerprinting.__file__).resolve().parents[1] != pathlib.Path.cwd().resolve())' 2>/dev/null
}

if ! cat requirements.txt pyproject.toml | cmp -s - "$environment_stamp" || ! installed_from_here; then
    python=$(find_python) || exit 2
    echo "making .venv with $("$python" --version) (torch and its libraries take about 6 GB)"
    .venv/bin/python -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear .venv ||
        { echo "python -m venv failed; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
    .venv/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -r requirements.txt ||
        { echo "the packages could not be installed; look at pip's message above and run the same command again" >&2; exit 2; }
    cat requirements.txt pyproject.toml > "$environment_stamp"
fi
