"""A sweep file read: YAML with places, checked records, and the rows and seeds they expand to."""
