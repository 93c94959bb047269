"""The parts of the stack, one file a concern; ``infra.program`` puts them together."""
