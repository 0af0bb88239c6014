"""Describes what the routes read by themselves: request bodies and keys. Serves /docs alone."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

_REFERENCE = "#/components/schemas/{model}"
# Either a key, or nothing on a server without keys.
_SECURITY: list[dict[str, list[str]]] = [{"key": []}, {}]


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """What a route says of a JSON body that it reads by itself."""
    schema = {"$ref": _REFERENCE.format(model=model.__name__)}
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "security": _SECURITY,
    }


def describe(app: FastAPI, *bodies: type[BaseModel]) -> None:
    """Add the schemas of `bodies` and the keys to the application's description."""
    build = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            components = build().setdefault("components", {})
            _, schemas = models_json_schema(
                [(body, "validation") for body in bodies], ref_template=_REFERENCE
            )
            components.setdefault("schemas", {}).update(schemas["$defs"])
            components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        assert app.openapi_schema is not None
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
