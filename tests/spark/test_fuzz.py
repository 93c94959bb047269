"""A few hundred of the mutations of ``make fuzz``, in a process of their own: a decoder may also crash."""

from __future__ import annotations

import subprocess
import sys

from tests.spark.conftest import REPOSITORY


def test_broken_pictures_are_refused_or_decoded_and_never_unhandled() -> None:
    fuzz = [sys.executable, "-m", "tests.spark.fuzz", "--mutations", "600", "--seed", "13"]
    done = subprocess.run(fuzz, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("600 mutations, seed 13\n")
    assert done.stdout.endswith("0 faults\n")
    assert " decoded\n" in done.stdout
