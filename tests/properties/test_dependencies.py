"""Whatever the package imports is declared, so that an install has it, and nothing else is."""

import ast
import re
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DISTRIBUTIONS = {  # where they are called otherwise than what is imported
    "cv2": "opencv-python",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "tomllib": "tomli",
}


def imported() -> set[str]:
    """Names of distributions, of all imports, those within functions included."""
    names: set[str] = set()
    for path in (ROOT / "nerfgan_cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    others = names - sys.stdlib_module_names - {"nerfgan_cli"}
    return {DISTRIBUTIONS.get(name, name).replace("_", "-") for name in others}


def test_imports_are_declared_and_no_others() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[><=; ]", line)[0] for line in project["dependencies"]}
    assert {"torch", "insightface", "onnxruntime", "opencv-python"} <= imported()
    assert imported() == declared
