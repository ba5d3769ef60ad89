"""The kinds of networks there are; ``network/networks.py`` lists them."""
