"""jaxsize: learn how large a neural network should be while training it."""
