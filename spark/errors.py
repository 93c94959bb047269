"""The one exception that a step ends with, and how it crosses the border between worker and driver.

::

    StepFailedError            kind, message, remedy: what a person needs
      kind "user"          the manifest or its limits: change it
      kind "data"          the images or results: look at them
      kind "aws"           storage or cluster: permissions, availability
      kind "ours"          a defect or a broken deployment
"""

from __future__ import annotations

import re

from lambdas.contract.report import StepError

_REMEDY = " What to do: "
_RAISED_BY_WORKER = re.compile(
    rf"^spark\.errors\.StepFailedError: (?P<kind>\w+): (?P<message>.*?){_REMEDY}(?P<remedy>.*)$",
    re.MULTILINE,
)


class StepFailedError(Exception):
    """A step cannot go on. The text is one line for people, the fields go into the step report."""

    def __init__(self, kind: str, message: str, remedy: str) -> None:
        self.error = StepError(kind, " ".join(message.split()), " ".join(remedy.split()))
        super().__init__(kind, message, remedy)

    def __str__(self) -> str:
        return f"{self.error.kind}: {self.error.message}{_REMEDY}{self.error.remedy}"


def raised_by_worker(text: str) -> StepFailedError | None:
    """Find the :class:`StepFailedError` of a task in the text that Spark makes of a failed job.

    Spark carries a Python worker's exception to the driver as the text of its traceback only.
    """
    found = _RAISED_BY_WORKER.search(text)
    return StepFailedError(found["kind"], found["message"], found["remedy"]) if found else None


def as_step_failure(error: BaseException) -> StepFailedError | None:
    """What ``error`` means to a person; None when it is a defect of ours that needs its traceback."""
    if isinstance(error, StepFailedError):
        return error
    return raised_by_worker(str(error))
