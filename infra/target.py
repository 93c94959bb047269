"""What everything is built for: the Lambda runtime, the nodes' interpreter and the wheels."""

from __future__ import annotations

PYTHON_VERSION = "3.11"
"""As pyproject.toml's requires-python."""
ARCHITECTURE = "x86_64"
"""Of Lambdas, and of nodes unless a manifest names Graviton machines."""
ARM = "aarch64"
"""Of those, as wheels name it; EC2 says arm64. The Makefile fetches nodes' wheels for both."""
