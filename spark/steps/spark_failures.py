"""Why Spark gave up, in its own words: memory, disk, a crash, or nodes that were lost.

When a task has failed too often, its last failure travels to the driver as text, amid a Java stack trace:
``Job aborted due to stage failure: Task 3 in stage 0.0 failed 8 times, most recent failure: ...``. What YARN,
Java, Python and the standalone master say of a process that died is all in there.
Sources: Spark 3.5, ``YarnAllocator``, ``TaskSetManager``, ``PythonRunner``, ``ExecutorRunner``; Hadoop 3.3,
``ContainerExitStatus``, ``SchedulerUtils``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from spark.errors import StepFailedError

_LONGEST_QUOTE = 200
_GAVE_UP = re.compile(r"Task (?P<task>\d+) in stage [\d.]+ failed (?P<times>\d+) times")
_PYTHON_ERROR = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n)*(\S.*)")
_LAST_WORDS = re.compile(r"most recent failure: (.+)")
_JAVA_ERROR = re.compile(r"^: (.+)", re.MULTILINE)
_AGAIN = "upload the manifest again"
_LARGER_MEMORY = (
    "choose cluster.instance_types with more memory for each vCPU (r has more than m, and m than c)"
)
_LOST_REMEDY = f"{_AGAIN}; nodes of cluster.market: on_demand are not taken away"


@dataclass(frozen=True)
class Cause:
    """``sign`` is how Spark tells it, ``what`` and ``remedy`` how we do."""

    sign: re.Pattern[str]
    kind: str
    what: str
    remedy: str


def _cause(kind: str, what: str, remedy: str, *signs: str) -> Cause:
    return Cause(re.compile("|".join(f"(?:{sign})" for sign in signs)), kind, what, remedy)


def _exit(codes: str) -> str:
    """How YARN and the standalone master tell the exit code of an executor."""
    return rf"(?:Exit status: |Exit code is |exited with code )(?:{codes})\b"


CAUSES = (
    _cause(
        "user",
        "the memory of a node was used up",
        f"{_LARGER_MEMORY}, and {_AGAIN}",
        r"Container killed by YARN for exceeding [^\n]*",
        r"java\.lang\.OutOfMemoryError[^\n]*",
        r"\w*MemoryError\b[^\n]*",
        _exit("52"),  # org.apache.spark.util.SparkExitCode.OOM
    ),
    _cause(
        "user",
        "the disk of a node was full",
        f"choose larger cluster.instance_types, which have larger disks, and {_AGAIN}",
        r"No space left on device",
        r"[^\n]*local-dirs (?:are bad|usable space is below)[^\n]*",
    ),
    _cause(
        "ours",
        "a program on a node crashed",
        "report it, with the stderr of the executors: on EMR it is below logs/<cluster_id>/containers/",
        r"Fatal Python error: [^\n]*",
        _exit("134|139"),  # SIGABRT, SIGSEGV
    ),
    _cause(
        "user",
        "a program on a node was killed, as the system does when memory is used up",
        f"{_LARGER_MEMORY}, and {_AGAIN}",
        _exit("137"),  # SIGKILL
        r"Python worker exited unexpectedly",
    ),
    _cause(
        "aws",
        "nodes were lost faster than their work could be done elsewhere",
        _LOST_REMEDY,
        r"Container released on a \*lost\* node",
        r"Executor heartbeat timed out[^\n]*",
        r"Executor (?:decommission|Process Lost)[^\n]*",
        r"(?<=running tasks\) Reason: )[^\n]*",  # of an ExecutorLostFailure
        r"Missing an output location for shuffle[^\n]*",
    ),
    _cause(
        "aws",
        "the cluster ended the work of Spark: the node that managed it was lost, or too many others",
        _LOST_REMEDY,
        r"Max number of executor failures[^\n]*",
        r"(?:Master removed our application|All masters are unresponsive)[^\n]*",
        r"SparkContext (?:was shut down|has been shutdown)",
        r"Cannot call methods on a stopped SparkContext",
        r"Task serialization failed: java\.lang\.InterruptedException",
    ),
    _cause(
        "aws",
        "Spark's driver on the primary node ended",
        f"{_AGAIN}; if that happens twice, {_LARGER_MEMORY}: the primary is of the same types",
        r"^(?:Py4JNetworkError|ConnectionRefusedError)[^\n]*",  # nobody else listens to the driver's Python
        r"Answer from Java side is empty",
    ),
)
"""What is surest comes first: a node that was lost may have told of its memory before."""


def explain(error: BaseException) -> StepFailedError | None:
    """What a failure of Spark means to a person; None where its words say nothing of the above."""
    text = f"{type(error).__name__}: {error}"
    for cause in CAUSES:
        if found := cause.sign.search(text):
            gave_up = _GAVE_UP.search(text)
            times = f", {gave_up['times']} times at task {gave_up['task']}" if gave_up else ""
            quote = found[0].strip()[:_LONGEST_QUOTE]
            return StepFailedError(cause.kind, f"{cause.what}{times} ({quote})", cause.remedy)
    return None


def headline(error: BaseException) -> str:
    """The line of the error that says most: a task's or Java's, not the one that tells which call failed."""
    text = str(error).strip()
    found = _PYTHON_ERROR.search(text) or _LAST_WORDS.search(text) or _JAVA_ERROR.search(text)
    line = found[1] if found else (text.splitlines() or [""])[0]
    return f"{type(error).__name__}: {line}"
