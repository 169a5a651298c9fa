"""The annotations of a package, shapes and dtypes included, checked on every call while tests run.

By itself, jaxtyping checks arguments twice and keeps names of dimensions for every call, also where no annotation has
any: a fifth of the processor time of the library's tests. Here a call is checked once, and names are kept for functions
whose annotations have some.
"""

import inspect
from dataclasses import is_dataclass
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype

# An int may stand for a float, as everywhere in Python's typing (PEP 484). Refusals are TypeErrors, as Python's are.
_check = beartype(conf=BeartypeConf(is_pep484_tower=True, violation_type=jaxtyping.TypeCheckError))
_jaxtyped = jaxtyping.jaxtyped


def check_annotations_of(package: str) -> None:
    """Check every function, method and dataclass of a package that is not imported yet."""
    # What the hook writes before each of them.
    jaxtyping.jaxtyped = lambda typechecker: with_checks  # type: ignore[assignment]
    jaxtyping.install_import_hook(package, None)


def with_checks(thing: Any) -> Any:
    """A function that checks its calls, or a class that, being of data, checks what it is made of.

    Raises:
        TypeCheckError: where it is called, of arguments or a result that are not as annotated.
    """
    if inspect.isclass(thing):
        if is_dataclass(thing) and "__init__" in vars(thing):
            thing.__init__ = with_checks(thing.__init__)  # type: ignore[method-assign]
        return thing
    annotations = thing.__annotations__.values()
    if any(isinstance(annotation, str) for annotation in annotations):
        return _jaxtyped(thing, typechecker=_check)  # it passes over names that are there for a type checker only
    checked = _check(thing)
    return _jaxtyped(checked, typechecker=None) if any(map(_names_dimensions, annotations)) else checked


def _names_dimensions(annotation: Any) -> bool:
    """Whether an array of some shape is in it."""
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    parts = annotation if isinstance(annotation, list) else get_args(annotation)
    return any(map(_names_dimensions, parts))
