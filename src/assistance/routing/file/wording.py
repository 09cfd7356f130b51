"""What pydantic finds wrong, in the words of somebody who writes a routing file. No value is ever repeated."""

from collections.abc import Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from assistance.routing.problem import meant

_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must hold keys and values",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "list_type": "must be a list: [a, b]",
    "model_attributes_type": "must hold keys and values",
    "model_type": "must hold keys and values",
    "string_too_short": "must not be empty",
    "string_type": "must be text; a number or true/false that is meant as text is written in quotes",
    "tuple_type": "must be a list: [a, b]",
    "url_parsing": "must be a URL: https://…",
}


def explained(error: ErrorDetails, model: type[BaseModel]) -> str:
    """The error in plain words; `model` is what was being read."""
    kind, loc, context = error["type"], error["loc"], error.get("ctx", {})
    if kind == "missing":
        return f"{loc[-1]} is missing"
    if kind == "extra_forbidden":
        return f"unknown key; {meant(loc[-1], _keys(model, loc[:-1]))}"
    if kind == "value_error":
        return str(context["error"])
    if kind in {"enum", "literal_error"}:
        return f"must be one of: {context['expected']}".replace("'", "").replace(" or ", ", ")
    if kind == "too_short":
        return f"needs at least {context['min_length']} of them"
    return _WORDS.get(kind) or error["msg"].replace("Input should", "must").replace("String should", "must")


def _keys(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model at `loc` knows."""
    annotation: Any = model
    for part in loc:
        annotation = _below(annotation, part)
    return list(_fields(annotation))


def _below(annotation: Any, part: str | int) -> Any:
    if get_origin(annotation) in {Union, UnionType}:
        return next((below for one in get_args(annotation) if (below := _below(one, part)) is not None), None)
    if get_origin(annotation) in {list, tuple}:
        return get_args(annotation)[0]
    if get_origin(annotation) in {dict, Mapping}:
        return get_args(annotation)[1]
    return _fields(annotation).get(str(part))


def _fields(annotation: Any) -> dict[str, Any]:
    if get_origin(annotation) in {Union, UnionType}:
        return {name: field for one in get_args(annotation) for name, field in _fields(one).items()}
    if not isinstance(annotation, type) or not issubclass(annotation, BaseModel):
        return {}
    return {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
