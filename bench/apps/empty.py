"""As little as FastAPI does."""

from fastapi import FastAPI

app = FastAPI()


@app.post("/assistance", status_code=201)
async def empty() -> None:
    """Do nothing."""
