"""A Pulumi provider for the local cloud: each resource type of the stack, created in MiniStack.

Plugged in through the SDK's documented mocks interface, so that the stack's own program runs
unchanged, in dependency order, with real identifiers as outputs.
"""

from infra.local.provider.monitor import LocalProvider, UnknownResourceTypeError

__all__ = ["LocalProvider", "UnknownResourceTypeError"]
