"""A process that goes on talking may take as long as it needs, one that falls silent is stopped."""

import subprocess
import sys

import pytest

from tests.repository.watched import watched

TALKS = "import time\nfor n in range(6):\n    print(n, end='\\r', flush=True)\n    time.sleep(0.25)\nprint('done')"


def test_a_talking_process_outlasts_the_limit():
    done = watched([sys.executable, "-c", TALKS], silence=1.0)
    assert done.returncode == 0 and done.stdout.endswith("done\n") and done.stderr == ""


def test_a_silent_process_is_stopped_and_what_it_said_is_kept():
    with pytest.raises(subprocess.TimeoutExpired) as ended:
        watched([sys.executable, "-c", "print('begun', flush=True)\nwhile True: pass"], silence=1.0)
    assert ended.value.output == "begun\n"


def test_status_and_errors_come_back():
    done = watched([sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"])
    assert (done.returncode, done.stderr) == (3, "why\n")
