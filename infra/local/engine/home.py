"""A Pulumi home of our own: the local provider in place of the AWS one, and a state in files."""

from __future__ import annotations

import shlex
import sys
from importlib.metadata import version
from pathlib import Path

from infra.program import REPOSITORY

PASSPHRASE = "local"  # noqa: S105  # the state of a local cloud holds no secret
PLUGIN = "pulumi-resource-aws"


def make_home(folder: Path) -> dict[str, str]:
    """Make the home and return the variables that point the CLI at it. Neither touches a person's own."""
    plugin = folder / "plugins" / f"resource-aws-v{version('pulumi-aws')}"
    plugin.mkdir(parents=True, exist_ok=True)
    script = plugin / PLUGIN
    script.write_text(
        f"#!/bin/sh\nPYTHONPATH={shlex.quote(str(REPOSITORY))}${{PYTHONPATH:+:$PYTHONPATH}} "
        f"exec {shlex.quote(sys.executable)} -m infra.local.provider.plugin\n"
    )
    script.chmod(0o755)
    state = folder / "state"
    state.mkdir(exist_ok=True)
    return {
        "PULUMI_HOME": str(folder),
        # Without the second file that the engine keeps of each state, which it does not write atomically: an
        # engine that is killed while it does leaves a state that cannot be read.
        "PULUMI_BACKEND_URL": f"{state.as_uri()}?metadata=skip",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_DISABLE_REGISTRY_RESOLVE": "true",
    }
