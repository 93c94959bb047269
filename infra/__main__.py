"""What `pulumi up` runs."""

from __future__ import annotations

import pulumi

from infra.config import load
from infra.program import BUILD, LOCK_FILE, deploy

for name, value in deploy(load(LOCK_FILE), BUILD).items():
    pulumi.export(name, value)
