"""The environments of other converters, before they are needed."""

from collections.abc import Sequence

from bench.artifact import ModelVariant
from bench.artifacts import ArtifactCache
from bench.converters.base import Converter
from bench.errors import BenchError
from bench.progress import Reporter


def set_up(
    converters: Sequence[Converter], models: Sequence[ModelVariant], cache: ArtifactCache, say: Reporter
) -> dict[str, str]:
    """Install the environments that are missing; returns those that cannot be, by converter, with the reason."""
    unusable = {}
    for converter in converters:
        if converter.environment and any(cache.to_be_made(model, converter) for model in models):
            if converter.name in unusable:
                continue
            try:
                converter.environment.ensure(say)
            except BenchError as error:
                say.line(f"{converter.name}: FAILED: {error}")
                unusable[converter.name] = str(error)
    return unusable
