"""Images from registries, over the OCI distribution protocol.

The engine comes in through ``pull.Puller`` (fetch an image) and ``login.Login`` (check credentials); the composition
root opens one ``transport.Transport`` and builds both on it. From the outside in:

- ``pull`` what Docker means by a pull; ``resolve`` name → manifest for a platform; ``progress`` the messages it sends
- ``download`` one blob onto the disk: shared, resumed, retried, verified
- ``repository`` the protocol, for one repository at one endpoint; ``tokens`` and ``auth`` its credentials
- ``transport`` HTTP: TLS, proxies, redirects; ``failures`` what may go wrong, ``retry`` whether to try again
- ``config`` which endpoints serve a registry's name
"""
