"""A Pulumi provider for the local cloud: each resource type of the stack, living in MiniStack.

The same kinds are served in two ways, and the stack's program runs unchanged in both: to Pulumi's engine, as
a plugin, and in process, through the SDK's mocks interface.
"""

from infra.local.provider.kinds import UnknownResourceTypeError
from infra.local.provider.monitor import LocalProvider

__all__ = ["LocalProvider", "UnknownResourceTypeError"]
