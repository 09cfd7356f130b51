"""One certificate authority for all fake providers. The service trusts it the way an operator would set it up."""

from collections.abc import Iterator

import pytest
import trustme


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[trustme.CA]:
    found = trustme.CA()
    path = tmp_path_factory.mktemp("trust") / "ca.pem"
    found.cert_pem.write_to_path(str(path))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(path))
        yield found
