"""Secrets by reference: a file that people share names where a secret is, and never holds it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


class MissingSecretError(LookupError):
    """The environment variable or file that a secret refers to is not there."""


class Secret:
    """A value that is looked up by reference, and that no log, error or `repr` ever shows.

    Written as `env:NAME` or `file:PATH`; anything else is refused, so that no secret stands in clear.
    The validation context's `environ` is where names are looked up (default: the process's environment).
    """

    __slots__ = ("_value", "source")

    def __init__(self, source: str, value: str | None) -> None:
        """Keep `value`, found at `source`; None when there is nothing at `source`."""
        self.source = source
        self._value = value

    @classmethod
    def find(cls, source: str, environ: Mapping[str, str]) -> "Secret":
        """Look `source` up. Raises ValueError, without echoing it, when it is not a reference."""
        where, _, name = source.partition(":")
        if where == "env" and name:
            return cls(source, environ.get(name) or None)
        if where == "file" and name:
            try:
                return cls(source, Path(name).read_text(encoding="utf-8").strip() or None)
            except (OSError, UnicodeDecodeError):
                return cls(source, None)
        raise ValueError("a secret must be a reference, env:NAME or file:PATH, never the value itself")

    @property
    def missing(self) -> bool:
        """Whether there is nothing at `source`."""
        return self._value is None

    def reveal(self) -> str:
        """The value. Raises MissingSecretError when there is none."""
        if self._value is None:
            raise MissingSecretError(f"{self.source} is not set")
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.source!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self.source, self._value) == (other.source, other._value)

    def __hash__(self) -> int:
        return hash(self.source)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(source: str, info: ValidationInfo) -> "Secret":
            environ = (info.context or {}).get("environ", os.environ)
            return cls.find(source, environ)

        return core_schema.with_info_after_validator_function(
            validate,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.source),
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": "^(env|file):.+", "examples": ["env:SLACK_TOKEN"]}
