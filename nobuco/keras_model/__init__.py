"""A graph and a layout plan become a Keras Functional model."""
