"""The door to a workbench: a target of the stack's load balancer, and a secret."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from lambdas.aws.errors import error_code
from lambdas.contract.settings import DoorSettings
from lambdas.contract.workbench import PORT, login_json

PASSWORD_BYTES = 18
"""24 characters, 144 bits."""
SALT_BYTES = 16


class AwsDoor:
    """Implements :class:`lambdas.runs.door.Door`. ``client`` makes the client of a service: when it is needed
    first, since functions of stacks without workbenches should not start later for it."""

    def __init__(self, client: Callable[[str], Any], settings: DoorSettings) -> None:
        self._client, self._settings = client, settings

    @cached_property
    def _balancer(self) -> Any:
        return self._client("elbv2")

    @cached_property
    def _secrets(self) -> Any:
        return self._client("secretsmanager")

    def new_password(self, run_id: str) -> str:
        password, name = secrets.token_urlsafe(PASSWORD_BYTES), self._secret(run_id)
        try:
            self._secrets.create_secret(
                Name=name,
                Description=f"Password of the workbench {run_id}; deleted when it ends",
                KmsKeyId=self._settings.workbench_key_arn,
                SecretString=password,
            )
        except ClientError as error:
            if error_code(error) != "ResourceExistsException":
                raise
            self._secrets.put_secret_value(SecretId=name, SecretString=password)
        return login_json(password, secrets.token_bytes(SALT_BYTES))

    def open(self, address: str) -> None:
        self._balancer.register_targets(
            TargetGroupArn=self._settings.workbench_target_group, Targets=[{"Id": address, "Port": PORT}]
        )

    def close(self, address: str) -> None:
        if not self._settings.workbench_target_group:
            return  # the stack was deployed without a door since
        self._balancer.deregister_targets(
            TargetGroupArn=self._settings.workbench_target_group, Targets=[{"Id": address, "Port": PORT}]
        )

    def forget_password(self, run_id: str) -> None:
        if not self._settings.workbench_secrets:
            return
        try:
            self._secrets.delete_secret(SecretId=self._secret(run_id), ForceDeleteWithoutRecovery=True)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise

    def _secret(self, run_id: str) -> str:
        return f"{self._settings.workbench_secrets}{run_id}"


def secret_text(secrets_manager: Any, name: str) -> str | None:
    """The text of the secret of that name; None where there is none, or it is being deleted.

    Raises:
        ClientError: AWS refuses, or fails.
    """
    try:
        return str(secrets_manager.get_secret_value(SecretId=name)["SecretString"])
    except ClientError as error:
        if error_code(error) not in {"ResourceNotFoundException", "InvalidRequestException"}:
            raise
        return None
