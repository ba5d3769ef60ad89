"""Files on their way into an image: which are meant (``selecting``), what they are known by (``checksums``), and how
they get there (``placing``). All of it works on descriptors, and links in foreign trees never lead out of them.
"""
