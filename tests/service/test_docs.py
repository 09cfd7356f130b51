"""`/docs`: the page that shows the OpenAPI document."""

import re

from tests.fakes.service import Service


async def _read(service: Service, path: str) -> str:
    async with service.session.get(service.url + path) as answer:
        assert answer.status == 200
        return await answer.text()


async def test_the_page_needs_no_other_network(service: Service):
    """Without a token it comes with all that it names, from this service; the browser is told to ask nobody else."""
    async with service.session.get(f"{service.url}/docs/") as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert {"/docs/docs.js", "/docs/docs.css", "/openapi.json"} <= set(named)
    assert all(name.startswith(("/", "data:")) for name in named)
    for text in [page, await _read(service, "/docs/docs.js"), await _read(service, "/docs/docs.css")]:
        assert "://" not in text
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


async def test_the_page_shows_what_comes_from_elsewhere_as_text(service: Service):
    """Nothing that the document or an answer says can become markup."""
    script = await _read(service, "/docs/docs.js")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)
