"""Network block devices: a client that only ever asks, written from the protocol's own description.

``wire`` packs and parses and touches no socket; ``stream`` is the socket and its time limit; ``handshake``
agrees on what is spoken; ``connection`` asks; ``status`` remembers the answers; ``node`` makes them facts.
"""
