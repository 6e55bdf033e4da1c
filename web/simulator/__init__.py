"""The simulated applicant: a headless peer that comes by the same link and speaks the same protocol as a browser.

For demonstrations and for training staff. Everything it shows is drawn, its card is marked 演示样本 (specimen), its
voice is synthesised. It is a client of the product, not a part of it: of ``web`` only the command line, the demo's
button and the demo's data import from here.
"""
