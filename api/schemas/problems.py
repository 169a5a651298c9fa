"""The one shape of every error (RFC 9457, `application/problem+json`)."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One thing that is wrong with a request, and where."""

    detail: str
    code: str = Field(description="the kind of fault, for programs", examples=["greater_than"])
    pointer: str | None = Field(default=None, description="JSON pointer into the body", examples=["#/network/hidden/0"])
    parameter: str | None = Field(default=None, description="name of a header or of a parameter", examples=["limit"])
    location: Literal["path", "query", "header", "cookie"] | None = Field(
        default=None, description="part of the request that has the parameter"
    )


class Problem(BaseModel):
    """Why a request was refused. `code` never changes and is for programs; `detail` is for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="address of the page about it", examples=["/problems/fit_not_found"])
    title: str = Field(examples=["No such fit"])
    status: int = Field(examples=[404])
    detail: str
    instance: str = Field(description="path of the request", examples=["/fits/fit_0"])
    code: str = Field(examples=["fit_not_found"])
    request_id: str = Field(description="id of the request, also in the X-Request-Id header and in the server's log")
    errors: list[Fault] | None = Field(default=None, description="each fault of an invalid request")


class ProblemKind(BaseModel):
    """A problem that requests to this service can meet."""

    type: str = Field(
        description="address of the page about this kind of problem, as in problem documents",
        examples=["/problems/fit_not_found"],
    )
    code: str = Field(examples=["fit_not_found"])
    status: int = Field(examples=[404])
    title: str = Field(examples=["No such fit"])
    meaning: str = Field(examples=["No fit with this id belongs to the tenant."])


class ProblemList(BaseModel):
    """Every problem, by its code."""

    data: list[ProblemKind]
