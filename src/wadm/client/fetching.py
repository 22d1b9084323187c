"""Fetching a manifest from a URL, with the credentials that the URL carries and without ever showing them."""

from __future__ import annotations

from base64 import b64encode
from http.client import HTTPMessage
from typing import IO, TYPE_CHECKING, Final
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from wadm.client.urls import MAX_BYTES, SourceError, safe_url
from wadm.errors import NotFound, TimedOut, Unavailable, WadmError

if TYPE_CHECKING:
    from urllib.parse import SplitResult

FETCH_TIMEOUT: Final = 10.0


def fetch(url: str) -> bytes:
    """Return what a URL holds. A user and a password in the URL are sent as basic authentication.

    Raises NotFound for a 404, TimedOut and Unavailable where nobody answers, SourceError for everything else. No error
    shows a password, nor the values of the query.
    """
    from http.client import HTTPException

    shown = safe_url(url)
    if not url.startswith(("http://", "https://")):
        raise SourceError(f"cannot read {shown}: only http:// and https:// are supported")
    parts = _parts(url)
    if parts is None:
        raise SourceError(f"cannot read {shown}: it is not a whole URL, as https://example.com/wadm.yaml is")
    try:
        with build_opener(_SameOrigin).open(_request(parts), timeout=FETCH_TIMEOUT) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
    except HTTPError as error:
        error.close()  # it holds the connection
        raise _refused(shown, error, parts) from None
    except TimeoutError:
        raise TimedOut(f"{shown} did not answer within {FETCH_TIMEOUT:g} s") from None
    except HTTPException:
        raise SourceError(f"cannot read {shown}: what answers there does not speak HTTP") from None
    except OSError as error:  # URLError is one, and has the other inside
        reason = getattr(error, "reason", error)
        raise Unavailable(f"cannot read {shown}: {getattr(reason, 'strerror', None) or reason}") from None
    if len(data) > MAX_BYTES:
        raise SourceError(f"{shown} holds more than {MAX_BYTES // 2**20} MiB; a manifest is expected")
    return data


def _request(parts: SplitResult) -> Request:
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    request = Request(bare, headers={"User-Agent": "wadm", "Accept": "*/*"})  # noqa: S310  (http or https)
    if parts.username is not None:
        identity = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        request.add_header("Authorization", f"Basic {b64encode(identity.encode()).decode()}")
    return request


class _SameOrigin(HTTPRedirectHandler):
    """Follows redirects, and sends the credentials only to where they were given for."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """Return the request to go on with, without credentials if it goes to another server."""
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and urlsplit(following.full_url)[:2] != urlsplit(req.full_url)[:2]:
            following.remove_header("Authorization")
        return following


def _refused(shown: str, error: HTTPError, parts: SplitResult) -> WadmError:
    said = f"{shown} answered {error.code} {error.reason}"
    if error.code == 404:
        return NotFound(said)
    if error.code in (401, 403):
        how = "does it accept this user and password?" if parts.username else "give them as https://USER:PASSWORD@HOST/"
        return SourceError(f"{said}: it wants credentials; {how}")
    return SourceError(said)


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.port != 0 and not any(map(str.isspace, url))
    except ValueError:  # a port that is none, brackets that do not close
        return None
    return parts if whole else None
