"""The faults of a file in our own words: key path, what stands there, what may stand there."""

import difflib
from collections.abc import Iterable
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from scenarios.errors import Problem
from scenarios.spec.authority import TRUST_DOMAIN_PATTERN
from scenarios.spec.fault_kinds import KINDS
from scenarios.spec.regime import NAME_PATTERN
from scenarios.spec.schema import PERMISSION_PATTERN, Scenario

_SIMPLE = {
    "missing": "is required",
    "too_short": "must not be empty",
    "float_type": "must be a number",
    "int_type": "must be a whole number",
    "string_type": "must be a text in quotes",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "model_type": "must be a table",
    "finite_number": "must be a finite number",
}
_SIGNS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_PATTERNS = {
    NAME_PATTERN: "must be lower-case letters, digits and hyphens, at most 64",
    PERMISSION_PATTERN: "must be resource:action in lower case, as in 'tickets:read'",
    TRUST_DOMAIN_PATTERN: "must be lower-case letters, digits, dots, hyphens or underscores",
}
_LONGEST = 60


def faults(exc: ValidationError, root: type[BaseModel] = Scenario) -> list[Problem]:
    """Return the faults of a file, without those that only follow from another one.

    pydantic calls a list too short whose only members are faulty; the members say why.

    Args:
        exc: what pydantic found.
        root: the model that the file was read as, for hints at misspelt keys.
    """
    return [
        _problem(error, root)
        for error in exc.errors()
        if not (error["type"] == "too_short" and len(error["input"]) > 0)
    ]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known word closest to ``word``, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _problem(error: ErrorDetails, root: type[BaseModel]) -> Problem:
    location, path = _without_tags(error["loc"]), ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    if error["type"] == "extra_forbidden":
        return Problem(path, "", f"is no key of this table{_near(error['loc'], root)}")
    if error["type"].startswith("union_tag"):
        kind = error["input"].get("kind") if isinstance(error["input"], dict) else None
        return Problem(f"{path}.kind", "" if kind is None else short(kind), _allowed(error))
    found = "" if error["type"] == "missing" else short(error["input"])
    return Problem(path, found, _allowed(error))


def _without_tags(location: tuple[int | str, ...]) -> tuple[int | str, ...]:
    """Return where a fault lies in the file: pydantic names the kind of a union's member, too."""
    return tuple(
        part
        for place, part in enumerate(location)
        if not (place and isinstance(location[place - 1], int) and part in KINDS)
    )


def _allowed(error: ErrorDetails) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "tuple_type" and isinstance(error["input"], dict):
        return f"must be a list of tables, [[{error['loc'][-1]}]]"
    if kind == "union_tag_not_found":
        return _SIMPLE["missing"]
    if kind == "union_tag_invalid":
        return f"must be one of {context['expected_tags']}"
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    if kind in {"greater_than", "greater_than_equal", "less_than", "less_than_equal"}:
        ((sign, bound),) = context.items()
        shown = f"{bound:,}" if isinstance(bound, int) else f"{bound:g}"
        return f"must be {_SIGNS[sign]} {shown}"
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries"
    if kind == "string_pattern_mismatch":
        return _PATTERNS.get(context["pattern"], f"must match {context['pattern']}")
    if kind == "literal_error":
        return f"must be {context['expected']}"
    return error["msg"][0].lower() + error["msg"][1:]


def short(value: object) -> str:
    """Return a value as TOML would write it, cut to fit a line."""
    text = str(value).lower() if isinstance(value, bool) else repr(_listed(value))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _listed(value: object) -> object:
    return [_listed(inner) for inner in value] if isinstance(value, tuple) else value


def _near(location: tuple[int | str, ...], root: type[BaseModel]) -> str:
    """Return the hint for an unknown key, from the keys of the table that it stands in."""
    model: Any = root
    for part in location[:-1]:
        if part in KINDS:
            model = KINDS[str(part)]
        elif isinstance(part, str) and _is_model(model):
            annotation = model.model_fields[part].annotation if part in model.model_fields else None
            model = _model_inside(annotation)
    return did_you_mean(str(location[-1]), model.model_fields) if _is_model(model) else ""


def _is_model(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseModel)


def _model_inside(annotation: Any) -> Any:  # noqa: ANN401  (a type annotation of any shape)
    """Return the model that a field's annotation wraps in tuples, unions or Annotated."""
    if _is_model(annotation):
        return annotation
    if get_origin(annotation) in {tuple, Union, UnionType} or hasattr(annotation, "__metadata__"):
        for inner in get_args(annotation):
            found = _model_inside(inner)
            if found is not None:
                return found
    return None
