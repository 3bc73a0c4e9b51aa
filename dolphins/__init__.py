"""The command line: the one place that knows all the packages and puts them together."""
