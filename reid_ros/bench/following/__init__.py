"""A robot follows one person among others, in a closed loop; scored against the truth."""
