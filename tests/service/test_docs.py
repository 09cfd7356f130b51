"""`/docs`: the page that shows the OpenAPI document."""

import re

from tests.fakes.service import Service


async def test_the_page_is_whole_and_contacts_no_other_host(service: Service):
    """Without a token it comes with all files that it names, under a policy that allows only this service's own."""
    async with service.session.get(f"{service.url}/docs/") as answer:
        page, policy = await answer.text(), answer.headers["Content-Security-Policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;" in policy
    assert "unsafe" not in policy
    names = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert all(name.startswith(("/docs/", "/openapi.json", "data:")) for name in names)
    assert re.findall(r"<script(?! src=)|<style|style=|\son\w+=", page) == []
    for name in names:
        if name.startswith("/"):
            async with service.session.get(service.url + name) as answer:
                assert answer.status == 200, name


async def test_swagger_ui_reads_our_document_and_asks_no_validator(service: Service):
    """It would send the document's address to its maker's validator unless it is switched off."""
    async with service.session.get(f"{service.url}/docs/docs.js") as answer:
        script = await answer.text()
    assert 'url: "/openapi.json"' in script
    assert "validatorUrl: null" in script
