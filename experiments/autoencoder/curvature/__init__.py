"""The curvature of an autoencoder's loss along training and along compression; see `arms`."""
