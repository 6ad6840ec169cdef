"""Public data sets, read from the folders that their authors gave out."""
