"""Random modules with branches and loops on tensors, as source: what is lifted is a function's own text."""

from __future__ import annotations

import linecache
import random
from typing import Any

import torch
from torch import nn

_counter = iter(range(10**9))


class Writer:
    """Writes the body of a `forward(self, x)` where every variable has one shape, from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.lines: list[str] = []
        self.tensors = ["x", "y", "z"]
        self.loops = 0
        self.returned = ""

    def module(self) -> nn.Module:
        self.lines = [
            "    def forward(self, x):",
            "        y = x * 0.5",
            "        z = torch.relu(x) - 0.25",
            "        n = 0",
        ]
        self.returned = self.random.choice(("x + y + z * n", "x, y, z", "y - z, x * (n + 1)"))
        self.block(2, self.random.randint(2, 4), 0)
        self.lines.append(
            f"        return {self.random.choice(('x + y + z * n', 'x, y, z', 'y - z, x * (n + 1)'))}"
        )
        source = "class Module(Base):\n" + "\n".join(self.lines) + "\n"
        file = f"<program {next(_counter)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        names: dict[str, Any] = {"torch": torch, "Base": Base, "__name__": "random_programs"}
        exec(compile(source, file, "exec"), names)
        torch.manual_seed(0)
        made = names["Module"]().eval()
        made.source = source
        return made

    def block(self, indent: int, count: int, depth: int) -> None:
        for _ in range(count):
            self.statement(indent, depth)

    def put(self, indent: int, line: str) -> None:
        self.lines.append("    " * indent + line)

    def statement(self, indent: int, depth: int) -> None:
        kinds = ["set", "set", "inplace", "view", "number", "expression", "augmented"]
        if depth < 3:
            kinds += ["if", "if", "if", "return", "for", "augmented if"] + ["while"] * (self.loops < 2)
        kind = self.random.choice(kinds)
        a, b = self.random.choice(self.tensors), self.random.choice(self.tensors)
        if kind == "set":
            self.put(indent, f"{a} = {self.expression()}")
        elif kind == "inplace":
            self.put(indent, f"{a} = {a}.clone()")
            writes = (f"{a} += 0.25", f"{a}[0] = {b}[1] * 0.5", f"{a}[:, 1:].mul_(0.5)", f"{a}.copy_({b})")
            self.put(indent, self.random.choice(writes))
        elif kind == "view":
            self.put(indent, f"{a} = {b}")
        elif kind == "augmented":
            self.put(indent, f"{a} = {self.fresh()}")
            self.put(indent, self.augmented(a))
        elif kind == "augmented if":
            # both ways write into a tensor that was there before, or hand one tensor on under two names
            self.put(indent, f"{a} = {self.fresh()}")
            self.put(indent, f"if {self.test()}:")
            self.put(indent + 1, self.augmented(a))
            self.put(indent + 1, self.random.choice((f"{b} = {a}", f"{b} = {b} * 2", "n += 1", f"{a} = {a}")))
            if self.random.random() < 0.4:
                self.put(indent, "else:")
                self.put(indent + 1, self.random.choice((self.augmented(a), f"{a} = {b}", f"{b} = {a}")))
        elif kind == "number":
            self.put(indent, self.random.choice(("n += 1", "n = n * 2", "n = 3", "n = n - 1")))
        elif kind == "expression":
            self.put(indent, f"{a} = {self.expression()} if {self.test()} else {self.expression()}")
        elif kind == "if":
            self.put(indent, f"if {self.test()}:")
            self.block(indent + 1, self.random.randint(1, 2), depth + 1)
            for _ in range(self.random.randint(0, 1)):
                self.put(indent, f"elif {self.test()}:")
                self.block(indent + 1, 1, depth + 1)
            if self.random.random() < 0.6:
                self.put(indent, "else:")
                self.block(indent + 1, self.random.randint(1, 2), depth + 1)
        elif kind == "return":
            self.put(indent, f"if {self.test()}:")
            self.put(indent + 1, f"return {self.returned}")
        elif kind == "for":
            self.put(indent, f"for layer in self.layers[:{self.random.randint(1, 2)}]:")
            self.put(indent + 1, f"{a} = layer({a})")
            self.block(indent + 1, 1, depth + 1)
            if self.random.random() < 0.5:
                self.put(indent + 1, f"if {self.test()}:")
                self.put(indent + 2, self.random.choice(("break", "continue")))
                self.put(indent + 1, f"{b} = {b} * 0.75")
        elif kind == "while":
            self.loops += 1
            self.put(indent, f"{a} = torch.tanh({a}) * 0.5")
            self.put(indent, f"while {a}.abs().max() < 2 and {a}.abs().max() > 0.001:")
            self.put(indent + 1, f"{a} = {a} * 1.75")
            self.put(indent + 1, self.random.choice(("n += 1", f"{b} = {b} * 0.5 + {a} * 0", "n = n + 2")))
            if self.random.random() < 0.3:
                self.put(indent + 1, f"if {self.test()}:")
                self.put(indent + 2, "break")

    def fresh(self) -> str:
        """A tensor that nothing else holds."""
        a, b = self.random.choice(self.tensors), self.random.choice(self.tensors)
        return self.random.choice((f"{a} * 2", f"{a} - {b}", f"{a}.clone()", f"torch.tanh({a})"))

    def augmented(self, a: str) -> str:
        b = self.random.choice(self.tensors)
        return self.random.choice(
            (f"{a} += torch.tanh({b})", f"{a} *= {b}.mean().clamp(-2, 2)", f"{a}[0] += {b}[1]", f"{a}[:, 1:] *= 0.5",
             f"{a} -= n", f"{a} /= 2")
        )  # fmt: skip

    def expression(self) -> str:
        a, b = self.random.choice(self.tensors), self.random.choice(self.tensors)
        return self.random.choice(
            (f"{a} + {b}", f"torch.tanh({a})", f"{a} * 0.5 - {b}", f"self.layers[0]({a})", f"torch.maximum({a}, {b})",
             f"{a} + n", f"self.shift + {a}", f"{a}.flip(0)")
        )  # fmt: skip

    def test(self) -> str:
        a, b = self.random.choice(self.tensors), self.random.choice(self.tensors)
        simple = (f"{a}.mean() > 0.1", f"{a}.sum() < {b}.sum() + 0.37", f"({a} > 1).any()", f"bool(({a} < 2).all())",
                  f"{a}.max() > n", "n > 1", f"-1 < {a}.sum() < 1.5")  # fmt: skip
        first, second = self.random.choice(simple), self.random.choice(simple)
        return self.random.choice(
            (first, first, f"not {first}", f"{first} and {second}", f"{first} or not {second}")
        )


class Base(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(2))
        self.shift = nn.Parameter(torch.randn(4) * 0.3)
        self.source = ""
