"""The official TFLite `benchmark_model`, of which two programs share the name: the classic one and LiteRT's."""
