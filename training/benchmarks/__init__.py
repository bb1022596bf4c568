"""`frontline benchmark`: public evaluation suites, read from their published files and measured as published."""
