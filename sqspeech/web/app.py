"""The page's addresses: itself, recordings, jobs and their files."""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from sqspeech import __version__
from sqspeech.errors import DataError, SqspeechError
from sqspeech.web.desk import Desk

COOKIE = "sqspeech"
# Nothing is loaded from elsewhere, the page is in no frame of another, and a file is never taken for a page.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; media-src 'self' blob:; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
# Of files that are given out; any other is a download.
MEDIA = {
    **{".wav": "audio/wav", ".flac": "audio/flac", ".mp3": "audio/mpeg", ".ogg": "audio/ogg", ".opus": "audio/ogg"},
    **{".png": "image/png", ".json": "application/json", ".csv": "text/csv"},
}
ORDER_LIMIT = 100_000

type Handler = Callable[[Request, str], Awaitable[Response]]


def make_app(desk: Desk, hosts: list[str]) -> Starlette:
    """Return the page as an ASGI application.

    Parameters
    ----------
    desk
        What it gives out and takes in.
    hosts
        The names that it answers to, so that a foreign page whose name leads here is refused; `*` is any.
    """
    pages = {path.name: path.read_bytes() for path in files(__package__).joinpath("page").iterdir()}

    async def page(request: Request, session: str) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in pages:
            raise HTTPException(404)
        headers = {"Cache-Control": "no-cache"}
        return Response(pages[name], media_type=TYPES[Path(name).suffix], headers=headers)

    async def state(request: Request, session: str) -> Response:
        return JSONResponse({"version": __version__, **await run_in_threadpool(desk.state, session)})

    async def upload(request: Request, session: str) -> Response:
        if int(request.headers.get("content-length", "0")) > desk.storage.limit:
            raise DataError(f"more than {desk.storage.limit / 1e6:g} MB; convert it in parts")
        name = request.query_params.get("name", "recording")
        return JSONResponse(desk.describe_recording(await desk.storage.receive(session, name, request.stream())))

    async def recording(request: Request, session: str) -> Response:
        return _file(desk.storage.recording(session, request.path_params["id"]))

    async def forget_recording(request: Request, session: str) -> Response:
        folder = desk.storage.folder(session, "recordings", request.path_params["id"])
        await run_in_threadpool(desk.storage.remove, folder)
        return JSONResponse({})

    async def order(request: Request, session: str) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > ORDER_LIMIT:
                raise DataError("the order is too long")
        return JSONResponse(desk.order(session, body).summary())

    async def job(request: Request, session: str) -> Response:
        return JSONResponse(desk.job(session, request.path_params["id"]).result)

    async def stop(request: Request, session: str) -> Response:
        await run_in_threadpool(desk.jobs.stop, desk.job(session, request.path_params["id"]))
        return JSONResponse({})

    async def forget(request: Request, session: str) -> Response:
        await run_in_threadpool(desk.forget, desk.job(session, request.path_params["id"]))
        return JSONResponse({})

    async def result(request: Request, session: str) -> Response:
        return _file(desk.result(session, request.path_params["id"], request.path_params["name"]))

    routes: list[tuple[str, Handler, str]] = [
        ("/", page, "GET"),
        ("/state", state, "GET"),
        ("/recordings", upload, "POST"),
        ("/recordings/{id}", recording, "GET"),
        ("/recordings/{id}", forget_recording, "DELETE"),
        ("/jobs", order, "POST"),
        ("/jobs/{id}", job, "GET"),
        ("/jobs/{id}", forget, "DELETE"),
        ("/jobs/{id}/stop", stop, "POST"),
        ("/jobs/{id}/files/{name:path}", result, "GET"),
        ("/{name}", page, "GET"),
    ]
    guard = Middleware(TrustedHostMiddleware, allowed_hosts=hosts)
    return Starlette(routes=[_route(desk, *of) for of in routes], middleware=[guard])


def _route(desk: Desk, path: str, handler: Handler, method: str) -> Route:
    async def handle(request: Request) -> Response:
        known = request.cookies.get(COOKIE)
        session = desk.storage.session(known)
        try:
            # A form of another page reaches here, too.
            if method != "GET" and request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
                raise HTTPException(403)
            response = await handler(request, session)
        except SqspeechError as error:
            response = JSONResponse({"sentence": desk.public(str(error))}, status_code=400)
        response.headers.update(HEADERS)
        if known != session:
            response.set_cookie(COOKIE, session, max_age=365 * 86400, httponly=True, samesite="strict")
        return response

    return Route(path, handle, methods=[method])


def _file(path: Path) -> Response:
    suffix = path.suffix.lower()
    name = None if suffix in MEDIA else path.name
    return FileResponse(path, media_type=MEDIA.get(suffix, "application/octet-stream"), filename=name)
