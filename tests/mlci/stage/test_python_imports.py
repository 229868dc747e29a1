"""Modules that a script imports from the repository, found without running it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlci.stage.python_imports import imports_of


def write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def found(root: Path, script: str) -> tuple[set[str], list[str]]:
    imports = imports_of(root / script, (root, root / "src"))
    names = {file.relative_to(root).as_posix() for file in imports.files}
    return names, [place.relative_to(root).as_posix() for place in imports.roots]


def test_a_module_beside_the_script_needs_no_import_root(tmp_path: Path) -> None:
    write(tmp_path, {"src/m/train.py": "import features", "src/m/features.py": "", "src/m/unused.py": ""})
    assert found(tmp_path, "src/m/train.py") == ({"src/m/features.py"}, [])


def test_imports_are_followed_through_packages_and_relative_imports(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "src/m/train.py": "from pack.inner import tool\nimport numpy, json",
            "src/pack/__init__.py": "",
            "src/pack/inner/__init__.py": "from . import other",
            "src/pack/inner/tool.py": "from ..top import value",
            "src/pack/inner/other.py": "",
            "src/pack/top.py": "",
            "src/pack/unused.py": "",
        },
    )
    names, roots = found(tmp_path, "src/m/train.py")
    assert names == {
        "src/pack/__init__.py",
        "src/pack/inner/__init__.py",
        "src/pack/inner/tool.py",
        "src/pack/inner/other.py",
        "src/pack/top.py",
    }
    assert roots == ["src"]


def test_imports_in_functions_count_and_cycles_end(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "def f():\n    import b", "b.py": "import c", "c.py": "import b, a"})
    assert found(tmp_path, "a.py")[0] == {"b.py", "c.py"}


def test_what_is_not_in_the_repository_is_left_to_the_environment(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import xgboost\nfrom os import path\n__import__('x' + 'y')", "xy.py": ""})
    assert found(tmp_path, "a.py") == (set(), [])


def test_a_namespace_package_is_found_without_init(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "import lib.deep.tool", "lib/deep/tool.py": ""})
    assert found(tmp_path, "a.py")[0] == {"lib/deep/tool.py"}


def test_a_script_that_does_not_parse_is_told_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, {"a.py": "x = 1\ndef f(:\n"})
    with pytest.raises(SyntaxError) as caught:
        imports_of(tmp_path / "a.py", ())
    assert caught.value.lineno == 2


def test_a_module_with_a_name_of_pythons_own_counts_beside_the_script_only(tmp_path: Path) -> None:
    write(tmp_path, {"src/a.py": "import json, random, lib", "src/random.py": "", "json.py": "", "lib.py": ""})
    assert found(tmp_path, "src/a.py") == ({"src/random.py", "lib.py"}, ["."])
    assert found(tmp_path, "json.py") == (set(), [])


def test_imports_in_any_block_are_found(tmp_path: Path) -> None:
    names = [f"m{number}" for number in range(12)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("")
    script = tmp_path / "script.py"
    script.write_text(
        """
try:
    import m0
except ImportError:
    import m1
else:
    import m2
finally:
    import m3
match 1:
    case 1:
        import m4
if False:
    pass
elif True:
    import m5
else:
    import m6
for each in ():
    import m7
else:
    with open(__file__):
        import m8
class Late:
    def method(self):
        async def inner():
            while True:
                import m9
        lambda: [import_ for import_ in ()]
        from m10 import x
x = 1; import m11
"""
    )
    assert [file.stem for file in imports_of(script, [tmp_path]).files] == sorted(names)


def test_a_long_chain_of_branches_is_no_problem(tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text("")
    branches = "".join(f"elif x == {number}:\n    pass\n" for number in range(1_500))
    script = tmp_path / "script.py"
    script.write_text(f"x = 1\nif x == -1:\n    pass\n{branches}else:\n    import features\n")
    assert [file.stem for file in imports_of(script, [tmp_path]).files] == ["features"]
