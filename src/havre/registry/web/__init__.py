"""The registry's web page, made on the server without scripts, and Docker's search."""
