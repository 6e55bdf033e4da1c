"""The simulated applicant: a headless peer that comes by the same link and speaks the same protocol as a browser.

For demonstrations and for training staff. Everything it shows is drawn and marked 演示样本 (demonstration specimen); its voice
is synthesised. It is a client of the product, not a part of it: nothing else in ``web`` imports from here but the command
line and the demo's button.
"""
