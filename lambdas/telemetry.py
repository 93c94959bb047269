"""Structured logs and metrics of a Lambda, both written to its log (metrics in CloudWatch's EMF)."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools import Logger, single_metric
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

METRICS_NAMESPACE = "Fruits"


class Telemetry:
    """One a Lambda, made on first use. Ids belong in logs; metric dimensions are few and repeat."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._logger = Logger(service=service)

    def begin(self, context: LambdaContext, **keys: str) -> None:
        """Start a unit of work: every line until the next one carries the request and ``keys``."""
        self._logger.clear_state()
        self._logger.append_keys(function_request_id=context.aws_request_id, **keys)

    def info(self, message: str, **keys: Any) -> None:
        self._logger.info(message, extra=keys)

    def warning(self, message: str, **keys: Any) -> None:
        self._logger.warning(message, extra=keys)

    def count(self, metric: str, **dimensions: str) -> None:
        """Count one occurrence under the given dimensions."""
        self.measure(metric, 1, MetricUnit.Count, **dimensions)

    def measure(self, metric: str, value: float, unit: MetricUnit, **dimensions: str) -> None:
        """Record one value under the given dimensions."""
        with single_metric(metric, unit, value=value, namespace=METRICS_NAMESPACE) as emitted:
            for name, text in {"service": self._service, **dimensions}.items():
                emitted.add_dimension(name, text)

    def gauge(self, **values: float) -> None:
        """Give the present value of each metric named."""
        for metric, value in values.items():
            self.measure(metric, value, MetricUnit.NoUnit)
