"""What the child process serves: MiniStack's own application, patient with what the functions log, and behind
what is let go wrong.

After an invocation MiniStack takes the lines that the function printed, and takes 5 ms without one for the
end. On a busy machine its reading thread is kept waiting for longer, and the rest, with the metrics in it,
is not logged before that worker's next invocation, which may never come.
"""

from __future__ import annotations

import functools

from ministack.app import app as ministack
from ministack.core.lambda_runtime import Worker

from infra.local.service_failures import FailingServices

FIRST_LINE_SECONDS = 1.0
QUIET_SECONDS = 0.15
LONGEST_SECONDS = 2.0

Worker._drain_stderr_bounded = functools.partialmethod(  # it has no setting for this
    Worker._drain_stderr_bounded,
    first_line_wait=FIRST_LINE_SECONDS,
    idle_confirm=QUIET_SECONDS,
    hard_cap=LONGEST_SECONDS,
)

app = FailingServices(ministack)
