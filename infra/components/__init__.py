"""The parts of the stack, one file per concern; ``infra.program`` puts them together."""
