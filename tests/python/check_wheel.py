"""check_wheel.py FOLDER: the newest wheel there, installed where nothing else is, has the program and the package."""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from oracle import passed


def main() -> None:
    wheels = sorted(Path(sys.argv[1]).glob("hep_run-*.whl"), key=lambda path: path.stat().st_mtime)
    assert wheels, f"no wheel in {sys.argv[1]}"
    with tempfile.TemporaryDirectory() as name:
        venv.create(name, with_pip=True)
        programs = Path(name) / "bin"
        pip = [programs / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-index", wheels[-1]], check=True)
        said = subprocess.check_output([programs / "hep-run", "--version"], text=True, cwd=name).split()
        code = "from importlib.metadata import version; print(version('hep-run'))"
        known = subprocess.check_output([programs / "python", "-c", code], text=True, cwd=name).split()
        assert said == ["hep-run", *known], f"{said}, {known}"
        # It is there before what it needs for clusters is.
        where = subprocess.check_output([programs / "python", "-c", "import hep_run; print(hep_run.__file__)"], text=True, cwd=name)
        assert Path(where).is_relative_to(name), where
        # The driver says what it lacks.
        driver = subprocess.run([programs / "python", "-m", "hep_run"], text=True, cwd=name, capture_output=True, stdin=subprocess.DEVNULL)
        assert driver.returncode != 0 and "distributed" in driver.stdout + driver.stderr, driver
    passed(f"wheel: {wheels[-1].name}")


if __name__ == "__main__":
    main()
