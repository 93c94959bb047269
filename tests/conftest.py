pytest_plugins = ["tests.aws_models.plugin", "tests.tiers"]
