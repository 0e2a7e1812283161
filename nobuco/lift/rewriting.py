"""Functions rewritten so that their `if`, `while`, `for` and the like are calls; the analysis is malt's.

The rewritten code says the lines of the original, so that whatever is told of it leads there."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from malt.converters import (
    break_statements,
    conditional_expressions,
    continue_statements,
    control_flow,
    functions,
    logical_expressions,
    return_statements,
    variables,
)
from malt.core import converter, unsupported_features_checker
from malt.pyct import anno, cfg, qual_names, transpiler
from malt.pyct.static_analysis import activity, reaching_definitions

from nobuco.lift import operators

_OPERATORS = "ag__"  # the name that malt's templates have for them


class CannotRewrite(Exception):
    """Why a function stays as it is."""


@contextmanager
def running(instead: Mapping[types.FunctionType, types.FunctionType]) -> Iterator[None]:
    """Meanwhile each of the functions, by whichever name or object it is called, runs the other one's code."""
    before = {function: function.__code__ for function in instead}
    try:
        for function, other in instead.items():
            function.__code__ = _detour(function, other)
        yield
    finally:
        for function, code in before.items():
            function.__code__ = code


def rewrite(function: types.FunctionType) -> types.FunctionType:
    """A function that does what `function` does. Raises CannotRewrite."""
    try:
        node, context = _Rewriting().transform_function(function, _CONTEXT)
    except Exception as error:  # no source, or what malt does not know: whatever it is, the function stays
        raise CannotRewrite(
            f"its function cannot be rewritten: {str(error).strip().split('. ')[0]}"
        ) from error
    name = context.info.name
    definition: Any = node
    if isinstance(node, ast.Lambda):
        definition = ast.Assign(targets=[ast.Name(name, ctx=ast.Store())], value=node)
    else:
        node.name = name
    code = function.__code__
    free = code.co_freevars
    factory: Any = transpiler._wrap_into_factory(
        definition, name, "inner_factory", "outer_factory", free, [_OPERATORS], context.info.future_features
    )
    factory = factory if isinstance(factory, list) else [factory]
    module = ast.Module(body=factory, type_ignores=[])
    _place(module, code.co_firstlineno)
    made: dict[str, Any] = {}
    exec(compile(module, code.co_filename, "exec", dont_inherit=True), made)
    inner = made["outer_factory"]()
    cells = dict(zip(free, function.__closure__ or (), strict=True))
    closure = tuple(cells[each] for each in inner.__code__.co_freevars)
    bound = types.FunctionType(inner.__code__, function.__globals__, name, (), closure)
    new = bound(operators)
    new.__defaults__, new.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    return new


class _Rewriting(transpiler.GenericTranspiler):
    def transform_ast(self, node: Any, ctx: Any) -> Any:
        unsupported_features_checker.verify(node)
        node = _Preparation(node).visit(node)
        node = qual_names.resolve(node)
        node = activity.resolve(node, ctx, None)
        node = reaching_definitions.resolve(node, ctx, cfg.build(node))
        anno.dup(node, {anno.Static.DEFINITIONS: anno.Static.ORIG_DEFINITIONS})
        for step in (functions, break_statements, continue_statements, return_statements):
            node = step.transform(node, ctx)
        node = _with_control_flow(node, ctx)
        node = _with_conditional_expressions(node, ctx)
        for step in (logical_expressions, variables):
            node = step.transform(node, ctx)
        return node


class _ControlFlow(control_flow.ControlFlowTransformer):
    """Variables alone are the state of a block. What it writes to attributes and elements is found when it runs."""

    def _get_block_composite_vars(self, modified: Any, live_in: Any) -> frozenset[Any]:
        return frozenset()


def _with_control_flow(node: Any, ctx: Any) -> Any:
    before = control_flow.ControlFlowTransformer
    control_flow.ControlFlowTransformer = _ControlFlow
    try:
        return control_flow.transform(node, ctx)
    finally:
        control_flow.ControlFlowTransformer = before


def _with_conditional_expressions(node: Any, ctx: Any) -> Any:
    """Malt leaves those inside others as they are: each pass reaches one level further."""
    while left := [each for each in ast.walk(node) if isinstance(each, ast.IfExp)]:
        node = conditional_expressions.transform(node, ctx)
        if len([each for each in ast.walk(node) if isinstance(each, ast.IfExp)]) == len(left):
            break
    return node


_CONTEXT = converter.ProgramContext(options=converter.STANDARD_OPTIONS)


_NAMES = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "truediv", ast.FloorDiv: "floordiv", ast.Mod: "mod",
    ast.Pow: "pow", ast.MatMult: "matmul", ast.BitAnd: "and_", ast.BitOr: "or_", ast.BitXor: "xor", ast.LShift: "lshift",
    ast.RShift: "rshift",
}  # fmt: skip


class _Preparation(ast.NodeTransformer):
    """What malt does not do: `bool(x)` and `x += y` ask the operators, and `super()` says what it means, since the code
    around it moves into functions of its own."""

    def __init__(self, function: Any) -> None:
        arguments = function.args.posonlyargs + function.args.args
        self._self = arguments[0].arg if arguments else None

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return node
        held = ast.Name(node.target.id, ctx=ast.Load())
        call = ast.Call(
            func=_expression(f"{_OPERATORS}.augmented"),
            args=[ast.Constant(_NAMES[type(node.op)]), held, node.value],
            keywords=[],
        )
        made = ast.Assign(targets=[node.target], value=call)
        for each in (made, call, held, *call.args[:1]):
            anno.copyanno(node, each, anno.Basic.ORIGIN)
        return made

    def visit_For(self, node: ast.For) -> Any:
        """A `range` of which an end is read from a tensor."""
        over = node.iter
        if isinstance(over, ast.Call) and _is_named(over.func, "range"):
            over.func = ast.copy_location(_expression(f"{_OPERATORS}.range_"), over.func)
            for end in over.args:
                if isinstance(end, ast.Call) and _is_named(end.func, "int") and len(end.args) == 1:
                    end.func = ast.copy_location(_expression(f"{_OPERATORS}.int_"), end.func)
        self.generic_visit(node)
        return node

    def visit_Call(self, node: ast.Call) -> Any:
        self.generic_visit(node)
        if _is_named(node.func, "bool") and len(node.args) == 1 and not node.keywords:
            node.func = ast.copy_location(_expression(f"{_OPERATORS}.bool_"), node.func)
        if _is_named(node.func, "super") and not node.args and self._self:
            node.args = [ast.copy_location(_expression(each), node) for each in ("__class__", self._self)]
        return node


def _is_named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _expression(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


def _place(node: ast.AST, line: int) -> None:
    """Gives each node the line of the original that it comes from, or that of what it stands in."""
    origin: Any = anno.getanno(node, anno.Basic.ORIGIN, None)
    line = origin.loc.lineno if origin is not None else line
    node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
    node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]
    for child in ast.iter_child_nodes(node):
        _place(child, line)


def _detour(function: types.FunctionType, to: types.FunctionType) -> types.CodeType:
    """Code with the free variables of `function` that calls `to`."""
    free = function.__code__.co_freevars
    lines = [
        "def around():",
        *(f"    {name} = None" for name in free),
        "    def detour(*args, **kwargs):",
        *(f"        if 0: {name}" for name in free),
        "        to = 'TARGET'",
        "        return to(*args, **kwargs)",
        "    return detour",
    ]
    made: dict[str, Any] = {}
    exec("\n".join(lines), made)
    code = made["around"]().__code__
    constants = tuple(to if each == "TARGET" else each for each in code.co_consts)
    return code.replace(co_consts=constants, co_name=function.__code__.co_name)
