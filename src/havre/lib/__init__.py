"""Pure things without I/O, which every other room uses: ids, sizes, times, names, templates, owned tasks."""
