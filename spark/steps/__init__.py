"""The two steps, and what both have: entry point, runner, session, progress, added-up shard statistics."""
