"""The verifier as one file that runs: `python verify.pyz DIR`."""

from __future__ import annotations

import zipfile
from importlib import resources
from pathlib import Path

__all__ = ["write_zipapp"]

_FIRST = "#!/usr/bin/env python3\n"
_START = "import sys\n\nfrom verifier.__main__ import main\n\nsys.exit(main())\n"
_TIME = (1980, 1, 1, 0, 0, 0)


def write_zipapp(path: str | Path) -> None:
    """Write the verifier into the new file `path`. Equal sources give equal bytes.

    Args:
        path: For example `verify.pyz`.

    Raises:
        FileExistsError: There is such a file.
    """
    parts = {"__main__.py": _START.encode()}
    for item in resources.files(__package__).iterdir():
        if item.name.endswith((".py", ".json")):
            parts[f"verifier/{item.name}"] = item.read_bytes()
    with Path(path).open("xb") as file:
        file.write(_FIRST.encode())
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name in sorted(parts):
                entry = zipfile.ZipInfo(name, date_time=_TIME)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3  # of the machine that runs this otherwise
                archive.writestr(entry, parts[name])
    Path(path).chmod(0o755)
