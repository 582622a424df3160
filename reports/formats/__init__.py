"""Tables and pages as Markdown, LaTeX, HTML, CSV and Parquet."""
