"""A small synchronous client of the REST API, as a customer's own script would write it."""

import time
from typing import Any
from uuid import uuid4

import httpx


class ApiError(Exception):
    """The API refused; carries its problem document (RFC 9457)."""

    def __init__(self, method: str, path: str, status: int, problem: dict[str, Any]) -> None:
        fields = "; ".join(
            f"{e.get('pointer')}: {e.get('detail') or e.get('code')}"
            for e in problem.get("errors", [])
        )
        text = problem.get("detail") or problem.get("title") or ""
        super().__init__(
            f"{method} {path} answered {status} {problem.get('code', '')}: {text} {fields}".strip()
        )
        self.status = status
        self.problem = problem


class Api:
    """Speaks JSON with the server; keeps the access token; retries once after 429 or 503."""

    def __init__(self, base_url: str, *, language: str = "en") -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.Client(
            base_url=self.base_url,
            timeout=60,
            headers={"Accept-Language": language, "User-Agent": "flatrender-demo"},
        )
        self._token = ""

    def authorize(self, access_token: str) -> None:
        """Use ``access_token`` from now on."""
        self._token = access_token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """GET ``path`` and return the JSON body."""
        return self.call("GET", path, query=query)[0]

    def post(self, path: str, body: Any = None, *, idempotent: bool = False) -> Any:
        """POST ``body`` and return the JSON answer."""
        headers = {"Idempotency-Key": str(uuid4())} if idempotent else {}
        return self.call("POST", path, body=body, headers=headers)[0]

    def change(self, method: str, path: str, body: Any, etag: str) -> tuple[Any, str]:
        """Send a guarded change (If-Match) and return the body and the new ETag."""
        answer, headers = self.call(method, path, body=body, headers={"If-Match": etag})
        return answer, headers.get("etag", "")

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[Any, httpx.Headers]:
        """Make one call. Raises :class:`ApiError` for every 4xx and 5xx."""
        sent = dict(headers or {})
        if self._token:
            sent["Authorization"] = f"Bearer {self._token}"
        answer = self._http.request(
            method,
            path,
            json=body,
            params={k: v for k, v in (query or {}).items() if v},
            headers=sent,
        )
        if answer.status_code in (429, 503) and "retry-after" in answer.headers:
            time.sleep(min(10.0, float(answer.headers["retry-after"])))
            answer = self._http.request(method, path, json=body, params=query, headers=sent)
        if answer.status_code >= 400:
            try:
                problem = answer.json()
            except ValueError:
                problem = {"title": answer.text[:200]}
            raise ApiError(method, path, answer.status_code, problem)
        return (answer.json() if answer.content else None), answer.headers

    def upload(self, name: str, content_type: str, data: bytes, purpose: str) -> Any:
        """Upload a file the way a browser does: ask, POST the form to S3, confirm."""
        session = self.post(
            "/v1/uploads",
            {
                "name": name,
                "content_type": content_type,
                "size_bytes": len(data),
                "purpose": purpose,
            },
            idempotent=True,
        )
        sent = httpx.post(
            session["url"],
            data=session["fields"],
            files={"file": (name, data, content_type)},
            timeout=60,
        )
        if sent.status_code >= 300:
            raise ApiError("POST", "the object store", sent.status_code, {"title": sent.text[:200]})
        return self.post(f"/v1/uploads/{session['upload_id']}/complete")

    def download(self, path: str) -> bytes:
        """Follow a download route's redirect to the presigned link and return the bytes."""
        answer = self._http.get(path, headers={"Authorization": f"Bearer {self._token}"})
        if answer.status_code != 302:
            raise ApiError("GET", path, answer.status_code, {"title": "expected a redirect"})
        # The presigned link must not see our token.
        fetched = httpx.get(answer.headers["location"], timeout=120)
        fetched.raise_for_status()
        return fetched.content
