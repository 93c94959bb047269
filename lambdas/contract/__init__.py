"""What the Lambdas, the Spark steps and the infrastructure agree on.

Pure and free of I/O. Only :mod:`lambdas.contract.manifest` needs more than the standard library (pydantic);
Spark workers import everything else from a plain zip.
"""
