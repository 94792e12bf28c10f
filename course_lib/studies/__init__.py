"""The experiments and the small models of the chapters, with their data, weights and runs."""
