"""Which names a cell of a notebook reads from the cells before it, and which it gives to those after it.

A liveness analysis: of the cells before one that is needed, those are needed that give a name which it reads.
In doubt a name is read, and what is there already is kept: a cell too many may run, none too few.
"""

import ast
import re

MOST_SOURCE = 50_000  # characters of a cell that is parsed here: a syntax tree takes a thousand times as much


def names_in(source, imported=frozenset(), most=MOST_SOURCE):
    """What a cell needs and gives. -> names that it reads from cells before, that it binds, that it changes

    What it binds is bound whatever happens; what may be bound, in a branch or a loop, is among the changed.
    imported: names of modules and functions, which no cell changes. Of a cell that is no plain Python, or
    longer than `most`: all words in it, for it may read any of them.
    """
    plain = "\n".join(line for line in source.splitlines() if not line.lstrip().startswith(("%", "!")))
    names = Names()
    try:
        if len(source) > most:
            raise ValueError("too long to be parsed")
        names.visit(ast.parse(plain))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"\w+", source)), set(), set()
    (bound,) = names.blocks
    return names.read, bound, names.changed - imported - bound - {None}


class Names(ast.NodeVisitor):
    """Walks through a cell in the order in which it runs: `read`, `changed`, and `blocks[0]`, what is bound.

    blocks: what is bound so far, by the cell itself and by each branch or loop around the present place;
    scopes: the names that belong to each function or comprehension around it.
    """

    def __init__(self):
        self.read, self.changed = set(), set()
        self.blocks, self.scopes = [set()], []

    def bind(self, name):
        if not self.scopes:
            self.blocks[-1].add(name)
        elif not any(name in scope for scope in self.scopes):
            self.changed.add(name)  # global, or a class's

    def block(self, *parts):
        """Parts that may not run: what they bind may be bound."""
        self.blocks.append(set())
        self.visit_all(*parts)
        self.changed |= self.blocks.pop()

    def scope(self, names, *parts):
        """Parts to which these names belong."""
        self.scopes.append(names)
        self.visit_all(*parts)
        self.scopes.pop()

    def visit_all(self, *parts):
        for part in parts:
            if isinstance(part, ast.AST):
                self.visit(part)
            elif part is not None:
                self.visit_all(*part)

    def visit_Name(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.bind(node.id)
        elif not any(node.id in names for names in (*self.blocks, *self.scopes)):
            self.read.add(node.id)

    def change(self, node):
        """The name that a chain of attributes and indices begins with is changed."""
        while isinstance(node, (ast.Attribute, ast.Subscript)):
            node = node.value
        if isinstance(node, ast.Name) and not any(node.id in names for names in self.scopes):
            self.changed.add(node.id)

    def visit_Attribute(self, node):
        if not isinstance(node.ctx, ast.Load):
            self.change(node)
        self.generic_visit(node)

    visit_Subscript = visit_Attribute

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Attribute):
            self.change(node.value.func)  # x.copy_(y), x.append(y): called for what it does to x
        self.generic_visit(node)

    def visit_Assign(self, node):
        self.visit_all(node.value, node.targets)

    def visit_AnnAssign(self, node):
        self.visit_all(node.annotation, node.value, node.target if node.value else None)

    def visit_AugAssign(self, node):
        if isinstance(node.target, ast.Name):
            self.visit(ast.Name(node.target.id, ast.Load()))
        self.visit_all(node.value, node.target)

    def visit_NamedExpr(self, node):
        self.visit(node.value)
        self.block(node.target)

    def visit_If(self, node):
        self.visit(node.test)
        self.block(node.body)
        self.block(node.orelse)

    visit_While = visit_If

    def visit_For(self, node):
        self.visit(node.iter)
        self.block(node.target, node.body)
        self.block(node.orelse)

    visit_AsyncFor = visit_For

    def visit_Try(self, node):
        self.block(node.body, node.orelse)
        for handler in node.handlers:
            self.block(handler.type, ast.Name(handler.name or "_", ast.Store()), handler.body)
        self.visit_all(node.finalbody)

    visit_TryStar = visit_Try

    def visit_Match(self, node):
        self.visit(node.subject)
        for case in node.cases:
            names = [ast.Name(name, ast.Store()) for name in _captured(case.pattern)]
            self.block(names, case.pattern, case.guard, case.body)

    def visit_Import(self, node):
        for name in imported_by(node):
            self.bind(name)

    visit_ImportFrom = visit_Import

    def visit_FunctionDef(self, node):
        self.visit_all(node.decorator_list, node.returns)
        self.bind(node.name)
        self.function(node.args, node.body)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node):
        self.function(node.args, [node.body])

    def function(self, args, body):
        own = [*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg]
        own = [arg for arg in own if arg]
        self.visit_all(args.defaults, args.kw_defaults, [arg.annotation for arg in own])
        self.scope({arg.arg for arg in own} | _stored(body), body)

    def visit_ClassDef(self, node):
        self.visit_all(node.decorator_list, node.bases, node.keywords)
        self.bind(node.name)
        self.scope(set(), node.body)

    def visit_comprehension_of(self, node):
        first, *others = node.generators
        self.visit(first.iter)  # outside of the comprehension
        inside = [first.target, first.ifs, *((each.iter, each.target, each.ifs) for each in others)]
        given = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.scope(_stored([each.target for each in node.generators]), inside, given)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = visit_comprehension_of


def _stored(nodes):
    """The names that are bound in the scope of these nodes: not in the functions within it. -> set"""
    stored, elsewhere, waiting = set(), set(), list(nodes)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                stored.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.Name(ctx=ast.Store() | ast.Del()):
                stored.add(node.id)
            case ast.Import() | ast.ImportFrom():
                stored |= imported_by(node)
            case ast.ExceptHandler():
                stored.add(node.name)
            case ast.Global() | ast.Nonlocal():
                elsewhere |= set(node.names)
            case ast.MatchAs() | ast.MatchStar() | ast.MatchMapping():
                stored |= _captured(node)
        waiting.extend(ast.iter_child_nodes(node))
    return stored - elsewhere - {None}


def _captured(pattern):
    """The names that a pattern of `match` binds. -> set"""
    nodes = [*ast.walk(pattern)]
    names = {getattr(node, "name", None) for node in nodes} | {getattr(node, "rest", None) for node in nodes}
    return names - {None}


def imported_by(node):
    """The names that a node of a syntax tree binds by importing. -> set"""
    if not isinstance(node, (ast.Import, ast.ImportFrom)):
        return set()
    return {alias.asname or alias.name.split(".")[0] for alias in node.names}
