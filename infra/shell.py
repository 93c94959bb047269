"""What a shell is told of the stack, to work with it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from infra.components.artifacts import Artifacts
from infra.components.door import Door
from infra.config import StackConfig
from infra.naming import Naming
from lambdas.contract.settings import CommandSettings, env_name


def lines_for_shell(
    naming: Naming,
    config: StackConfig,
    artifacts: Artifacts,
    bucket: pulumi.Input[str],
    table: pulumi.Input[str],
    queue: pulumi.Input[str],
    functions: Mapping[str, aws.lambda_.Function],
    door: Door | None,
) -> pulumi.Output[str]:
    """Lines for a shell to evaluate, after which the commands for people know this stack.

    The functions and their logs are for the runbook: their names end in digits that nobody can guess.
    """
    settings = pulumi.Output.all(
        data_bucket=bucket,
        ledger_table=table,
        failure_queue_url=queue,
        workbench_address=door.address if door else "",
    ).apply(
        lambda known: CommandSettings(
            region=naming.region,
            prefix=naming.prefix,
            release_label=config.release_label,
            **config.caps.as_settings(),
            node_architectures=artifacts.node_architectures,
            graviton_speed=str(config.graviton_speed),
            **known,
        ).to_env()
    )
    # The AWS CLI, which the runbook types, goes by these; its first version overlooks the first.
    named: dict[str, pulumi.Input[str]] = {"AWS_REGION": naming.region, "AWS_DEFAULT_REGION": naming.region}
    named |= {
        env_name(short_name + part): name
        for short_name, function in functions.items()
        for part, name in (("", function.name), ("_log", function.logging_config.log_group))
    }
    return pulumi.Output.all(settings, named).apply(
        lambda known: "\n".join(
            f"export {name}={shlex.quote(value)}" for name, value in {**known[0], **known[1]}.items()
        )
    )
