"""The architecture, read from the source: imports point one way, and what must not happen happens nowhere."""

import ast
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "coronet"

# A module imports only from those that stand before it. A package is one entry; inside it imports make no circle.
ORDER = """
errors clock parsing settings files priority prepared downloads randomness images scenes ticks published datasets
channels networks cost containers sandbox unpickle tensor_files uploads recognise demos model_folders checkpoints
importance hypernetwork slimming similarity losses training objectives tasks search sessions runtime metrics
quantisation tracing export state_files runs ending methods recipes lessons feature_training demo_card demo_build bundle
launcher job_states turns jobs scheduler worker __init__ studio commands __main__
""".split()  # noqa: SIM905

LIGHT = ["coronet", "coronet.downloads", "coronet.recipes", "coronet.recipes.settings"]  # no torch, no gradio
STARTS_PROCESSES = {
    "launcher": "the worker of a run",
    "sandbox": "the child that reads strangers' files",
    "sessions": "the memory of an ONNX session, measured in a process of its own",
}
WRITES_TO_STDOUT = {
    "__main__": "the command line",
    "commands": "the progress line of the command line",
    "sandbox": "the child answers its parent with one line of JSON",
    "sessions": "the measuring process answers its parent with one line of JSON",
}
GLOBAL_RANDOMNESS: dict[str, str] = {}  # "module.function": why it may use torch's global generator
FOREIGN_PRIVATE = {"_MEIPASS", "_exit"}  # private names of other libraries that are documented for use
LONGEST_FILE = 300
LONGEST_FUNCTION = 40


@cache
def sources():
    """Give every module of the package: dotted name -> (path, tree)."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = (path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def nodes(*kinds):
    """Give (module, node) for every node of these kinds, anywhere in the package."""
    for name, (_, tree) in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield name, node


def place(name, node):
    return f"{sources()[name][0].relative_to(ROOT)}:{node.lineno}"


def unit(module):
    """Give the entry of ORDER that a dotted module belongs to."""
    return module.split(".")[1] if "." in module else "__init__"


def imported(module, node):
    """Resolve an import statement to dotted modules; `from coronet import x` is coronet.x where that is a module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module if sources()[module][0].name == "__init__.py" else module.rpartition(".")[0]
        for _ in range(node.level - 1):
            package = package.rpartition(".")[0]
        base = f"{package}.{base}".rstrip(".")
    return [f"{base}.{alias.name}" if f"{base}.{alias.name}" in sources() else base for alias in node.names]


@cache
def imports():
    """List (module, imported dotted name, place) of every import, those inside functions and type checks too."""
    return [
        (name, target, place(name, node))
        for name, node in nodes(ast.Import, ast.ImportFrom)
        for target in imported(name, node)
    ]


def dotted(node):
    """Write a call's function as text: torch.random.manual_seed."""
    parts = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else "().".join(["", *reversed(parts)])


def keyword(call, name):
    return next((entry.value for entry in call.keywords if entry.arg == name), None)


def test_every_module_has_its_place_in_the_order():
    assert len(set(ORDER)) == len(ORDER)
    assert sorted({unit(name) for name in sources()} - set(ORDER)) == []


def test_imports_point_one_way():
    wrong = [
        f"{where} imports {target}"
        for name, target, where in imports()
        if target.split(".")[0] == "coronet" and unit(target) != unit(name)
        if unit(name) not in ORDER or unit(target) not in ORDER or ORDER.index(unit(target)) > ORDER.index(unit(name))
    ]
    assert wrong == []


def test_no_module_imports_itself_in_a_circle():
    graph = {name: set() for name in sources()}
    for name, target, _ in imports():
        if target in graph and target != name:
            graph[name].add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' -> '.join(error.args[1])}")


def test_only_the_studio_imports_gradio():
    wrong = [where for name, target, where in imports() if target.split(".")[0] == "gradio" and unit(name) != "studio"]
    assert wrong == []


def test_every_import_from_the_package_exists():
    known = sources().keys()
    assert [
        f"{where}: {target}"
        for _, target, where in imports()
        if target.split(".")[0] == "coronet" and target not in known
    ] == []


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_import_neither_torch_nor_gradio(module):
    program = (
        f"import sys, {module}; print([name for name in ('torch', 'gradio', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"


def test_only_named_modules_start_processes():
    starters = {"subprocess", "multiprocessing", "concurrent.futures"}
    wrong = [where for name, target, where in imports() if target in starters and unit(name) not in STARTS_PROCESSES]
    assert wrong == []


def test_no_module_uses_the_private_names_of_another():
    wrong = [
        f"{place(name, node)} imports {alias.name}"
        for name, node in nodes(ast.ImportFrom)
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    for name, (_, tree) in sources().items():
        own = private_names(tree)
        wrong += [
            f"{place(name, node)} uses .{node.attr}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr.startswith("_") and not node.attr.startswith("__")
            if node.attr not in own | FOREIGN_PRIVATE
        ]
    assert wrong == []


def private_names(tree):
    """Collect the private names a module defines: functions, classes, constants, class fields and self._attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and dotted(node.value) in ("self", "cls")
        ):
            names.add(node.attr)
    return names


def test_nothing_is_unpickled_but_plain_tensors():
    wrong = []
    for name, node in nodes(ast.Call):
        function, only_weights = dotted(node.func), keyword(node, "weights_only")
        if function == "torch.load" and not (isinstance(only_weights, ast.Constant) and only_weights.value is True):
            wrong.append(place(name, node))
        if function.split(".")[0] in ("pickle", "dill", "joblib", "cloudpickle") and function.split(".")[-1] in (
            "load",
            "loads",
            "Unpickler",
        ):
            wrong.append(place(name, node))
    assert wrong == []


def test_weights_are_loaded_strictly():
    wrong = [
        place(name, node)
        for name, node in nodes(ast.Call)
        if isinstance(value := keyword(node, "strict"), ast.Constant) and value.value is False
        if dotted(node.func) != "zip"
    ]
    assert wrong == []


SEEDS = ("torch.manual_seed", "torch.seed", "torch.random.manual_seed", "torch.cuda.manual_seed", "random.seed")
SEEDS += ("torch.cuda.manual_seed_all", "np.random.seed", "numpy.random.seed")
DRAWS = tuple(
    f"torch.{name}" for name in ("rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial")
)
GLOBAL_DRAWS = ("random.random", "random.choice", "random.randint", "random.shuffle", "random.sample", "random.uniform")


def guarded_by(tree, wanted):
    """Give the ids of all nodes inside a `with` whose context mentions one of the names."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.With) and any(wanted in ast.unparse(item.context_expr) for item in node.items):
            inside |= {id(child) for statement in node.body for child in ast.walk(statement)}
    return inside


def functions(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def allowed_randomness(name, tree):
    inside = guarded_by(tree, "fork_rng")
    for function in functions(tree):
        if f"{name}.{function.name}" in GLOBAL_RANDOMNESS:
            inside |= {id(child) for child in ast.walk(function)}
    return inside


def test_no_global_random_seed():
    """A generator is passed; the global one is seeded only inside fork_rng, which puts it back."""
    wrong = []
    for name, (_, tree) in sources().items():
        allowed = allowed_randomness(name, tree)
        wrong += [
            f"{place(name, node)} {dotted(node.func)}"
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and dotted(node.func) in SEEDS and id(node) not in allowed
        ]
    assert wrong == []


def test_nothing_is_drawn_from_a_global_generator():
    wrong = []
    for name, (_, tree) in sources().items():
        allowed = allowed_randomness(name, tree)
        modules = {target for other, target, _ in imports() if other == name}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or id(node) in allowed:
                continue
            function = dotted(node.func)
            without = function in DRAWS and keyword(node, "generator") is None
            legacy = function.startswith(("np.random.", "numpy.random.")) and not function.endswith("default_rng")
            if without or legacy or ("random" in modules and function in GLOBAL_DRAWS):
                wrong.append(f"{place(name, node)} {function}")
    assert wrong == []


def test_exceptions_of_the_allow_list_exist():
    existing = {f"{name}.{function.name}" for name, (_, tree) in sources().items() for function in functions(tree)}
    assert set(GLOBAL_RANDOMNESS) <= existing
    assert set(STARTS_PROCESSES) | set(WRITES_TO_STDOUT) <= {unit(name) for name in sources()}


def test_no_yield_inside_a_gradient_mode():
    """While a generator waits, the mode would leak to whoever consumes it."""
    wrong = []
    for name, (_, tree) in sources().items():
        inside = guarded_by(tree, "no_grad") | guarded_by(tree, "inference_mode") | guarded_by(tree, "enable_grad")
        wrong += [
            place(name, node)
            for node in ast.walk(tree)
            if isinstance(node, ast.Yield | ast.YieldFrom) and id(node) in inside
        ]
    assert wrong == []


def test_only_named_modules_write_to_the_terminal():
    wrong = [
        place(name, node)
        for name, node in nodes(ast.Call)
        if dotted(node.func) in ("print", "sys.stdout.write") and unit(name) not in WRITES_TO_STDOUT
    ]
    assert wrong == []


def test_networks_have_never_heard_of_pruning():
    words = ("prun", "latent", "hypernet", "kept", "student", "teacher")
    wrong = []
    for name, (_, tree) in sources().items():
        if unit(name) == "networks":
            identifiers = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
            identifiers += [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
            identifiers += [function.name for function in functions(tree)]
            wrong += [f"{name}: {text}" for text in identifiers if any(word in text.lower() for word in words)]
    assert wrong == []


def test_every_module_says_what_it_is():
    assert [name for name, (_, tree) in sources().items() if tree.body and not ast.get_docstring(tree)] == []


def test_files_are_short():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path, _ in sources().values()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_functions_are_short():
    lengths = {
        f"{place(name, function)} {function.name}": function.end_lineno - function.lineno + 1
        for name, (_, tree) in sources().items()
        for function in functions(tree)
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
