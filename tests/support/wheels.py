"""Wheels that tests make, so that they ask no index."""

from __future__ import annotations

import zipfile
from pathlib import Path


def write_wheel(folder: Path, module: str, version: str = "1", code: str | None = None) -> Path:
    """Write a wheel with one module, which has VERSION, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    info, file = f"{module}-{version}.dist-info", folder / f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{module}.py", f"VERSION = {version!r}\n" if code is None else code)
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {module}\nVersion: {version}\n")
        wheel.writestr(f"{info}/RECORD", "")
    return file


def index_settings(folder: Path) -> dict[str, str]:
    """Return the settings of pip and uv by which they find the folder's wheels alone."""
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_CONFIG_FILE": "/dev/null",
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(folder),
    }
