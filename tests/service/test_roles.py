"""What a process shows that only dispatches."""

from pathlib import Path

from tests.fakes.service import running

from assistance.app.house import Role


async def test_a_process_that_only_dispatches_shows_its_health_and_nothing_else(tmp_path: Path):
    """It takes no ask either, whichever way that would come in."""
    async with running(tmp_path, role=Role.DISPATCHER) as service:
        for method, path in (
            ("POST", "/assistance"),
            ("POST", "/assistance/"),
            ("GET", "/assistance"),
            ("GET", "/topics"),
            ("GET", "/openapi.json"),
            ("POST", "/-/reload"),
        ):
            status, _, _ = await service.call(method, path, json={"topic": "sales", "description": "x"})
            assert (method, path, status) == (method, path, 404)
        for path in ("/livez", "/readyz", "/metrics"):
            async with service.session.get(service.url + path) as answer:
                assert answer.status == 200
