"""What everything is built for: the Lambda runtime, the nodes' interpreter and the wheels."""

from __future__ import annotations

PYTHON_VERSION = "3.11"
"""As pyproject.toml's requires-python."""
ARCHITECTURE = "x86_64"
"""Of Lambdas and nodes; `infra.package` and the Makefile fetch native wheels for no other."""
