"""Structured logs and metrics of a Lambda, both written to its log (metrics in CloudWatch's EMF)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from lambdas.contract.metrics import NAMESPACE, STACK, Sample, Service


class Telemetry:
    """One a Lambda, made on first use: :class:`lambdas.runs.ports.Meter` for one stack's metrics."""

    def __init__(self, service: Service, stack: str) -> None:
        self._logger = Logger(service=service)
        self._stack = stack

    def begin(self, context: LambdaContext, **keys: str) -> None:
        """Start a unit of work: every line until the next one carries the request and ``keys``."""
        self._logger.clear_state()
        self._logger.append_keys(function_request_id=context.aws_request_id, **keys)

    def info(self, message: str, **keys: Any) -> None:
        self._logger.info(message, extra=keys)

    def warning(self, message: str, **keys: Any) -> None:
        self._logger.warning(message, extra=keys)

    def emit(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            metric, values = sample.metric, {STACK: self._stack, **sample.dimensions}
            with single_metric(
                metric.name, MetricUnit(metric.unit), value=sample.value, namespace=NAMESPACE
            ) as emitted:
                for name in metric.schema:
                    emitted.add_dimension(name, values[name])
