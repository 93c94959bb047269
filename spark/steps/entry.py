"""What spark-submit runs: ``step.py featurize|pca --plan URI``. Exit code 0, or 1 with a line why."""

from __future__ import annotations

import argparse
import importlib
import logging
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from lambdas.contract.plan import Plan
from lambdas.contract.report import STEPS
from spark.datasets.object_store import read_uri
from spark.errors import StepFailedError

DRIVER_THREADS = {"OMP_NUM_THREADS": "1"}
"""OpenBLAS' in the driver, as Spark sets them in workers. Those that it would start, one a core, wait for one
another in a busy loop: on a machine that has other work the 1,280 eigenvectors of a PCA take 0.3 s of CPU
with one thread and 2 to 5 with two (AMD EPYC, 2 cores)."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the step that the command line names; returns the exit code."""
    for name, value in DRIVER_THREADS.items():
        os.environ.setdefault(name, value)
    parser = argparse.ArgumentParser(prog="step.py", description="Run one step of a run on Spark.")
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("--plan", required=True, metavar="URI", help="s3://bucket/runs/<run_id>/plan.json")
    options = parser.parse_args(arguments)
    _log_to_stdout()
    # It imports NumPy, which asks for DRIVER_THREADS then, and never again.
    from spark.steps.session import session

    try:
        # The session waits a second or two for its JVM, and the step's libraries take half of one to import.
        with ThreadPoolExecutor(1) as meanwhile:
            runner = meanwhile.submit(importlib.import_module, "spark.steps.runner")
            plan = read_plan(options.plan)
            spark = session(f"fruits-{plan.run_id}-{options.step}", os.environ)
        report = runner.result().run_step(options.step, plan, spark)
    except StepFailedError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    if report.error is not None:
        sys.stderr.write(f"{StepFailedError(report.error.kind, report.error.message, report.error.remedy)}\n")
        return 1
    return 0


def read_plan(uri: str) -> Plan:
    """Read the plan at ``uri``.

    Raises:
        StepFailedError: there is none, or it is of another version, or storage fails.
    """
    redo = "upload the manifest again: the launcher writes a plan for each version of it"
    try:
        return Plan.from_json(read_uri(uri))
    except FileNotFoundError as error:
        raise StepFailedError("ours", f"there is no plan at {uri}", redo) from error
    except ValueError as error:
        raise StepFailedError("ours", f"the plan at {uri} cannot be used: {error}", redo) from error


def _log_to_stdout() -> None:
    """Our own lines only, bare: EMR keeps standard output as the step's log for people."""
    logger = logging.getLogger("spark")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger.handlers = [handler]


if __name__ == "__main__":
    sys.exit(main())
