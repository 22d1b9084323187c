"""``wasi:http``: requests and responses, as guests see and make them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any, Final, Protocol

from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err, Ok
from wadm.hosts.wasm.wasi.bodies import BodyFunctions, BodySink, IncomingBody, OutgoingBody, declared_length
from wadm.hosts.wasm.wasi.fields import Entries, FieldFunctions, Fields, is_token, without_forbidden
from wadm.hosts.wasm.wasi.io import IoError, Pollable

Method = tuple[str, str | None]
Scheme = tuple[str, str | None]

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH")
_CASES: Final = {name: (name.lower(), None) for name in _METHODS}
_PATH: Final = re.compile(r"[/?*][!-~\x80-\U0010ffff]*")
_AUTHORITY: Final = re.compile(r"(?:[^@\s/?#]*@)?(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::\d{1,5})?")


def method_case(name: str) -> Method:
    """Return a method as a variant: ``("get", None)``, or ``("other", "PURGE")``."""
    return _CASES.get(name) or ("other", name)


def method_name(method: Method) -> str:
    """Return a method as it is sent."""
    case, other = method
    return other or case.upper()


class Answer(Protocol):
    """Where the response to a request goes."""

    def begin(self, status: int, headers: Entries) -> BodySink:
        """Send the head of the response; return where its body goes."""

    def fail(self, error: str) -> None:
        """Say that there will be no response."""


class IncomingRequest:
    """A request on its way to a guest."""

    def __init__(
        self, method: Method, path: str, authority: str, headers: Entries, body: IncomingBody, scheme: str = "HTTP"
    ) -> None:
        self.method = method
        self.path = path
        self.authority = authority
        self.headers = headers
        self.body: IncomingBody | None = body
        self.scheme: Scheme = (scheme, None)
        self.on_consume: Callable[[], None] | None = None
        """Called when the guest begins with the body: the client may be waiting for leave to send it."""


class IncomingResponse:
    """A response on its way to a guest."""

    def __init__(self, status: int, headers: Entries, body: IncomingBody) -> None:
        self.status = status
        self.headers = headers
        self.body: IncomingBody | None = body


class OutgoingRequest:
    """A request that a guest makes."""

    def __init__(self, headers: Entries) -> None:
        self.headers = headers
        self.method: Method = ("get", None)
        self.path: str | None = None
        self.scheme: Scheme | None = None
        self.authority: str | None = None
        self.body: OutgoingBody | None = None


class OutgoingResponse:
    """A response that a guest makes."""

    def __init__(self, headers: Entries) -> None:
        self.headers = headers
        self.status = 200
        self.body: OutgoingBody | None = None


class RequestOptions:
    """How long a request may take, in nanoseconds."""

    def __init__(self) -> None:
        self.connect_timeout: int | None = None
        self.first_byte_timeout: int | None = None
        self.between_bytes_timeout: int | None = None


class RequestFailed(Exception):
    """A request got no response. ``code`` is the error code that the guest is told."""

    def __init__(self, code: Any) -> None:
        super().__init__(str(code))
        self.code = code


class FutureResponse:
    """A response that a guest waits for."""

    def __init__(self, task: asyncio.Task[IncomingResponse]) -> None:
        self.task = task
        self.taken = False

    async def wait(self) -> None:
        """Wait until it is there."""
        await asyncio.wait((self.task,))

    def on_drop(self) -> None:
        """Wait for it no longer."""
        self.task.cancel()


def _consume(guest: Guest, message: int) -> Any:
    """Return the body of a request or response, which can be had once."""
    one: IncomingRequest | IncomingResponse = guest.table[message]
    body, one.body = one.body, None
    if body is None:
        return Err()
    if isinstance(one, IncomingRequest) and one.on_consume is not None:
        one.on_consume()
    return guest.push(body)


def _incoming_headers(guest: Guest, message: int) -> int:
    return guest.push(Fields(without_forbidden(guest.table[message].headers), immutable=True))


def _outgoing_headers(guest: Guest, message: int) -> int:
    return guest.push(Fields(guest.table[message].headers, immutable=True))


class _RequestFunctions:
    @staticmethod
    def incoming_request_method(guest: Guest, request: int) -> Method:
        method: Method = guest.table[request].method
        return method

    @staticmethod
    def incoming_request_path_with_query(guest: Guest, request: int) -> str:
        path: str = guest.table[request].path
        return path

    @staticmethod
    def incoming_request_scheme(guest: Guest, request: int) -> Scheme:
        scheme: Scheme = guest.table[request].scheme
        return scheme

    @staticmethod
    def incoming_request_authority(guest: Guest, request: int) -> str | None:
        return guest.table[request].authority or None

    incoming_request_headers = staticmethod(_incoming_headers)
    incoming_request_consume = staticmethod(_consume)

    @staticmethod
    def new_outgoing_request(guest: Guest, headers: int) -> int:
        return guest.push(OutgoingRequest(guest.table.pop(headers).entries))

    @staticmethod
    def outgoing_request_body(guest: Guest, request: int) -> Any:
        one: OutgoingRequest = guest.table[request]
        if one.body is not None:
            return Err()
        one.body = OutgoingBody(declared_length(one.headers), "HTTP-request-body-size")
        return guest.push(one.body)

    @staticmethod
    def outgoing_request_method(guest: Guest, request: int) -> Method:
        method: Method = guest.table[request].method
        return method

    @staticmethod
    def outgoing_request_set_method(guest: Guest, request: int, method: Method) -> Any:
        if method[1] is not None and not is_token(method[1]):
            return Err()
        guest.table[request].method = method
        return None

    @staticmethod
    def outgoing_request_path_with_query(guest: Guest, request: int) -> str | None:
        path: str | None = guest.table[request].path
        return path

    @staticmethod
    def outgoing_request_set_path_with_query(guest: Guest, request: int, path: str | None) -> Any:
        if path and not _PATH.fullmatch(path):
            return Err()
        guest.table[request].path = path
        return None

    @staticmethod
    def outgoing_request_scheme(guest: Guest, request: int) -> Scheme | None:
        scheme: Scheme | None = guest.table[request].scheme
        return scheme

    @staticmethod
    def outgoing_request_set_scheme(guest: Guest, request: int, scheme: Scheme | None) -> Any:
        if scheme is not None and scheme[1] is not None and not is_token(scheme[1]):
            return Err()
        guest.table[request].scheme = scheme
        return None

    @staticmethod
    def outgoing_request_authority(guest: Guest, request: int) -> str | None:
        authority: str | None = guest.table[request].authority
        return authority

    @staticmethod
    def outgoing_request_set_authority(guest: Guest, request: int, authority: str | None) -> Any:
        if authority is not None and not _AUTHORITY.fullmatch(authority):
            return Err()
        guest.table[request].authority = authority
        return None

    outgoing_request_headers = staticmethod(_outgoing_headers)


class _OptionFunctions:
    @staticmethod
    def new_request_options(guest: Guest) -> int:
        return guest.push(RequestOptions())

    @staticmethod
    def request_options_connect_timeout(guest: Guest, options: int) -> int | None:
        timeout: int | None = guest.table[options].connect_timeout
        return timeout

    @staticmethod
    def request_options_set_connect_timeout(guest: Guest, options: int, duration: int | None) -> None:
        guest.table[options].connect_timeout = duration

    @staticmethod
    def request_options_first_byte_timeout(guest: Guest, options: int) -> int | None:
        timeout: int | None = guest.table[options].first_byte_timeout
        return timeout

    @staticmethod
    def request_options_set_first_byte_timeout(guest: Guest, options: int, duration: int | None) -> None:
        guest.table[options].first_byte_timeout = duration

    @staticmethod
    def request_options_between_bytes_timeout(guest: Guest, options: int) -> int | None:
        timeout: int | None = guest.table[options].between_bytes_timeout
        return timeout

    @staticmethod
    def request_options_set_between_bytes_timeout(guest: Guest, options: int, duration: int | None) -> None:
        guest.table[options].between_bytes_timeout = duration


class _ResponseFunctions:
    @staticmethod
    def response_outparam_set(guest: Guest, outparam: int, response: Ok | Err) -> None:
        answer: Answer = guest.table.pop(outparam)
        if isinstance(response, Err):
            answer.fail(f"the component answered with the error {_in_words(response.value)}")
            return
        made: OutgoingResponse = guest.table.pop(response.value)
        sink = answer.begin(made.status, made.headers)
        if made.body is None:
            sink.finish([])
        else:
            made.body.attach(sink)

    @staticmethod
    def new_outgoing_response(guest: Guest, headers: int) -> int:
        return guest.push(OutgoingResponse(guest.table.pop(headers).entries))

    @staticmethod
    def outgoing_response_status_code(guest: Guest, response: int) -> int:
        status: int = guest.table[response].status
        return status

    @staticmethod
    def outgoing_response_set_status_code(guest: Guest, response: int, status: int) -> Any:
        if not 200 <= status <= 999:  # what comes before 200 is no final response
            return Err()
        guest.table[response].status = status
        return None

    outgoing_response_headers = staticmethod(_outgoing_headers)

    @staticmethod
    def outgoing_response_body(guest: Guest, response: int) -> Any:
        one: OutgoingResponse = guest.table[response]
        if one.body is not None:
            return Err()
        one.body = OutgoingBody(declared_length(one.headers), "HTTP-response-body-size")
        return guest.push(one.body)

    @staticmethod
    def incoming_response_status(guest: Guest, response: int) -> int:
        status: int = guest.table[response].status
        return status

    incoming_response_headers = staticmethod(_incoming_headers)
    incoming_response_consume = staticmethod(_consume)

    @staticmethod
    def future_incoming_response_subscribe(guest: Guest, future: int) -> int:
        one: FutureResponse = guest.table[future]
        return guest.push(Pollable(one.task.done, one.wait))

    @staticmethod
    def future_incoming_response_get(guest: Guest, future: int) -> Any:
        one: FutureResponse = guest.table[future]
        if not one.task.done():
            return None
        if one.taken:
            return Err()
        one.taken = True
        try:
            response = one.task.result()
        except RequestFailed as failed:
            return Ok(Err(failed.code))
        return Ok(Ok(guest.push(response)))


class Types(FieldFunctions, BodyFunctions, _RequestFunctions, _OptionFunctions, _ResponseFunctions):
    """``wasi:http/types``."""

    @staticmethod
    def http_error_code(guest: Guest, error: int) -> Any:
        one = guest.table[error]
        return one.code if isinstance(one, IoError) else None


class OutgoingHandler:
    """``wasi:http/outgoing-handler``."""

    @staticmethod
    def handle(guest: Guest, request: int, options: int | None) -> Any:
        from wadm.hosts.wasm.http.client import send

        made: OutgoingRequest = guest.table.pop(request)
        limits = RequestOptions() if options is None else guest.table.pop(options)
        if not made.authority:
            return Err(("HTTP-request-URI-invalid", None))
        if made.scheme is not None and made.scheme[0] not in ("HTTP", "HTTPS"):
            return Err(("HTTP-protocol-error", None))
        return guest.push(FutureResponse(asyncio.get_running_loop().create_task(send(made, limits, guest.calls))))


def _in_words(code: Any) -> str:
    case, payload = code
    return case if payload is None else f"{case}: {payload}"
