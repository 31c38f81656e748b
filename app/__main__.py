"""`python -m app`: serve on PORT, with the variables of a `.env` file if there is one."""

import uvicorn
from dotenv import load_dotenv

from app.settings import AppSettings, on_railway

# The same as in Procfile and railway.json, where a test compares them.
GRACEFUL_SHUTDOWN_S = 20


def main() -> None:
    """Serve until a signal ends the process."""
    load_dotenv(".env")
    settings = AppSettings.load()
    uvicorn.run(
        "app.main:app",
        host=settings.host,
        port=settings.port,
        log_level=settings.log_level.value,
        timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        # Railway's proxy has no fixed address; anywhere else only a proxy on this machine is believed.
        forwarded_allow_ips="*" if on_railway() else None,
    )


if __name__ == "__main__":
    main()
