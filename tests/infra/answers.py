"""A boto3 that answers what it was told, for the adapters of doctor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError


def aws_error(code: str) -> ClientError:
    """What boto3 raises when AWS answers with this code."""
    return ClientError({"Error": {"Code": code, "Message": ""}}, "Operation")


class Answers:
    """Every client at once: answers each operation with what it was given, page after page, or raises it."""

    def __init__(self, **answers: Any) -> None:
        self._answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, service: str) -> Answers:
        return self

    def __getattr__(self, operation: str) -> Any:
        def answer(**request: Any) -> Any:
            self.asked.append((operation, request))
            known = self._answers[operation]
            known = known.pop(0) if isinstance(known, list) else known
            if isinstance(known, Exception):
                raise known
            return known

        return answer

    def get_paginator(self, operation: str) -> Pages:
        return Pages(self, operation)


class Pages:
    """One page of what ``answers`` has for an operation."""

    def __init__(self, answers: Answers, operation: str) -> None:
        self._answers = answers
        self._operation = operation

    def paginate(self, **request: Any) -> Iterator[Any]:
        yield getattr(self._answers, self._operation)(**request)
