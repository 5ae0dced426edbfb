"""What the end-to-end tests stand on: the real binary, a scripted receiver, and hand-made requests.

Not its business: what is right. That is said by the tests, and by the public packages that they verify with.
"""
