"""What Spark says when programs and nodes die, as it said it.

Of Spark 3.5.6, from a standalone cluster whose processes were killed, stopped, crashed and filled; of YARN,
from public reports of failed jobs.
"""

from __future__ import annotations

import pytest

from spark.steps.spark_failures import explain, headline

CALL = "An error occurred while calling z:org.apache.spark.api.python.PythonRDD.collectAndServe.\n: "
ABORTED = (
    "org.apache.spark.SparkException: Job aborted due to stage failure: Task 3 in "
    "stage 0.0 failed 8 times, most "
    "recent failure: Lost task 3.7 in stage 0.0 (TID 19) (127.0.0.1 executor 1): "
)
PYTHON = (
    "org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
    '  File "pyspark.zip/pyspark/worker.py", line 1247, in main\n    process()\n'
)
LOST = "ExecutorLostFailure (executor 1 exited caused by one of the running tasks) Reason: "
STACK = "\nDriver stacktrace:\n\tat org.apache.spark.scheduler.DAGScheduler.failJobAndIndependentStages\n"
WORKER = "org.apache.spark.SparkException: Python worker exited unexpectedly (crashed): "
YARN = "container_1532995648738_0001_01_000006 on host: ip-172-31-3-156.eu-west-1.compute.internal. "


class Py4JJavaError(Exception):
    """By the name and text of Py4J's."""


class Py4JNetworkError(Exception):
    """The same."""


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        (
            f"{LOST}Container killed by YARN for exceeding physical memory limits. 9.4 GB of "
            "9 GB physical memory "
            "used. Consider boosting spark.executor.memoryOverhead.",
            "user",
            "the memory of a node was used up",
        ),
        ("java.lang.OutOfMemoryError: Java heap space", "user", "the memory of a node was used up"),
        (f"{PYTHON}MemoryError\n", "user", "the memory of a node was used up"),
        (
            f"{PYTHON}numpy._core._exceptions._ArrayMemoryError: Unable to allocate 2.00 PiB "
            "for an array with "
            "shape (281474976710656,) and data type float64\n",
            "user",
            "the memory of a node was used up",
        ),
        (f"{LOST}Command exited with code 52", "user", "the memory of a node was used up"),
        (f"{PYTHON}OSError: [Errno 28] No space left on device\n", "user", "the disk of a node was full"),
        ("java.io.IOException: No space left on device", "user", "the disk of a node was full"),
        (
            f"{WORKER}Fatal Python error: Segmentation fault\n\nCurrent thread "
            "0x00007fabaa86ab80 (most recent call "
            f'first):\n  File "job.zip/spark/images/jpeg.py", line 51 in decode\n\n\tat {WORKER}',
            "ours",
            "a program on a node crashed, 8 times at task 3 (Fatal Python error: Segmentation fault)",
        ),
        (f"{LOST}Command exited with code 134", "ours", "a program on a node crashed"),
        (f"{WORKER}\n\tat x\nCaused by: java.io.EOFException", "user", "a program on a node was killed"),
        (f"{LOST}Command exited with code 137", "user", "a program on a node was killed"),
        (
            f"{LOST}Container marked as failed: {YARN}Exit status: 137. Diagnostics: "
            "Container killed on request. "
            "Exit code is 137\nContainer exited with a non-zero exit code 137\nKilled by external signal\n",
            "user",
            "a program on a node was killed",
        ),
        (
            f"{LOST}Container marked as failed: {YARN}Exit status: -100. Diagnostics: "
            "Container released on a "
            "*lost* node",
            "aws",
            "nodes were lost",
        ),
        (
            f"{LOST}Executor heartbeat timed out after 7161 ms",
            "aws",
            "nodes were lost faster than their work could be done elsewhere, 8 times at task "
            "3 (Executor heartbeat "
            "timed out after 7161 ms)",
        ),
        (
            f"{LOST}Remote RPC client disassociated. Likely due to containers exceeding "
            "thresholds, or network "
            "issues. Check driver logs for WARN messages.",
            "aws",
            "nodes were lost",
        ),
        (f"{LOST}Command exited with code 143", "aws", "nodes were lost"),
        (
            "org.apache.spark.shuffle.MetadataFetchFailedException: Missing an output location for shuffle 0 "
            "partition 0",
            "aws",
            "nodes were lost",
        ),
    ],
)
def test_a_task_that_failed_too_often_is_told_with_its_cause(told: str, kind: str, said: str) -> None:
    failure = explain(Py4JJavaError(f"{CALL}{ABORTED}{told}{STACK}"))
    assert failure is not None
    assert failure.error.kind == kind
    assert failure.error.message.startswith(said)
    assert "8 times at task 3" in failure.error.message


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            Py4JJavaError(
                f"{CALL}org.apache.spark.SparkException: Job 0 cancelled because SparkContext was shut down"
            ),
            "the cluster ended the work of Spark",
        ),
        (
            Py4JJavaError(f"{CALL}java.lang.IllegalStateException: SparkContext has been shutdown"),
            "the cluster ended",
        ),
        (
            Py4JJavaError(f"{CALL}{ABORTED}Master removed our application: FAILED{STACK}"),
            "the cluster ended the work of Spark",
        ),
        (ConnectionRefusedError(111, "Connection refused"), "Spark's driver on the primary node ended"),
        (Py4JNetworkError("Answer from Java side is empty"), "Spark's driver on the primary node ended"),
    ],
)
def test_what_ends_all_of_spark_is_told_as_what_passes(error: Exception, said: str) -> None:
    failure = explain(error)
    assert failure is not None
    assert (failure.error.kind, "upload the manifest again" in failure.error.remedy) == ("aws", True)
    assert failure.error.message.startswith(said)


def test_a_remedy_names_the_field_of_the_manifest_that_helps() -> None:
    memory = explain(Py4JJavaError(f"{CALL}{ABORTED}{LOST}Command exited with code 137{STACK}"))
    nodes = explain(Py4JJavaError(f"{CALL}{ABORTED}{LOST}Executor heartbeat timed out after 7161 ms{STACK}"))
    assert memory
    assert "cluster.instance_types with more memory" in memory.error.remedy
    assert nodes
    assert "cluster.market: on_demand" in nodes.error.remedy


def test_an_error_in_our_own_code_is_a_defect_told_in_the_words_of_the_task() -> None:
    error = Py4JJavaError(f"{CALL}{ABORTED}{PYTHON}KeyError: 'label'\n{STACK}")
    assert explain(error) is None
    assert headline(error) == "Py4JJavaError: KeyError: 'label'"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            Py4JJavaError(f"{CALL}{ABORTED}org.x.Odd{STACK}"),
            "Py4JJavaError: Lost task 3.7 in stage 0.0 (TID 19) (127.0.0.1 executor 1): org.x.Odd",
        ),
        (
            Py4JJavaError(f"{CALL}java.lang.NullPointerException\n\tat x"),
            "Py4JJavaError: java.lang.NullPointerException",
        ),
        (ValueError("no such column\nat all"), "ValueError: no such column"),
        (KeyError(), "KeyError: "),
    ],
)
def test_a_defect_is_told_by_the_line_that_says_most(error: Exception, line: str) -> None:
    assert headline(error) == line
