"""Who may call what: the bearer token of a request, and the roles that a route lets in."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.concurrency import run_in_threadpool

from serving.accounts.auth import ANALYSTS, READERS, SCIENTISTS, SCORERS, WORKERS, Identity, Role
from serving.errors import Forbidden, Unauthenticated
from serving.runtime import Runtime

_bearer = HTTPBearer(auto_error=False, description="A token made with `frontline token create`.")


async def runtime_of(request: Request) -> Runtime:
    """The runtime behind the application."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def allow(*roles: Role) -> Callable[..., Awaitable[Identity]]:
    """A dependency that lets these roles in. It raises Unauthenticated or Forbidden."""

    async def identify(
        request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
    ) -> Identity:
        if credentials is None:
            raise Unauthenticated("send a token as `Authorization: Bearer fl_…`", field="Authorization")
        runtime, token = await runtime_of(request), credentials.credentials
        identity = runtime.identities.known(token)
        if identity is None:
            identity = await run_in_threadpool(runtime.identities.find, token)
        if identity.role not in roles:
            raise Forbidden(f"the role {identity.role} may not do this; these may: {', '.join(roles)}")
        return identity

    return identify


In = Annotated[Runtime, Depends(runtime_of)]
Intake = Annotated[Identity, Depends(allow(*SCORERS))]
Reader = Annotated[Identity, Depends(allow(*READERS))]
Reviewer = Annotated[Identity, Depends(allow(*WORKERS))]
Scientist = Annotated[Identity, Depends(allow(*SCIENTISTS))]
Analyst = Annotated[Identity, Depends(allow(*ANALYSTS))]
