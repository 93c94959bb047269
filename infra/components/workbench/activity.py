"""When a kernel of the workbench was last busy, for whoever ends it when it is idle.

Asks JupyterHub, by the kernels' own activity: that of the hub and its servers is also that of a browser which
was left open. Runs on the primary node, with the Python that is there and no library of ours.
"""

from __future__ import annotations

import argparse
import json
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NO_SERVER = (404, 424, 503)
"""What JupyterHub answers for a server that is not running."""


def last_active(kernels: Iterable[Mapping[str, Any]], before: float | None, now: float) -> float:
    """When a kernel was last busy (Unix seconds).

    ``kernels``: as Jupyter's ``/api/kernels`` lists them. ``before``: the answer of the last time; None at
    the first, which counts as activity. A kernel that is gone was last active when it was seen to be.
    """
    known = [now if before is None else before]
    for kernel in kernels:
        if kernel.get("execution_state") in ("busy", "starting"):
            known.append(now)
        elif (at := _seconds(kernel.get("last_activity"))) is not None:
            known.append(min(now, at))
    return max(known)


def _seconds(written: object) -> float | None:
    """Jupyter's time, such as ``2026-01-02T03:04:05.678901Z``; None where it is none."""
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def kernels_of(hub: str, user: str, token: str, certificate: str) -> list[dict[str, Any]]:
    """What Jupyter lists; nothing where the account has no server.

    Raises:
        OSError: JupyterHub does not answer.
    """
    trusted = ssl.create_default_context(cafile=certificate)
    address, headers = f"{hub}/user/{user}/api/kernels", {"Authorization": f"token {token}"}
    request = urllib.request.Request(address, headers=headers)  # noqa: S310  # always the hub of this machine
    try:
        with urllib.request.urlopen(request, timeout=20, context=trusted) as answer:  # noqa: S310  # as above
            found: list[dict[str, Any]] = json.load(answer)
    except urllib.error.HTTPError as error:
        if error.code in NO_SERVER:
            return []
        raise
    return found


def main() -> None:
    """Write the state anew."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("hub", "user", "token", "certificate", "fingerprint", "state"):
        parser.add_argument(f"--{name}", required=True)
    given = parser.parse_args()
    state = Path(given.state)
    before = json.loads(state.read_text())["last_active_at"] if state.exists() else None
    kernels = kernels_of(given.hub, given.user, Path(given.token).read_text(), given.certificate)
    document = {
        "version": 1,
        "last_active_at": last_active(kernels, before, time.time()),
        "kernels": len(kernels),
        "certificate_sha256": given.fingerprint,
    }
    state.write_text(json.dumps(document) + "\n")


if __name__ == "__main__":
    main()
