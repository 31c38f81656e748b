"""A host application that fails on demand, for storms and shutdowns."""

from fastapi import FastAPI

from app.observability import init_sentry

app = FastAPI()
handle = init_sentry(app)


@app.get("/health")
async def health() -> str:
    return "ok"


@app.get("/fail")
async def fail() -> None:
    raise ValueError("the partner's answer is empty")


@app.get("/fail/{kind}")
async def fail_in_own_way(kind: int) -> None:
    raise type(f"Failure{kind}Error", (Exception,), {})(f"failure {kind}")


@app.get("/well")
async def well() -> dict[str, bool]:
    return {"ok": True}
