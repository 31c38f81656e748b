"""The command line for ops: `python -m app.observability`.

Nothing here is imported by a running service. It reads the same settings as the service does, talks to
Sentry's web API with a token of its own, and never prints a secret.
"""
