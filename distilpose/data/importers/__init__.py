"""Published data sets and annotation tools, each read from its own files into our COCO form."""
