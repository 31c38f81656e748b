"""The deployment of railway.json as .railway/railway.py; keep one of the two formats, not both.

Made by `python -m app.observability railway migrate`. To use it: copy it to .railway/railway.py, run
`railway config plan` and read every line. It must not remove a variable, a volume or a service:
whatever the file leaves out is removed. Variables keep the values that Railway holds. Then delete
railway.json and run `railway config apply`. Project and service bear their names on Railway.
"""
# ruff: noqa: E501

from railway_sdk import define_railway, preserve, project, service

PARTIAL = "streamapi"


@define_railway
def main(ctx=None):
    """Describe the project for Railway."""
    app = service(
        "streamapi",
        build={
            "builder": "RAILPACK",
        },
        start="exec uvicorn app.main:app --host 0.0.0.0 --port ${PORT:-8000} --proxy-headers --forwarded-allow-ips '*' --timeout-graceful-shutdown 20",
        healthcheck="/health",
        healthcheckTimeout=120,
        deploy={
            "restartPolicyType": "ON_FAILURE",
            "restartPolicyMaxRetries": 10,
            "overlapSeconds": 5,
            "drainingSeconds": 30,
        },
        env={
            "DATABASE_URL": preserve(),
            "SENTRY_DSN": preserve(),
            "SENTRY_ENABLED": preserve(),
            "SENTRY_ENVIRONMENT": preserve(),
            "SENTRY_TRACES_SAMPLE_RATE": preserve(),
        },
    )
    return project("streamapi", resources=[app])
