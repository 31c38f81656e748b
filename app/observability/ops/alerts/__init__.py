"""Alert rules as code: `sentry/alerts.toml` compared with, and written to, Sentry's monitors and alerts.

A *monitor* (Sentry's API: detector) watches a number and opens an issue. An *alert* (API: workflow) notifies
people about new issues. Sentry switched its older alert API off in August 2026; nothing here uses it.
"""
