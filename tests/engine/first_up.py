"""How a stack comes up at the second try: at the first, a name is taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from pulumi.automation import CommandError

from tests.engine.left_behind import resources_of

if TYPE_CHECKING:
    from tests.engine.conftest import Deployment, Told

TAKEN = "taken-by-somebody"


@dataclass(frozen=True)
class FirstUp:
    """What each try told, and what AWS had after it."""

    deployment: Deployment
    previewed: Told
    after_preview: dict[str, list[str]]
    refused: str
    after_refusal: dict[str, list[str]]
    made: Told
    there: dict[str, list[str]]


def comes_up(deployment: Deployment) -> FirstUp:
    """A preview and two tries, the second of which succeeds."""

    def resources() -> dict[str, list[str]]:
        return resources_of(deployment.client, deployment.stack.name)

    previewed = deployment.preview()
    after_preview = resources()

    # Somebody has the name already; the rest of what can be made is made.
    deployment.client("s3").create_bucket(
        Bucket=TAKEN, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    deployment.configure(dataBucketName=TAKEN)
    with pytest.raises(CommandError) as refused:
        deployment.up()
    deployment.configure(dataBucketName=None)
    after_refusal = resources()

    made = deployment.up()
    return FirstUp(deployment, previewed, after_preview, str(refused.value), after_refusal, made, resources())
