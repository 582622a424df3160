"""One idea a file: a pure function, which asks by the names of its parameters for what it needs; `table` lists them."""
