"""A whole run, from the names of models to the report:

from bench.run import ZooOptions, zoo
result = zoo(ZooOptions(models=["slice_relu"], converters=["nobuco"], rounds=3))
"""

from bench.run.execute import ZooResult, zoo
from bench.run.options import ZooOptions
from bench.run.planning import plan

__all__ = ["ZooOptions", "ZooResult", "plan", "zoo"]
