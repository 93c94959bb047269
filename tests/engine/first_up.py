"""How a stack comes up at the third try: at the first a name is taken, at the second the engine is killed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pulumi.automation import CommandError

from tests.engine.killed_up import up_until
from tests.engine.left_behind import unknown_to

if TYPE_CHECKING:
    from tests.engine.conftest import Deployment, Told

TAKEN = "taken-by-somebody"
SOME_OF_ALL = 60
"""Resources that are created when the engine is killed: some of everything, and not yet all."""


@dataclass(frozen=True)
class FirstUp:
    """What each try told, and what AWS had after it."""

    deployment: Deployment
    previewed: Told
    after_preview: dict[str, list[str]]
    refused: str
    after_refusal: dict[str, list[str]]
    created_before_the_kill: list[str]
    """The lines that said so."""
    in_the_making: int
    """How many resources the engine was making when it was killed."""
    made: Told
    there: dict[str, list[str]]


def comes_up(deployment: Deployment, build: Path) -> FirstUp:
    """A preview and three tries, the third of which succeeds."""
    previewed = deployment.preview()
    after_preview = deployment.resources()

    # Somebody has the name already; the rest of what can be made is made.
    deployment.client("s3").create_bucket(
        Bucket=TAKEN, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    deployment.configure(dataBucketName=TAKEN)
    with pytest.raises(CommandError) as refused:
        deployment.up()
    deployment.configure(dataBucketName=None)
    after_refusal = deployment.resources()

    stack = deployment.stack
    created = up_until(
        SOME_OF_ALL, stack.name, Path(stack.workspace.work_dir), build, deployment.aws.environment
    )
    # What a person has to do after it, by docs/deploy.md: the dead engine still holds the lock.
    stack.cancel()
    pending = stack.export_stack().deployment.get("pending_operations", ())
    made = deployment.up()
    # What was being made in that very second may be there, and is made once more.
    deployment.leftovers = unknown_to(stack.export_stack().deployment, deployment.resources())
    return FirstUp(
        deployment,
        previewed,
        after_preview,
        str(refused.value),
        after_refusal,
        created,
        len(pending),
        made,
        deployment.resources(),
    )
