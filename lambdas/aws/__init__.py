"""The ports of :mod:`lambdas.ports` on AWS. Every adapter takes its boto3 client."""
