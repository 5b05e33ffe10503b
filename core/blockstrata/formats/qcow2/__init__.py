"""The qcow2 format, versions 2 and 3: header, tables, refcounts, and a small writer."""
