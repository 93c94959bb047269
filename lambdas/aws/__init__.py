"""The ports of :mod:`lambdas.runs.ports` on AWS. Every adapter takes its boto3 client."""
