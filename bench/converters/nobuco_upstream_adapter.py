"""nobuco 0.17: the project that this one is a rewrite of, in an environment of its own."""

from bench.converters.torch_route import TorchRoute
from bench.jobs.mapping import Layout
from bench.peers.environments import Environment


class NobucoUpstream(TorchRoute):
    """The original, as PyPI has it."""

    name = "nobuco-upstream"
    layout: Layout = "channels last"
    environment = Environment(
        "nobuco-upstream", lock="nobuco-upstream.txt", python="3.11", with_dependencies=True
    )
    script = "nobuco_upstream_script.py"
    release = "0.17.0"
