"""Files that data sets lie in: finding, fetching and reading them."""
