"""Clients of AWS, all with limits: a call that gets no answer fails while there is time to say so.

Without limits botocore waits a minute for each answer, five times over: longer than the tracker lives.
"""

from __future__ import annotations

from typing import Any

import boto3
from botocore.config import Config

CONNECT_SECONDS = 2
READ_SECONDS = 8
ATTEMPTS = 4
LONGEST_CALL_SECONDS = 50
"""A call that fails of all its attempts, with the pauses between them (below 1, 2 and 4 seconds in botocore's
standard mode): within the tracker's time-out, the shortest."""
PUBLISH_SECONDS = 6
"""For a message, which is sent once: who tells of a run's end tries again later."""
PATIENT_SECONDS = 30
PATIENT_ATTEMPTS = 5
LIMITS = Config(
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
)


def client(session: boto3.Session, service: Any) -> Any:
    """A client of that service within the limits."""
    return session.client(service, config=LIMITS)


def patient(session: boto3.Session, service: Any, connections: int) -> Any:
    """A client for a person's line, which may be slow, with so many connections at once.

    The time to connect is also what a piece of a body may take to be sent.
    """
    config = Config(
        connect_timeout=PATIENT_SECONDS,
        read_timeout=PATIENT_SECONDS,
        retries={"mode": "standard", "total_max_attempts": PATIENT_ATTEMPTS},
        max_pool_connections=connections,
    )
    return session.client(service, config=config)


def asked_once(session: boto3.Session, service: Any, call_seconds: int) -> Any:
    """A client whose calls are made once, and take so long at most."""
    once = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=call_seconds - CONNECT_SECONDS,
    )
    return session.client(service, config=once)


def table(session: boto3.Session, name: str) -> Any:
    """A table in DynamoDB, asked within the limits."""
    return session.resource("dynamodb", config=LIMITS).Table(name)
