"""The ports of :mod:`lambdas.runs` on AWS. Every adapter takes its boto3 client.

``composition`` makes clients, adapters and the use cases on them, for the functions and the commands."""
