"""The data sets, one module each; `jaxsize.data.load` calls their loaders by name."""
