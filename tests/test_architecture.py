"""The rules that keep the code readable: who may import whom, how long things are, that they say what they do."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from sys import stdlib_module_names

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted([*ROOT.glob("hts/**/*.py"), *ROOT.glob("workflows/**/*.py")])
MAX_MODULE_LINES = 399
MAX_FUNCTION_LINES = 60
FORBIDDEN_NAMES = {"utils", "util", "helpers", "helper", "misc", "common"}
# aiida-core brings these and pins them; daemon control speaks their language.
WITH_AIIDA_CORE = {"plumpy", "psutil"}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(node: ast.AST) -> list[str]:
    """Return what an import statement names: `from a import b` may mean the module a.b."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def imports(path: Path) -> set[str]:
    return {name for node in ast.walk(tree_of(path)) for name in imported(node)}


def imports_on_load(path: Path) -> set[str]:
    """Return what is imported when the module is, that is, outside functions."""

    def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield child
                yield from outside_functions(child)

    return {name for node in outside_functions(tree_of(path)) for name in imported(node)}


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer(path: Path) -> str:
    name = name_of(path)
    for candidate in ("hts.store", "hts.cli", "workflows"):
        if within(name, candidate):
            return candidate
    return "hts"


AIIDA = ("aiida", "aiida_quantumespresso", "aiida_pseudo", "plumpy", "kiwipy")
FORBIDDEN_IMPORTS = {
    "hts": (*AIIDA, "workflows", "hts.store", "hts.cli"),
    "hts.store": ("workflows", "hts.cli"),
    "hts.cli": ("workflows",),
    "workflows": ("hts.store", "hts.cli"),
}

each_module = pytest.mark.parametrize("path", MODULES, ids=name_of)


def test_there_are_modules() -> None:
    assert {layer(path) for path in MODULES} == set(FORBIDDEN_IMPORTS)


@each_module
def test_imports_go_one_way(path: Path) -> None:
    forbidden = FORBIDDEN_IMPORTS[layer(path)]
    assert sorted(name for name in imports(path) if within(name, *forbidden)) == []


@pytest.mark.parametrize("path", [path for path in MODULES if layer(path) == "hts.cli"], ids=name_of)
def test_commands_reach_the_store_only_when_called(path: Path) -> None:
    """`hts --help` and `hts tc` must start without AiiDA."""
    assert sorted(name for name in imports_on_load(path) if within(name, *AIIDA, "hts.store")) == []


@each_module
def test_size(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    lengths = {node.name: (node.end_lineno or node.lineno) - node.lineno + 1 for node in functions}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FUNCTION_LINES} == {}


@each_module
def test_everything_public_has_a_docstring(path: Path) -> None:
    def public(node: ast.AST, where: str) -> Iterator[tuple[str, ast.AST]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if child.name.startswith("_"):
                    continue
                yield f"{where}.{child.name}", child
                if isinstance(child, ast.ClassDef):
                    yield from public(child, f"{where}.{child.name}")

    tree = tree_of(path)
    everything = [(name_of(path), tree), *public(tree, name_of(path))]
    assert [name for name, node in everything if not ast.get_docstring(node)] == []  # type: ignore[arg-type]


@each_module
def test_names_say_what_is_inside(path: Path) -> None:
    assert not set(name_of(path).split(".")) & FORBIDDEN_NAMES


def test_every_import_is_a_declared_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = {re.split(r"[<>=!~ \[;]", entry)[0].lower() for entry in project["dependencies"]}
    distributions = packages_distributions()
    used = {name.split(".")[0] for path in MODULES for name in imports(path)}
    third_party = used - stdlib_module_names - {"hts", "workflows"} - WITH_AIIDA_CORE
    undeclared = {
        name for name in third_party if not {entry.lower() for entry in distributions.get(name, [name])} & declared
    }
    assert undeclared == set()
