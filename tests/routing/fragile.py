"""A channel as another package might bring it: nested settings, and validation that fails in unforeseen ways."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from assistance.channels import Channel
from assistance.settings import Secret


class Nested(BaseModel):
    """Settings within settings."""

    model_config = ConfigDict(extra="forbid")
    inner: int = 0


class Fragile(Channel):
    """Fails in the way that `boom` names."""

    boom: str = ""
    nested: Nested | None = None
    many: tuple[Nested, ...] = ()

    @model_validator(mode="after")
    def fail(self) -> Self:
        if self.boom == "bug":
            raise ZeroDivisionError
        if self.boom == "secret":
            Secret("env:GONE", None).reveal()
        return self
