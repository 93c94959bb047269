"""What the life of a workbench needs of AWS beside its cluster: the way in, and the password.

Beside the other ports (:mod:`lambdas.runs.ports`), so that a use case runs without AWS.
"""

from __future__ import annotations

from typing import Protocol


class Door(Protocol):
    """The stack's one door. All of it may be repeated, with the same effect."""

    def new_password(self, run_id: str) -> str:
        """Make a password for the workbench, instead of any that it has, and keep it for people.

        Returns:
            What the workbench checks it by (:func:`lambdas.contract.workbench.login_json`).
        """
        ...

    def open(self, address: str) -> None:
        """From now on the door leads to the machine with this private address."""
        ...

    def close(self, address: str) -> None:
        """From now on it does not lead there."""
        ...

    def forget_password(self, run_id: str) -> None:
        """Delete the workbench's password; nothing happens when there is none."""
        ...
