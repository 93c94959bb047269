"""Part of `make mutants`: each mutant is tested in a fork of its own, so tenths of a second count."""

from __future__ import annotations

import gc

from hypothesis import Phase, settings

# Few examples, the same each time, and none is shrunk: that a mutant is noticed is all we want to know.
settings.register_profile(
    "mutants",
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],
)


def pytest_sessionstart() -> None:
    # pytest ends with several full collections, which would go through all that was imported before the fork.
    gc.freeze()
